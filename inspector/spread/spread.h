/* SPDX-License-Identifier: MIT
 *
 * How one thing went through a network: which nodes it reached, when, and by which way; what was sent in vain; who was late,
 * and because of whom.  Pure: events in, struct out.
 *
 * A delivery is one thing sent from one node to another, however often: of the program's messages all that have one sender, one
 * receiver, one transport and one id; without messages, a span that a span of another node caused (as parent, or by a link).
 * A node is reached by the first delivery that arrives there; the tree has those.  What arrives later of the same sort is a
 * duplicate.  The sorts of messages that spread are the types by which any node was first reached: an answer of another type
 * is none of them.
 *
 * A node is late when one step on its way there took most of its time, and far longer than other steps of that sort.  A step is
 * what a node held it before it sent it on; the link; or both, where nothing says when it was sent.  A node that had asked
 * another one, and went on when that had answered or was given up, did not hold it: it waited. */
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
    unsigned type;   /* of a message, a number of commands; NO_NUMBER for none, and of spans */
    unsigned trace;  /* of its first event */
    bool other_sort; /* not what spreads */
};

enum step_sort {
    STEP_HELD,
    STEP_LINK,
    STEP_BOTH,
    STEP_WAITED /* held, for it waited for the answer of a peer first */
};

struct reach {
    unsigned node;
    size_t parent;   /* in reached: who sent it; NO_POSITION: the origin, or not known */
    size_t delivery; /* that brought it; NO_POSITION: the origin, or it took part and nothing says how it came to it */
    uint64_t time_ns;
    unsigned hops; /* 0 for the origin, and where the way is not known */
    bool on_tree;  /* the way from the origin is known */
    bool stepped;  /* a step of the clock lies before it, after the beginning */
    bool untimed;  /* nobody knows after how long: because of that, or its clock cannot be compared with the origin's */
    uint64_t held_ns, link_ns; /* of the last step; unless sent_known, link_ns is both */
    bool sent_known;
    unsigned duplicates; /* that it received */
    size_t late;         /* a culprit, or NO_POSITION */
    size_t first_child, next_sibling;
};

struct culprit {
    enum step_sort sort;
    unsigned node, peer; /* of STEP_HELD the node; else the two ends */
    unsigned sends;      /* of a link: how often it was sent until it arrived, at most */
    uint64_t ns;         /* the longest such step */
    uint64_t usual_ns;   /* the median of the others */
    unsigned late;       /* nodes that are late because of it */
};

struct spread {
    enum spread_by by;
    struct delivery *deliveries; /* in order of arrival, those that did not arrive last, by their sending */
    size_t delivery_count;
    struct reach *reached; /* the origin first; by time, then those that nothing says how it came to them */
    size_t count;
    struct culprit *culprits; /* by how many are late because of them */
    size_t culprit_count;
    uint64_t start_ns;
    uint64_t p50_ns, p90_ns, last_ns; /* since the start, of the nodes reached but the origin that can be timed */
    size_t timed;
    unsigned hops_max;
    uint64_t messages;       /* sends of what spreads, each repetition too; 0: not told */
    uint64_t arrived;        /* receives of what spreads */
    uint64_t duplicates;     /* arrivals at nodes that had it */
    uint64_t others;         /* deliveries of other sorts */
    uint64_t lost, untraced; /* deliveries that nobody saw arrive: at a traced node, and at others */
    uint64_t events_missing;
    struct questions questions;
};

/* facts: sorted.  traced: by number of node, whether its events come here at all.  one_key: all messages carry the same id, so
 * that their traces do not tell them apart.  0 or -ENOMEM. */
int spread_init(struct spread *spread, const struct facts *facts, const bool *traced, bool one_key);
void spread_fini(struct spread *spread);

/* Which nodes are traced: those with events, and those in an answer to `nodes`.  By number, the caller frees it; NULL without
 * memory. */
bool *spread_traced_new(const struct facts *facts, const json_t *nodes);

/* Duplicates for each node that was reached, as literature has it (relative message redundancy): 0 for a tree. */
double spread_redundancy(const struct spread *spread);

#endif
