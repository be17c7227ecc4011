/* SPDX-License-Identifier: MIT
 *
 * The spans of one trace, and which of them caused which.  Pure.
 *
 * A span is one node's part of a request.  It is known by its node and its id: a program that forgets to make a child has the
 * asker and the asked tell one id, and they are two spans all the same.  Then the one that began first is taken for the parent.
 *
 * An event's position is its place among the events of the trace. */
#ifndef INSPECTOR_SPANS_H
#define INSPECTOR_SPANS_H

#include "facts.h"

#define NO_POSITION ((size_t)-1)

/* The events of one trace in time order: places in facts->items. */
struct trace_events {
    const struct facts *facts;
    const size_t *places; /* NULL: they are the first `count` facts */
    size_t count;
};

static inline const struct fact *trace_event_at(const struct trace_events *events, size_t position) {
    return &events->facts->items[events->places ? events->places[position] : position];
}

struct span {
    uint64_t span_id;
    unsigned node;
    unsigned peer;     /* NO_NUMBER for none */
    size_t start, end; /* positions, or NO_POSITION for one that is not here */
    uint64_t start_ns,
        end_ns;          /* without an end: the trace's last event.  Without a start: the end, for nothing is known before it */
    size_t parent;       /* a span, or NO_POSITION for a root and where the parent is not here */
    bool parent_missing; /* it names a parent that is not here */
    bool ok;
    bool expired; /* it ended, not ok, for time ran out */
    bool asks;    /* the peer is whom it asks; else who asked it */
    size_t first_child, next_sibling;
};

struct spans {
    struct span *items; /* by their first event */
    size_t count;
    size_t *by_key; /* spans, by id and node */
    size_t shared;  /* a span whose id an earlier span of another node has too; NO_POSITION: there is none */
};

/* 0 or -ENOMEM. */
int spans_init(struct spans *spans, const struct trace_events *events);
void spans_fini(struct spans *spans);

/* The span of that node and id, or NO_POSITION. */
size_t spans_find(const struct spans *spans, unsigned node, uint64_t span_id);

/* The span that the request is: the first root that began; without one, the longest that began.  NO_POSITION when none did. */
size_t spans_root(const struct spans *spans);

#endif
