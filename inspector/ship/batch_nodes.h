/* SPDX-License-Identifier: MIT
 *
 * Nodes, their applications and aliases, and the steps of their machines' clocks as rows: only those that have changed since they
 * were last sent. */
#ifndef INSPECTOR_BATCH_NODES_H
#define INSPECTOR_BATCH_NODES_H

#include "row_binary.h"

#include <store/store.h>

struct batch_nodes {
    struct row_writer nodes, apps, aliases, steps; /* the rows */
    struct row_writer scratch;
    struct node_seen {
        uint64_t log, row;
    } * seen;            /* what the fleet has of each log and of its aliases, or will have after this batch: a hash table */
    uint64_t steps_seen; /* likewise: of the last steps, a hash; 0: none */
};

/* Returns 0, or -1 when out of memory.  Call batch_nodes_fini in both cases. */
int batch_nodes_init(struct batch_nodes *batch);
void batch_nodes_fini(struct batch_nodes *batch);

/* Drops the rows. */
void batch_nodes_clear(struct batch_nodes *batch);

/* Adds the rows of all nodes of a segment.  host: as in fleet_origin_make; seen_ns: when they were in this state. */
void batch_nodes_add(struct batch_nodes *batch, const char *host, const struct nodes *nodes, uint64_t seen_ns);

/* Adds the rows of the aliases that stand beside the events of a segment. */
void batch_nodes_add_aliases(struct batch_nodes *batch, const struct store *store, uint64_t instance, uint64_t segment);

/* Adds the rows of the steps that a segment lists.  instance: of the traced that recorded it. */
void batch_nodes_add_steps(struct batch_nodes *batch, const char *host, struct nodes *nodes, uint64_t instance);

/* Forgets what was in a batch that did not arrive. */
void batch_nodes_forget(struct batch_nodes *batch);

/* Did memory run out? */
static inline bool batch_nodes_failed(const struct batch_nodes *batch) {
    return batch->nodes.failed || batch->apps.failed || batch->aliases.failed || batch->steps.failed;
}

#endif
