/* SPDX-License-Identifier: MIT
 *
 * The timeline of a trace: which span each event belongs to, how deep its hop is, and how long nothing happened.  Computed
 * only from the events that we have, because any of them may be missing.
 *
 * An event belongs to the open span of its node that began last.  Events before the node's first span belong to that, and
 * events after its last span to that.  A span's depth is the length of its chain of parents.  For where the time went, see
 * critical_path.h. */
#ifndef INSPECTOR_TIMELINE_H
#define INSPECTOR_TIMELINE_H

#include "path_ended.h"

#define NO_SPAN (-1)

struct timeline_item {
    const json_t *event;
    uint64_t time_ns; /* as in struct fact: on the axis of clock_lines.h */
    uint64_t gap_ns;  /* since the previous item; 0 for the first; across a step of the clock, the least that it was */
    bool gap_counts;  /* the request was running: not before it began or after it ended */
    bool gap_exact;   /* no step of a clock lies between it and the previous item, and their clocks can be compared */
    bool gap_is_big;  /* a tenth of the request or more, or the longest */
    uint16_t kind;    /* enum trace_kind; 0 : this version does not know the kind */
    unsigned node;
    int span; /* NO_SPAN : its node has none */
    unsigned depth;
};

struct timeline_span {
    const json_t *start; /* NULL when it was lost */
    const json_t *end;   /* NULL when there is none */
    uint64_t start_ns, end_ns;
    int parent; /* NO_SPAN : a root, or the parent is not here */
    bool parent_missing;
    unsigned node;
    unsigned depth;
    bool ok;
    bool expired;  /* it ended, not ok, because it ran out of time */
    bool asks;     /* its peer is the node it asks */
    bool given_up; /* as in spans.h */
    /* While walking: neighbours among the open spans of its node. */
    int node_next, node_previous;
    bool open;
};

struct timeline_node {
    const char *node_id; /* NULL : events without one */
    uint64_t events_missing;
    int open_head, first_span, last_span;
};

struct timeline {
    struct facts
        facts; /* one for each item, in the same order; nodes have the same numbers as in `nodes`, peers without events follow */
    struct trace_events events; /* the same events */
    struct critical_path path;  /* one span for each of ours; its messages' events are our items */
    struct node_states states;  /* of the logs of its nodes and peers, as far as they are known */
    struct ended *ended;        /* nodes that had ended while the request waited for them */
    size_t ended_count;
    struct timeline_item *items; /* in the order in which they happened, which a step of the clock does not change */
    size_t item_count;
    struct timeline_span *spans;
    size_t span_count;
    struct timeline_node *nodes; /* in order of appearance */
    size_t node_count;
    uint64_t start_ns, end_ns;
    uint64_t outside_ns;     /* no span was open, and no message on its way to one */
    uint64_t longest_gap_ns; /* of the gaps within the request */
    size_t longest_gap;      /* the item that ends it */
    uint64_t events_missing;
};

/* events: an array in the order of Unix time (events_merge); must outlive the timeline.  answer: where they are from.  Its
 * "beside" is the answer to timeline_question; "more" or "chosen" says that they are not all events of the trace.  NULL: they
 * are all, and nobody asked what happened beside.  nodes: the answer to `nodes`; NULL: not known.  Returns 0 or -ENOMEM. */
int timeline_init(struct timeline *timeline, const json_t *events, const json_t *answer, const json_t *nodes);
void timeline_fini(struct timeline *timeline);

/* The params of `query` for what happened beside a trace and may change what its timeline concludes (path_doubts.h); NULL if
 * nothing may.  If "beside" of the answer has that, what is to be added to it: also *ret_looked, as for doubts_stop_question.
 * answer: as for render_trace; nodes: as for timeline_init.  Returns 0 or -ENOMEM. */
int timeline_question(const json_t *answer, const json_t *nodes, json_t **ret_params, json_t **ret_looked);

/* The arrow of an item, as from event_arrow, except that a span that names the node it asks points there when it
 * begins, and back when it ends. */
const char *timeline_arrow(const struct timeline *timeline, const struct timeline_item *item);

/* Appends a node's time since the start: "+1.254 ms", with the same unit for all items; a duration: "1.25 ms"; and that of the
 * whole. "~" before it: a step of the clock lies in it, and it is the least that it was.  "?" before it: it is of two clocks
 * that cannot be compared, so it is not known. */
struct strbuf;
void timeline_since(struct strbuf *out, const struct timeline *timeline, unsigned node, uint64_t time_ns);
void timeline_gap(struct strbuf *out, const struct timeline *timeline, const struct timeline_item *item);
void timeline_duration(struct strbuf *out, const struct timeline *timeline, uint64_t from_ns, uint64_t to_ns);
void timeline_whole(struct strbuf *out, const struct timeline *timeline);

/* Is the time from the first to the last event known?  Not with a step of the clock in it, or clocks that cannot be
 * compared. */
bool timeline_is_exact(const struct timeline *timeline);

/* The columns of the widest time since the start. */
unsigned timeline_since_columns(const struct timeline *timeline);

#endif
