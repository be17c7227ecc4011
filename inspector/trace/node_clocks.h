/* SPDX-License-Identifier: MIT
 *
 * What events say of the clocks of their nodes: which times can be compared, and within which error.  Pure.
 *
 * Events of several machines have `clock_lead` (docs/protocol.md): their times are corrected already, or are not for nothing is
 * known.
 * Events of one machine have none, and one clock. */
#ifndef INSPECTOR_NODE_CLOCKS_H
#define INSPECTOR_NODE_CLOCKS_H

#include "intern.h"

#include <stdbool.h>
#include <stdint.h>

/* A node's clock.  Names of machines are numbers of `names`; NO_NUMBER: not told. */
struct node_clock {
    unsigned machine;   /* NO_NUMBER: its events say nothing */
    unsigned reference; /* the machine by which it is measured; NO_NUMBER: it is not known */
    unsigned host;
    unsigned reference_host;
    bool apart;                 /* the reference is not that of most machines */
    uint64_t first_ns, last_ns; /* of its events */
    int64_t lead_ns;            /* of the first event: so far it was ahead, before it was corrected */
    int64_t last_lead_ns;       /* of the last */
    uint64_t error_ns;          /* the greatest */
    unsigned beside_host;       /* not known, but packets in one direction give bounds; NO_NUMBER: nor that */
    bool has_most, has_least;
    int64_t most_ns, least_ns;
};

struct node_clocks {
    struct node_clock *items; /* by node number */
    unsigned count, capacity;
    struct intern machines;
    struct intern names;     /* of hosts */
    const char **host_names; /* by number: node_clocks_index fills them */
};

/* Takes what an event of that node says.  0 or -ENOMEM. */
int node_clocks_read(struct node_clocks *clocks, unsigned node, const json_t *event);

/* The clock of a node, or NULL: nothing is told of it. */
const struct node_clock *node_clocks_at(const struct node_clocks *clocks, unsigned node);

/* Can times of two nodes be compared?  Then *ret_error_ns, if it is not NULL, is how far they may be off: 0 on one machine. */
bool node_clocks_comparable(const struct node_clocks *clocks, unsigned a, unsigned b, uint64_t *ret_error_ns);

/* Puts the names of hosts into their array.  0 or -ENOMEM. */
int node_clocks_index(struct node_clocks *clocks);
const char *node_clocks_host(const struct node_clocks *clocks, unsigned host); /* NULL for NO_NUMBER */

void node_clocks_fini(struct node_clocks *clocks);

#endif
