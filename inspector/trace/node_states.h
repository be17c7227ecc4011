/* SPDX-License-Identifier: MIT
 *
 * What traced knows of each log of a node: whether it is live, when it began, and how it ended; and from that, whether a node
 * had ended at some time.  Pure. */
#ifndef INSPECTOR_NODE_STATES_H
#define INSPECTOR_NODE_STATES_H

#include "facts.h"

/* No packet travels for this long.  What a node sent before it ended may arrive until then: nobody sends again what the link lost
 * after that. */
#define UNDER_WAY_NS_MAX UINT64_C(1000000000)

/* Of one log. */
struct node_state {
    unsigned node;
    bool live, crashed, exited; /* none of these: not known */
    bool returned;              /* it ended, and a later log of the same node is live */
    uint64_t started_ns;        /* when it was opened, Unix time; 0: unknown */
    uint64_t last_ns;           /* time of its last event, Unix time; 0: unknown */
    uint64_t after_ns, by_ns;   /* of a log that ended: it had not at the first time, and had at the second; Unix time.  0: nobody
                                   watched it, and it is taken to have ended with its last event */
    bool all_kinds;             /* it is live, and may emit events of every kind */
    double sample;              /* the share of traces that it reports; 0: unknown */
    /* Of a log that is not live, on the axis of the facts (node_states_settle): */
    uint64_t ended_ns; /* its last event; UINT64_MAX: not known */
    uint64_t quiet_ns; /* the same, or when others last received what it had sent by then */
    uint64_t lived_ns; /* until when it is known to have lived: after_ns; not before quiet_ns */
    uint64_t gone_ns;  /* when it is known to have ended: by_ns; not before quiet_ns */
    uint64_t again_ns; /* when the node's next log began; UINT64_MAX: never */
    bool doubtful;     /* the node ran on: it did more before its next log; or a step of the clock hides which came first */
};

/* What the facts are: */
enum facts_extent {
    FACTS_OF_PERIOD, /* all events from the first to the last one */
    FACTS_OF_TRACE,  /* all events of a trace, and some beside */
    FACTS_CHOSEN,    /* only those that a filter or a limit left */
};

struct node_states {
    struct node_state *items;
    size_t count;
    enum facts_extent extent;
};

/* Reads an answer to `nodes` (NULL: nothing is known), for sorted facts; skips nodes that none of them mentions.  Returns 0 or
 * -ENOMEM. */
int node_states_read(struct node_states *ret_states, const struct facts *facts, const json_t *answer);

/* Finds out when each log ended.  Call it once the facts are sorted, and those beside are added. */
void node_states_settle(struct node_states *states, const struct facts *facts, enum facts_extent extent);

/* The log of a node that had ended before a time, if the node had no other when it was asked (asked_ns).  NULL: the node may have
 * run, or may have run on after its last event: then the log's end does not explain why it did nothing. */
const struct node_state *node_states_ended(const struct node_states *states, const struct facts *facts, unsigned node,
                                           uint64_t asked_ns, uint64_t until_ns);

/* The same if that is possible, though not certain: the log had no event any more, and others got nothing more of it. */
const struct node_state *node_states_may_have_ended(const struct node_states *states, const struct facts *facts, unsigned node,
                                                    uint64_t time_ns);

/* Since when a log is said to have ended: for certain; or if nobody watched it, with its last event. */
uint64_t node_state_end(const struct node_state *state);

/* The log in which a node emitted something at a time, if that log has ended: what had not ended by then never will.  NULL: it is
 * live, or it is not known which log that was, or whether it said more. */
const struct node_state *node_states_ended_log(const struct node_states *states, const struct facts *facts, unsigned node,
                                               uint64_t time_ns);

/* Does traced know a log of that node? */
bool node_states_know(const struct node_states *states, unsigned node);

/* The share of traces that a node reports; 1 if unknown. */
double node_states_sample(const struct node_states *states, unsigned node);
void node_states_fini(struct node_states *states);

#endif
