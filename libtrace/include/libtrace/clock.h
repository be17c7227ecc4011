/* SPDX-License-Identifier: MIT
 *
 * From ring ticks to Unix time.  One clock serves all rings of a machine: an invariant time-stamp counter runs everywhere alike.
 *
 * The mapping is a chain of straight lines, continuous and rising, so that two events never change their order because the
 * calibration was refreshed.  CLOCK_MONOTONIC is the measure; the distance to Unix time is taken at the start and again when
 * the system time is stepped.  One thread at a time. */
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
};

struct trace_clock {
    struct trace_clock_sample first; /* when the clock was started */
    struct trace_clock_sample last;  /* the newest sample */
    uint64_t line_ticks;             /* the line in force begins here ... */
    uint64_t line_ns;                /* ... at this CLOCK_MONOTONIC time ... */
    double ns_per_tick;              /* ... and has this slope */
    int64_t unix_offset_ns;          /* CLOCK_REALTIME - CLOCK_MONOTONIC */
    uint64_t steps;                  /* how often the system time was stepped */
};

/* A ring's own clock: what its header said. */
struct trace_ring_clock {
    enum trace_clock_source source;
    uint64_t open_ticks, open_monotonic_ns;
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

/* Takes a new sample, at least once a few seconds.  Returns true when the system time was stepped since the last one. */
bool trace_clock_update(struct trace_clock *clock, struct trace_clock_sample sample);

/* Unix time in nanoseconds of a tick of that ring.  Ticks before the clock was started use the ring's own opening sample, if it
 * agrees with the clock to within one part in a thousand. */
uint64_t trace_clock_unix_ns(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks);

#endif
