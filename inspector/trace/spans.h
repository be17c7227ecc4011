/* SPDX-License-Identifier: MIT
 *
 * The spans of one trace, and which of them caused which.  Pure.
 *
 * A span is one node's part of a request, identified by node and id.  If a program forgets to make a child, both nodes report
 * the same id.  These are still two spans, and the one that began first counts as the parent.
 *
 * If events were lost, what caused a span may not be here.  The span that surrounds it, on the node that it says asked it, then
 * counts as its parent, if only one comes into question; of a span that asks, the one on its own node.
 *
 * An event's position is its place among the events of the trace. */
#ifndef INSPECTOR_SPANS_H
#define INSPECTOR_SPANS_H

#include "facts.h"

#define NO_POSITION ((size_t)-1)

/* The events of one trace in time order: indices into facts->items. */
struct trace_events {
    const struct facts *facts;
    const size_t *places; /* NULL: the first `count` facts */
    size_t count;
    const struct node_states *states; /* settled; NULL: nobody knows which nodes had ended */
};

static inline const struct fact *trace_event_at(const struct trace_events *events, size_t position) {
    return &events->facts->items[events->places ? events->places[position] : position];
}

/* The first one at or after a time. */
size_t trace_events_from(const struct trace_events *events, uint64_t time_ns);

struct span {
    uint64_t span_id;
    unsigned node;
    unsigned peer;             /* NO_NUMBER : none */
    size_t start, end;         /* positions; NO_POSITION: we do not have it */
    uint64_t start_ns, end_ns; /* without an end, the trace's last event; without a start, the end */
    size_t parent;             /* a span; NO_POSITION: a root, or we do not have the parent */
    bool parent_missing;       /* it names a parent that we do not have; `parent` may be the one that surrounds it */
    bool ok;
    bool expired;   /* it ended, not ok, because it ran out of time */
    bool asks;      /* the peer is the node it asks; otherwise the node that asked it */
    unsigned asker; /* on whose behalf its node works: the node of the innermost span around it that is on another node; of a part
                       that began a request, the peer that asked for it.  NO_NUMBER: nobody did */
    bool given_up;  /* it failed after its asker had failed, which did not wait for its answer */
    size_t first_child, next_sibling;
    size_t order, last_order; /* its place in a walk from each root to its children, and that of the last span below it; 0: it is
                                 in a circle of parents, or below one */
};

struct spans {
    struct span *items; /* in the order of their first events */
    size_t count;
    size_t *by_key; /* indices into items, sorted by id and node */
    size_t shared;  /* a span with the same id as an earlier span of another node; NO_POSITION: none */
};

/* Returns 0 or -ENOMEM. */
int spans_init(struct spans *spans, const struct trace_events *events);
void spans_fini(struct spans *spans);

/* The span with that node and id, or NO_POSITION. */
size_t spans_find(const struct spans *spans, unsigned node, uint64_t span_id);

/* Did a span cause another, perhaps through others? */
bool spans_caused(const struct spans *spans, const struct span *cause, const struct span *span);

/* The request's span: the first root that began; without a root, the longest span that began.  NO_POSITION: none began. */
size_t spans_root(const struct spans *spans);

#endif
