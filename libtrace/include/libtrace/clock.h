/* SPDX-License-Identifier: MIT
 *
 * From ring ticks to Unix time.  One clock serves all rings of a machine: an invariant time-stamp counter runs everywhere alike.
 *
 * The mapping is a chain of straight lines, continuous and rising, so that two events never change their order because the
 * calibration was refreshed.  CLOCK_MONOTONIC is the measure; the distance to Unix time is taken at the start and again when
 * the system time is stepped.
 *
 * A machine that sleeps breaks the chain: CLOCK_MONOTONIC stands still, while the counter goes on, stands too, or begins at 0 again.  So
 * do the host of a virtual machine that stops or moves it.  When a sample shows that, a new line begins, and the old one is kept for
 * events from before:
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
    uint64_t width_ticks; /* how long it took to read them: they may be so far apart */
};

/* What was in force until the chain broke. */
struct trace_clock_past {
    uint64_t until_ticks, until_ns; /* events before are its own: by counter, by CLOCK_MONOTONIC */
    bool counter_fell;              /* the counter began again: events of this line have higher ticks than those of the next */
    struct trace_clock_sample first;
    uint64_t line_ticks, line_ns;
    double ns_per_tick;
    int64_t unix_offset_ns;
};

/* The machine must not sleep more often while events of before wait in a ring: those of the oldest line get the time of the next. */
#define TRACE_CLOCK_PASTS_MAX 4

struct trace_clock {
    struct trace_clock_sample first; /* when the clock was started, or a sample that the line was measured from */
    struct trace_clock_sample last;  /* the newest sample */
    uint64_t line_ticks;             /* the line in force begins here ... */
    uint64_t line_ns;                /* ... at this CLOCK_MONOTONIC time ... */
    double ns_per_tick;              /* ... and has this slope */
    int64_t unix_offset_ns;          /* CLOCK_REALTIME - CLOCK_MONOTONIC */
    uint64_t steps;                  /* how often the system time was stepped, or the line began anew */
    uint64_t restarts;               /* how often it began anew: the machine had slept, or was stopped */
    uint32_t past_count;
    struct trace_clock_past pasts[TRACE_CLOCK_PASTS_MAX]; /* newest first */
};

/* A ring's own clock: what its header said. */
struct trace_ring_clock {
    enum trace_clock_source source;
    uint64_t open_ticks, open_monotonic_ns;
    uint64_t open_unix_ns; /* 0: not known */
};

/* CLOCK_MONOTONIC in nanoseconds: the ring's clock where the time-stamp counter is not usable. */
uint64_t trace__monotonic_ns(void);

/* The time-stamp counter; not to be called where it is not usable. */
static inline uint64_t trace__tsc(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* Reads the three clocks, as close together as can be had. */
struct trace_clock_sample trace_clock_read(void);

/* The machine has a time-stamp counter that the ring can use: x86-64, invariant by CPUID; and P2PTRACE_CLOCK is not "monotonic" in the
 * environment, for machines whose counters cannot be trusted all the same.  Asked once in a process's life. */
bool trace_clock_tsc_usable(void);

/* Starts a clock from two samples some milliseconds apart (or more: the longer, the better the slope). */
void trace_clock_init(struct trace_clock *clock, struct trace_clock_sample first, struct trace_clock_sample second);

/* Takes a new sample, at least once a few seconds.  Returns true when Unix time, or the clock's idea of it, was stepped since the last one:
 * the offset changed, or the line began anew. */
bool trace_clock_update(struct trace_clock *clock, struct trace_clock_sample sample);

/* Would the line begin anew with this sample?  Then it should be taken at once. */
bool trace_clock_is_broken(const struct trace_clock *clock, const struct trace_clock_sample *sample);

/* Did the machine sleep, or was the system time stepped, between the ring's opening and the sample? */
bool trace_clock_slept_since_open(const struct trace_clock_sample *sample, const struct trace_ring_clock *ring);

/* Unix time in nanoseconds of a tick of that ring.  Ticks before the clock was started use the ring's own opening sample, if it
 * agrees with the clock to within one part in a thousand, and the machine has not slept in between. */
uint64_t trace_clock_unix_ns(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks);

#endif
