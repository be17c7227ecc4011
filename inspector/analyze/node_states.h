/* SPDX-License-Identifier: MIT
 *
 * The state of each node, from traced: live or crashed.  Pure. */
#ifndef INSPECTOR_NODE_STATES_H
#define INSPECTOR_NODE_STATES_H

#include "facts.h"

/* Of one log. */
struct node_state {
    unsigned node;
    bool live, crashed;
    bool returned;       /* it crashed, and a later log of the same node is live */
    uint64_t started_ns; /* when it was opened; 0: unknown */
    uint64_t last_ns;    /* time of its last event; 0: unknown */
    double sample;       /* the share of traces that it reports; 0: unknown */
};

struct node_states {
    struct node_state *items;
    size_t count;
};

/* Reads a result of `nodes`; skips nodes that no fact mentions.  Returns 0 or -ENOMEM. */
int node_states_read(struct node_states *ret_states, const struct facts *facts, const json_t *nodes);

/* The share of traces that a node reports; 1 if unknown. */
double node_states_sample(const struct node_state *states, size_t count, unsigned node);
void node_states_fini(struct node_states *states);

#endif
