/* SPDX-License-Identifier: MIT
 *
 * The clocks of the inspector: Unix time for events and questions, CLOCK_MONOTONIC for waiting. */
#ifndef INSPECTOR_CLOCK_H
#define INSPECTOR_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Unix time in nanoseconds. */
static inline uint64_t clock_unix_ns(void) { return clock_read_ns(CLOCK_REALTIME); }

/* A clock for deadlines, in milliseconds.  Nothing sets it. */
static inline uint64_t clock_monotonic_ms(void) { return clock_read_ns(CLOCK_MONOTONIC) / 1000000; }

#endif
