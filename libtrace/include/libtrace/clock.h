/* SPDX-License-Identifier: MIT
 *
 * From ring ticks to Unix time.  One clock serves all rings of a machine, because an invariant time-stamp counter is the same on
 * all processors.
 *
 * The mapping is a chain of straight lines, continuous and increasing, so that recalibration never changes the order of two
 * events.  The lines follow CLOCK_MONOTONIC; the offset to Unix time is measured at the start and whenever the system time is
 * stepped.
 *
 * Suspending the machine breaks the chain: CLOCK_MONOTONIC stops, while the counter continues, stops too, or restarts at 0.
 * The same happens when the host of a virtual machine stops or moves it.  When a sample shows this, a new line begins, and the
 * old one is kept for earlier events:
 *
 *      ns                                        new line, through the sample
 *       |                 old line              .*
 *       |            .----.                  .'
 *       |        .-'                       .'
 *       +------ last sample ---- asleep ---- sample -----> ticks
 *                          ^ until_ticks, as long before the sample as the machine was awake since the last one
 *
 * One thread at a time. */
#ifndef LIBTRACE_CLOCK_H
#define LIBTRACE_CLOCK_H

#include <p2ptrace/shm.h>
#include <stdbool.h>
#include <stdint.h>

/* One moment on three clocks. */
struct trace_clock_sample {
    uint64_t ticks;
    uint64_t monotonic_ns;
    uint64_t unix_ns;
    uint64_t width_ticks; /* how long it took to read them, and so how far apart they may be */
};

/* A line that was in force until the chain broke. */
struct trace_clock_past {
    uint64_t until_ticks, until_ns; /* the line's end, by the counter and by CLOCK_MONOTONIC: earlier events belong to it */
    bool counter_fell;              /* the counter restarted: events of this line have higher ticks than those of the next */
    struct trace_clock_sample first;
    uint64_t line_ticks, line_ns;
    double ns_per_tick;
    int64_t unix_offset_ns;
    uint64_t steps; /* before this line ended */
};

/* How many breaks are remembered.  If there are more while earlier events wait in a ring, those of the oldest line get the time
 * of the next one. */
#define TRACE_CLOCK_PASTS_MAX 4

struct trace_clock {
    struct trace_clock_sample first; /* when the clock was started, or a sample that the line was measured from */
    struct trace_clock_sample last;  /* the newest sample */
    uint64_t line_ticks;             /* the line in force begins here ... */
    uint64_t line_ns;                /* ... at this CLOCK_MONOTONIC time ... */
    double ns_per_tick;              /* ... and has this slope */
    int64_t unix_offset_ns;          /* CLOCK_REALTIME - CLOCK_MONOTONIC */
    uint64_t steps;                  /* how often the system time was stepped, or a new line began */
    uint64_t step_before_ns; /* the newest step: Unix time by the clock as it was, after a sleep that of the last sample ... */
    uint64_t step_after_ns;  /* ... and when it was noticed, by the clock as it is since; 0: there was none */
    uint64_t restarts;       /* how often a new line began, because the machine had been suspended or stopped */
    uint32_t past_count;
    struct trace_clock_past pasts[TRACE_CLOCK_PASTS_MAX]; /* newest first */
};

/* A ring's own clock, from its header. */
struct trace_ring_clock {
    enum trace_clock_source source;
    uint64_t open_ticks, open_monotonic_ns;
    uint64_t open_unix_ns; /* 0: not known */
};

/* CLOCK_MONOTONIC in nanoseconds: the ring's clock where the time-stamp counter is not usable. */
uint64_t trace__monotonic_ns(void);

/* The time-stamp counter.  Call it only where trace_clock_tsc_usable. */
static inline uint64_t trace__tsc(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* Reads the three clocks, as close together as possible. */
struct trace_clock_sample trace_clock_read(void);

/* Does the machine have a time-stamp counter that a ring can use?  That is x86-64 with a counter that CPUID calls invariant,
 * unless the environment has P2PTRACE_CLOCK=monotonic, for machines whose counter cannot be trusted all the same.  Determined
 * once per process. */
bool trace_clock_tsc_usable(void);

/* Starts a clock from two samples at least some milliseconds apart; the longer, the better the slope. */
void trace_clock_init(struct trace_clock *clock, struct trace_clock_sample first, struct trace_clock_sample second);

/* How long after the newest sample the next one should be taken: as long as the slope has been measured, from 5 ms to 1 s.  So
 * in the first second, too, the line strays by no more than a few times a sample's own error. */
uint64_t trace_clock_interval_ns(const struct trace_clock *clock);

/* Takes a new sample; call it after trace_clock_interval_ns, and at least every few seconds.  Returns true when Unix time, or the
 * clock's idea of it, was stepped since the last one: the offset changed, or a new line began. */
bool trace_clock_update(struct trace_clock *clock, struct trace_clock_sample sample);

/* Would a new line begin with this sample?  Then it should be taken at once. */
bool trace_clock_is_broken(const struct trace_clock *clock, const struct trace_clock_sample *sample);

/* Was the machine suspended, or the system time stepped, between the ring's opening and the sample? */
bool trace_clock_slept_since_open(const struct trace_clock_sample *sample, const struct trace_ring_clock *ring);

/* Unix time, in nanoseconds, of a tick of that ring.  For ticks before the clock was started it uses the ring's opening sample,
 * if that agrees with the clock to within one part in a thousand and the machine was not suspended in between. */
uint64_t trace_clock_unix_ns(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks);

/* The same, and *ret_steps: how many steps the clock had seen when the line was in force that gives the time.  Between two times
 * with the same number no step lies. */
uint64_t trace_clock_unix_ns_of(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks,
                                uint64_t *ret_steps);

/* The line that gives the times of a ring's events now, for many events at once: for the ticks that it has, it says the same as
 * trace_clock_unix_ns_of.  Valid until the clock's next update. */
struct trace_clock_line {
    uint64_t from_ticks, tick_count; /* the ticks that it has */
    uint64_t at_ticks, at_unix_ns;
    double ns_per_tick;
    uint64_t steps;
};

struct trace_clock_line trace_clock_newest_line(const struct trace_clock *clock, const struct trace_ring_clock *ring);

static inline bool trace_clock_line_has(const struct trace_clock_line *line, uint64_t ticks) {
    return ticks - line->from_ticks < line->tick_count;
}

static inline uint64_t trace_clock_line_unix_ns(const struct trace_clock_line *line, uint64_t ticks) {
    double behind = (double)(int64_t)(ticks - line->at_ticks) * line->ns_per_tick;
    return line->at_unix_ns + (uint64_t)(int64_t)behind;
}

#endif
