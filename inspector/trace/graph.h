/* SPDX-License-Identifier: MIT
 *
 * A timeline as rows and arrows: what a space-time diagram shows, before it is drawn.  Pure.
 *
 * A row is one event, or one group of a run of transport events (fold.h), at its node, in the order of their first events.  An
 * arrow is what was sent in one row and received in another.  Requests and answers are no arrows between two rows: when
 * within its span a node asked is not known, so that they are told where they arrive, and where they leave. */
#ifndef INSPECTOR_GRAPH_H
#define INSPECTOR_GRAPH_H

#include "fold.h"
#include "packet_pairs.h"
#include "timeline.h"

struct graph_row {
    const struct timeline_item *item; /* the first */
    struct fold fold;                 /* fold.items == 0: it is one event */
    const struct message *message;    /* of one event: the message that it is an end of, else NULL */
    unsigned from, to;                /* of a request's row (its start) or an answer's (its end), else NO_NUMBER */
    uint64_t number_min, number_max;  /* of its packets */
    uint64_t packets;                 /* those with a number */
    /* Of what it sent: */
    uint64_t lost, unreceived, repeats;
    /* Of what it received: */
    uint64_t unsent, duplicates;
    uint64_t ambiguous; /* of both */
    /* Of what it received and whose send is known: */
    uint64_t arrived;
    int64_t gap_min_ns, gap_max_ns;
    uint64_t disordered; /* received before they were sent */
};

struct graph_arrow {
    size_t from_row, to_row; /* the first below the second: they are in disorder */
    unsigned from, to;       /* nodes */
};

/* How many messages there are of each sort. */
struct graph_totals {
    uint64_t matched, duplicates, ambiguous, lost, unreceived, unsent; /* packets */
    uint64_t repeats;                                                  /* packets that likely repeat a lost one */
    uint64_t wrongly_lost;                                             /* given up, and received */
    uint64_t disordered;                                               /* packets and requests */
    int64_t disorder_max_ns;
};

struct graph {
    const struct timeline *timeline;
    const struct messages *messages; /* the timeline's */
    struct graph_row *rows;
    size_t row_count;
    struct graph_arrow *arrows; /* by the upper of their rows */
    size_t arrow_count;
    struct graph_totals totals;
};

/* all: a row for every event.  The timeline must outlive the graph.  0 or -ENOMEM. */
int graph_init(struct graph *graph, const struct timeline *timeline, bool all);
void graph_fini(struct graph *graph);

/* The upper and the lower row of an arrow. */
size_t graph_arrow_top(const struct graph_arrow *arrow);
size_t graph_arrow_bottom(const struct graph_arrow *arrow);

#endif
