/* SPDX-License-Identifier: MIT
 *
 * The clocks of nodes, from their events: which times can be compared, and with what error.  Pure.
 *
 * Events of several machines have `clock_lead` (docs/protocol.md).  Their times are corrected already, unless nothing is known
 * about their clock.  Events of a single machine have no `clock_lead`, and share one clock. */
#ifndef INSPECTOR_NODE_CLOCKS_H
#define INSPECTOR_NODE_CLOCKS_H

#include "intern.h"

#include <stdbool.h>
#include <stdint.h>

/* A node's clock.  Machine names are numbers of `names`; NO_NUMBER: not known. */
struct node_clock {
    unsigned machine;   /* NO_NUMBER: not in its events */
    unsigned reference; /* the machine it is measured against; NO_NUMBER: not known */
    unsigned host;
    unsigned reference_host;
    bool apart;                 /* the reference is not the one that most machines have */
    uint64_t first_ns, last_ns; /* of its events */
    int64_t lead_ns;            /* of the first event: how far it was ahead before the correction */
    int64_t last_lead_ns;       /* of the last event */
    uint64_t error_ns;          /* the largest of its events */
    unsigned beside_host;       /* if the clock is not known: the machine whose one-way packets bound it; NO_NUMBER: none */
    bool has_most, has_least;
    int64_t most_ns, least_ns;
};

struct node_clocks {
    struct node_clock *items; /* by node number */
    unsigned count;
    size_t capacity;
    struct intern machines;
    struct intern names;     /* of hosts */
    const char **host_names; /* by number; node_clocks_index fills them in */
};

/* Reads the clock fields of an event of that node.  Returns 0 or -ENOMEM. */
int node_clocks_read(struct node_clocks *clocks, unsigned node, const json_t *event);

/* The clock of a node; NULL when its events say nothing about it. */
const struct node_clock *node_clocks_at(const struct node_clocks *clocks, unsigned node);

/* The machine of a node; NO_NUMBER when its events say nothing about it. */
unsigned node_clocks_machine(const struct node_clocks *clocks, unsigned node);

/* Can times of two nodes be compared?  If so, *ret_error_ns (if not NULL) is how far they may be off: 0 on one machine. */
bool node_clocks_comparable(const struct node_clocks *clocks, unsigned a, unsigned b, uint64_t *ret_error_ns);

/* Fills in the array of host names.  Returns 0 or -ENOMEM. */
int node_clocks_index(struct node_clocks *clocks);
const char *node_clocks_host(const struct node_clocks *clocks, unsigned host); /* NULL for NO_NUMBER */

void node_clocks_fini(struct node_clocks *clocks);

#endif
