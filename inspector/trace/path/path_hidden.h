/* SPDX-License-Identifier: MIT
 *
 * What missing events hide of a request's critical path.  Pure.
 *
 * In a gap of a node's events the node may have asked another, and another may have asked it, unless the other reports its
 * traffic in the request, or whom it asks.  If a span's cause is missing, another span may have waited for it, if it ended
 * within that one.  The cause of an end without a start may have waited for it since it began. */
#ifndef INSPECTOR_PATH_HIDDEN_H
#define INSPECTOR_PATH_HIDDEN_H

#include "path_edges.h"

/* Spans that nobody is known to have waited for, in the order of their first events. */
struct strays {
    size_t *items;
    size_t count;
    uint64_t *latest_ns; /* of each, and all before it: the last end */
};

struct hidden {
    const struct facts *facts;
    const struct trace_events *events;
    const struct transports *transports;
    const struct spans *spans;
    struct strays ended, unended, begun_before; /* whose parents we do not have either; begun_before: without a start */
    size_t *with_parent;                        /* the others, by parent, then in their order */
    size_t with_parent_count;
    size_t *by_asker; /* all with a start and an end, by the peer that asked them, then end, the later ones of several first */
    size_t by_asker_count;
    unsigned *nodes; /* that have events in the request, and miss some */
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

/* A stray span that another one may have waited for, and when. */
struct hidden_wait {
    size_t stray;
    uint64_t from_ns, to_ns;
};

/* All that a span may have waited for, in no order.  ret_waits has room for one of each span.  Returns how many. */
size_t hidden_list(const struct hidden *hidden, size_t span, struct hidden_wait *ret_waits);

/* Of two that a span waited for, the one that answered last counts: may another have answered after that moment, so
 * that the time from *ret_from_ns to it was the other's? */
bool hidden_later(const struct hidden *hidden, size_t span, uint64_t answered_ns, uint64_t *ret_from_ns);

/* Of the spans that a node without a span asked for, as they say: the one within that time that ended last.  NO_POSITION:
 * none. */
size_t hidden_last_of(const struct hidden *hidden, unsigned asker, uint64_t from_ns, uint64_t to_ns);

/* The same of those that began within that time, ended later, and had sent no answer by then: the one that ended first.  Only of
 * the command of a span that waited for that node: another may be work that nobody waits for. */
size_t hidden_open_of(const struct hidden *hidden, const struct span *span, unsigned asker, uint64_t from_ns, uint64_t to_ns);

#endif
