/* SPDX-License-Identifier: MIT
 *
 * What missing events hide of a request's critical path.  Pure.
 *
 * In a gap of a node's events the node may have asked another, and another may have asked it, unless the other reports its
 * traffic in the request, or whom it asks.  A span whose cause is not here may be what another span waited for, if it ended
 * within it.  An end without a start may be what its cause waited for since it began. */
#ifndef INSPECTOR_PATH_HIDDEN_H
#define INSPECTOR_PATH_HIDDEN_H

#include "path_edges.h"

struct hidden {
    const struct facts *facts;
    const struct spans *spans;
    size_t *strays; /* spans that nobody is known to have waited for */
    size_t stray_count;
    unsigned *nodes; /* that have events in the request */
    unsigned node_count;
    bool *reports; /* by node: it reports its traffic, or whom it asks */
};

/* Returns 0 or -ENOMEM.  hidden_fini frees it in any case. */
int hidden_init(struct hidden *hidden, const struct trace_events *events, const struct spans *spans,
                const struct transports *transports, size_t root);
void hidden_fini(struct hidden *hidden);

/* The first part of a time that a span spent at a node, as far as we know, in which it may have waited for another. */
bool hidden_next(const struct hidden *hidden, size_t span, unsigned node, uint64_t from_ns, uint64_t to_ns, uint64_t *ret_from_ns,
                 uint64_t *ret_to_ns);

/* The first gap in which the end of a span may be; NULL: we have its end, or it has not ended. */
const struct fact_gap *hidden_end(const struct facts *facts, const struct span *span);

/* May a span have waited for that stray one, and when? */
bool hidden_may_wait(const struct hidden *hidden, size_t span, size_t stray, uint64_t *ret_from_ns, uint64_t *ret_to_ns);

/* Of two that a span waited for, the one that answered last counts: may another have answered after that moment, so
 * that the time from *ret_from_ns to it was the other's? */
bool hidden_later(const struct hidden *hidden, size_t span, uint64_t answered_ns, uint64_t *ret_from_ns);

/* Of the spans that a node without a span asked for, as they say: the one within that time that ended last.  NO_POSITION:
 * none. */
size_t hidden_last_of(const struct hidden *hidden, unsigned asker, uint64_t from_ns, uint64_t to_ns);

#endif
