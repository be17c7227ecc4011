/* SPDX-License-Identifier: MIT
 *
 * One lane, one question. */
#ifndef LIBTRACE_QUERY_SCAN_H
#define LIBTRACE_QUERY_SCAN_H

#include "query_clock.h"
#include "query_collect.h"
#include "query_ring.h"

/* [floor, head): positions that may still be in the ring.  floor rises when we meet the writer. */
struct query_lane {
    unsigned number;
    const struct trace_event *slots;
    uint32_t slot_mask;
    uint64_t head, begin, floor;
    uint64_t unfinished;
};

/* Returns false for a lane without events. */
bool query__lane_init(struct query_lane *lane, const struct query_ring *ring, unsigned number);

/* A question under way. */
struct query_search {
    const struct query_clock *clock;
    struct trace_query_filter filter;
    struct query_sink *sink;
};

/* Gives an event to the sink, if the filter matches.  The event's timestamp is in ticks. */
void query__offer(const struct query_search *search, const struct trace_event *event, const struct query_lane *lane,
                  uint64_t position);

/* Reads [from, head), newest first, and stops at what is overwritten. */
void query__scan(struct query_lane *lane, uint64_t from, const struct query_search *search);

#endif
