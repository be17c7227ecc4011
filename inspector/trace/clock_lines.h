/* SPDX-License-Identifier: MIT
 *
 * Times of a clock that was set, on one axis.  Pure.
 *
 * Each event has its time on a line of its machine's clock (proto/event_clock.h); a step begins a new line.  Times of two lines
 * overlap after a step back, and lie far apart after a step forward.  On the axis the lines follow each other in the order in
 * which they were in force, 1 ns apart, because nothing is known about the time from the last event before a step to the first
 * one after it:
 *
 *
 *     Unix time   0: ======|                      the clock is set back
 *                 1:    |=========
 *     axis           ======|=========
 *                          ^ seam
 *
 *
 * So the order of times is the order of events.  Between two times on one side of a seam, the difference is the time that
 * passed; across a seam it is the least that passed.  Without a step, the axis is Unix time.
 *
 * The number of a line begins again with each run of traced.  Where it does not follow the order of the events, we do not
 * know which line was first: then the axis is Unix time, and a seam lies wherever the line changes. */
#ifndef INSPECTOR_CLOCK_LINES_H
#define INSPECTOR_CLOCK_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_line {
    unsigned machine; /* NO_NUMBER: the only one */
    uint8_t number;
    uint64_t first_ns, last_ns; /* of its events, Unix time */
    uint64_t shift_ns;          /* from Unix time to the axis, modulo 2^64 */
};

/* From the last event of a line to the first one of the next, on the axis. */
struct clock_seam {
    uint64_t from_ns, to_ns;
    unsigned machine;
    uint8_t before, after; /* the numbers of the lines */
};

struct clock_lines {
    struct clock_line *items; /* by machine, the oldest first */
    size_t count, capacity;
    size_t last;              /* where clock_lines_see found the last one */
    struct clock_seam *seams; /* in order */
    size_t seam_count, seam_capacity;
};

/* Takes note of an event's time.  Returns 0 or -ENOMEM. */
int clock_lines_see(struct clock_lines *lines, unsigned machine, uint8_t number, uint64_t unix_ns);

/* Puts the lines on the axis.  Call it once, after all events were seen.  Returns 0 or -ENOMEM. */
int clock_lines_join(struct clock_lines *lines);

/* Adds a seam, instead of clock_lines_join, which must not lie before another.  Returns 0 or -ENOMEM. */
int clock_lines_cut(struct clock_lines *lines, struct clock_seam seam);
void clock_lines_fini(struct clock_lines *lines);

/* From Unix time to the axis.  A line that was not seen is taken for the newest. */
uint64_t clock_lines_time(const struct clock_lines *lines, unsigned machine, uint8_t number, uint64_t unix_ns);

/* From the axis to Unix time. */
uint64_t clock_lines_unix(const struct clock_lines *lines, unsigned machine, uint64_t time_ns);

/* The first seam that ends after a time; NULL: none. */
const struct clock_seam *clock_lines_seam(const struct clock_lines *lines, uint64_t after_ns);

#endif
