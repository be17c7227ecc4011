/* SPDX-License-Identifier: MIT
 *
 * A query's clock: ticks of the ring become Unix time, and an event has the same time in every answer. */
#ifndef LIBTRACE_QUERY_CLOCK_H
#define LIBTRACE_QUERY_CLOCK_H

#include <libtrace/clock.h>
#include <p2ptrace/shm.h>

/* A line covers up to 10 seconds of questions, and there are 64: times stay the same for ten minutes at least. */
#define QUERY_LINES_MAX 64

struct query_clock {
    struct trace_ring_clock ring;
    uint32_t count;
    struct trace_clock lines[QUERY_LINES_MAX]; /* each is in force from its line_ticks to those of the next */
};

/* settle: sleep until the clock has run long enough to be extrapolated. */
void query__clock_init(struct query_clock *clock, const struct trace_shm_header *header, bool settle);

/* Takes a sample if one is due.  Called before each question. */
void query__clock_update(struct query_clock *clock);

/* Begins a new line at a sample, if one is due. */
void query__clock_sample(struct query_clock *clock, struct trace_clock_sample sample);

/* Unix time in nanoseconds. */
uint64_t query__clock_unix_ns(const struct query_clock *clock, uint64_t ticks);

#endif
