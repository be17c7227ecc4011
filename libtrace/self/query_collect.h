/* SPDX-License-Identifier: MIT
 *
 * Where found events go: a sink, and the collector, which is one. */
#ifndef LIBTRACE_QUERY_COLLECT_H
#define LIBTRACE_QUERY_COLLECT_H

#include <p2ptrace/query.h>
#include <stdbool.h>

struct query_sink {
    void (*take)(struct query_sink *sink, const struct trace_query_event *found);
};

struct query_key {
    uint64_t timestamp;
    uint32_t lane;
    uint32_t index; /* in events[] */
};

/* The newest `limit` of the events that it takes (0: all), sorted when it is finished. */
struct query_collector {
    struct query_sink sink;
    size_t limit;
    uint64_t matched;
    bool failed; /* out of memory */
    size_t count, capacity;
    struct query_key *keys; /* once there are `limit`: a heap with the oldest on top */
    struct trace_query_event *events;
};

/* Empties it for the next question, and keeps its memory.  A zeroed struct can be begun. */
void query__collector_begin(struct query_collector *collector, size_t limit);

/* Sorts what was taken.  Returns 0 or -ENOMEM. */
int query__collector_finish(struct query_collector *collector);

void query__collector_fini(struct query_collector *collector);

#endif
