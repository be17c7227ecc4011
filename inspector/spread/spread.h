/* SPDX-License-Identifier: MIT
 *
 * How one thing spread through a network: which nodes it reached, when, and how; duplicates and undelivered sends; which
 * nodes were late, and because of which.  Pure.
 *
 * A delivery is the thing sent from one node to another, once or repeatedly: all of the program's messages with one sender,
 * receiver, transport and id.  Without messages, it is a span that a span of another node caused (as its parent, or by a
 * link).  A node is reached by the first delivery that arrives there; the tree consists of these.  Later arrivals of a type
 * that spreads are duplicates.  The types that spread are those by which any node was first reached; an answer of another
 * type is not one.
 *
 * A node is late if one step on the way to it took most of the time, and far longer than other steps of that kind.  A step is
 * the time that a node held the thing before sending it on; the time on the link; or both, if the time of sending is not
 * known.  A node that asked another, and continued when that had answered or was given up, did not hold the thing: it waited. */
#ifndef INSPECTOR_SPREAD_H
#define INSPECTOR_SPREAD_H

#include "questions.h"

enum spread_by {
    SPREAD_BY_NOTHING,  /* nothing went from one node to another */
    SPREAD_BY_MESSAGES, /* message_sent, message_received */
    SPREAD_BY_SPANS,    /* app_start, and the packets of the trace */
};

struct delivery {
    unsigned from, to;             /* NO_NUMBER: not known */
    uint64_t sent_ns, received_ns; /* the first of each; 0: not known */
    unsigned sends, receives;
    unsigned type;   /* of a message, a number of commands; NO_NUMBER for none, and for spans */
    unsigned trace;  /* of its first event */
    bool other_sort; /* not what spreads */
};

enum step_sort {
    STEP_HELD,
    STEP_LINK,
    STEP_BOTH,
    STEP_WAITED /* held, because it first waited for a peer's answer */
};

struct reach {
    unsigned node;
    size_t parent;   /* in reached: the sender; NO_POSITION: the origin, or not known */
    size_t delivery; /* that reached it; NO_POSITION: the origin, or no event shows how it was reached */
    uint64_t time_ns;
    unsigned hops;             /* 0 for the origin, and where the way is not known */
    bool on_tree;              /* the way from the origin is known */
    bool stepped;              /* a step of the clock lies before it, after the beginning */
    bool untimed;              /* its time is unknown: because of that, or its clock cannot be compared with the origin's */
    uint64_t held_ns, link_ns; /* of the last step; unless sent_known, link_ns is both */
    bool sent_known;
    unsigned duplicates; /* that it received */
    size_t late;         /* a culprit, or NO_POSITION */
    size_t first_child, next_sibling;
};

struct culprit {
    enum step_sort sort;
    unsigned node, peer; /* the node for STEP_HELD; otherwise the two ends */
    unsigned sends;      /* of a link: the most sends until it arrived */
    uint64_t ns;         /* the longest such step */
    uint64_t usual_ns;   /* the median of the others */
    unsigned late;       /* nodes late because of it */
};

struct spread {
    enum spread_by by;
    struct delivery *deliveries; /* in order of arrival; then those that did not arrive, in order of sending */
    size_t delivery_count;
    struct reach *reached; /* the origin first, then by time; last, nodes for which no event shows how they were reached */
    size_t count;
    struct culprit *culprits; /* by the number of nodes late because of them */
    size_t culprit_count;
    uint64_t start_ns;
    uint64_t p50_ns, p90_ns, last_ns; /* since the start; without the origin and nodes that cannot be timed */
    size_t timed;
    unsigned hops_max;
    uint64_t messages;       /* sends of the types that spread, including repetitions; 0: not known */
    uint64_t arrived;        /* receives of the types that spread */
    uint64_t duplicates;     /* arrivals at nodes that already had it */
    uint64_t others;         /* deliveries of other types */
    uint64_t lost, untraced; /* deliveries without an arrival: to traced nodes, and to others */
    uint64_t events_missing;
    struct questions questions;
};

/* facts: sorted.  traced: by node number, whether we get its events.  one_key: all messages carry the same id, so their
 * traces are not compared.  Returns 0 or -ENOMEM. */
int spread_init(struct spread *spread, const struct facts *facts, const bool *traced, bool one_key);
void spread_fini(struct spread *spread);

/* Which nodes are traced, by number: those with events, and those in an answer to `nodes`.  The caller frees it; NULL when
 * out of memory. */
bool *spread_traced_new(const struct facts *facts, const json_t *nodes);

/* Duplicates for each node reached, known as relative message redundancy: 0 for a tree. */
double spread_redundancy(const struct spread *spread);

#endif
