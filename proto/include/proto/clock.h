/* SPDX-License-Identifier: MIT
 *
 * The current time, in nanoseconds.  Any thread; async-signal-safe. */
#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

#include <stdint.h>
#include <time.h>

/* A clock of the system, for instance CLOCK_THREAD_CPUTIME_ID. */
static inline uint64_t trace_now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Unix time, which can be set and may jump: what events are stamped with. */
static inline uint64_t trace_now_unix_ns(void) { return trace_now_ns(CLOCK_REALTIME); }

/* The time since some moment, which never jumps: for deadlines and durations. */
static inline uint64_t trace_now_monotonic_ns(void) { return trace_now_ns(CLOCK_MONOTONIC); }

/* The same in milliseconds, for deadlines of poll() and similar calls. */
static inline uint64_t trace_now_monotonic_ms(void) { return trace_now_monotonic_ns() / 1000000; }

#endif
