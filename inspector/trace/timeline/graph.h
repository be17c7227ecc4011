/* SPDX-License-Identifier: MIT
 *
 * A timeline as rows and arrows: the content of a space-time diagram, before it is drawn.  Pure.
 *
 * A row is one event, or one group of a run of transport events (fold.h), on its node; rows are in the order of their first
 * events.  An arrow is something sent in one row and received in another.  Requests and answers have no arrow, because we do not
 * know when within its span a node asked; the rows where they arrive and leave name them. */
#ifndef INSPECTOR_GRAPH_H
#define INSPECTOR_GRAPH_H

#include "fold.h"
#include "packet_pairs.h"
#include "timeline.h"

struct graph_row {
    const struct timeline_item *item; /* the first */
    struct fold fold;                 /* fold.items == 0: the row is one event */
    const struct message *message;    /* of one event: the message it is one end of, or NULL */
    unsigned from, to;                /* of a request's row (its start) or an answer's (its end), else NO_NUMBER */
    uint64_t number_min, number_max;  /* of its packets */
    uint64_t packets;                 /* packets with a number */
    /* Of the packets it sent: */
    uint64_t lost, unreceived, repeats;
    /* Of the packets it received: */
    uint64_t unsent, duplicates;
    uint64_t ambiguous; /* of both */
    /* Of the packets it received whose send is known: */
    uint64_t arrived;
    int64_t gap_min_ns, gap_max_ns;
    uint64_t disordered; /* received before they were sent */
};

struct graph_arrow {
    size_t from_row, to_row; /* if the first is below the second, they are in disorder */
    unsigned from, to;       /* nodes */
};

/* How many messages there are of each state. */
struct graph_totals {
    uint64_t matched, duplicates, ambiguous, lost, unreceived, unsent; /* packets */
    uint64_t repeats;                                                  /* packets that likely repeat a lost one */
    uint64_t wrongly_lost;                                             /* declared lost, but received */
    uint64_t disordered;                                               /* packets and requests */
    int64_t disorder_max_ns;
};

struct graph {
    const struct timeline *timeline;
    const struct messages *messages; /* the timeline's */
    struct graph_row *rows;
    size_t row_count;
    struct graph_arrow *arrows; /* by their upper row */
    size_t arrow_count;
    struct graph_totals totals;
};

/* all: a row for every event.  The timeline must outlive the graph.  Returns 0 or -ENOMEM. */
int graph_init(struct graph *graph, const struct timeline *timeline, bool all);
void graph_fini(struct graph *graph);

/* The upper and lower rows of an arrow. */
size_t graph_arrow_top(const struct graph_arrow *arrow);
size_t graph_arrow_bottom(const struct graph_arrow *arrow);

#endif
