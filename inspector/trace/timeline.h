/* SPDX-License-Identifier: MIT
 *
 * What one trace's events mean together: which span each belongs to, how deep its hop is, and how long nothing happened.
 * Computed from the events alone, for any part of them may be missing.
 *
 * An event belongs to the span that is open on its node and began last; before the node's first span to that one, after its last
 * to that.  A span is as deep as its chain of parents is long.  Where the time went is in critical_path.h. */
#ifndef INSPECTOR_TIMELINE_H
#define INSPECTOR_TIMELINE_H

#include "critical_path.h"

#define NO_SPAN (-1)

struct timeline_item {
    const json_t *event;
    uint64_t time_ns;
    uint64_t gap_ns; /* since the item before; 0 for the first */
    bool gap_counts; /* the request was under way: not when it was over, or before it began */
    bool gap_is_big; /* a tenth of the request, or the longest */
    uint16_t kind;   /* enum trace_kind; 0 for one that this version does not know */
    unsigned node;
    int span; /* NO_SPAN when its node has none */
    unsigned depth;
};

struct timeline_span {
    const json_t *start; /* NULL when it was lost */
    const json_t *end;   /* NULL when there is none */
    uint64_t start_ns, end_ns;
    int parent; /* NO_SPAN for a root, and when the parent is not here */
    bool parent_missing;
    unsigned node;
    unsigned depth;
    bool ok;
    bool expired; /* it ended, not ok, for time ran out */
    bool asks;    /* its peer is whom it asks */
    /* While walking: neighbours among the open spans of its node. */
    int node_next, node_previous;
    bool open;
};

struct timeline_node {
    const char *node_id; /* NULL for events without one */
    uint64_t events_missing;
    int open_head, first_span, last_span;
};

struct timeline {
    struct facts
        facts; /* one for each item, in the same order; node numbers are those of nodes, peers without events come behind */
    struct trace_events events; /* the same */
    struct critical_path path;  /* its spans are one for each of ours, its messages' events our items */
    struct timeline_item *items;
    size_t item_count;
    struct timeline_span *spans;
    size_t span_count;
    struct timeline_node *nodes; /* in order of appearance */
    size_t node_count;
    uint64_t start_ns, end_ns;
    uint64_t outside_ns;     /* no span was open, and nothing on its way to one */
    uint64_t longest_gap_ns; /* of those that count */
    size_t longest_gap;      /* the item that ends it */
    uint64_t events_missing;
};

/* events: an array in time order (events_merge).  It must outlive the timeline.  0 or -ENOMEM. */
int timeline_init(struct timeline *timeline, const json_t *events);
void timeline_fini(struct timeline *timeline);

/* The arrow of an item as event_arrow has it, but that a span which names whom it asks points there when it begins, and back
 * when it ends. */
const char *timeline_arrow(const struct timeline *timeline, const struct timeline_item *item);

/* Appends a time since its start: "+1.254 ms", all of them with one unit. */
struct strbuf;
void timeline_since(struct strbuf *out, const struct timeline *timeline, uint64_t time_ns);

#endif
