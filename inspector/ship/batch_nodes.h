/* SPDX-License-Identifier: MIT
 *
 * Nodes and their applications as rows: only those that have changed since they were last sent. */
#ifndef INSPECTOR_BATCH_NODES_H
#define INSPECTOR_BATCH_NODES_H

#include "batch.h"

#define BATCH_SEEN_SLOTS 16384 /* more logs than that are sent with each segment */

/* seen_ns: when they were in this state. */
void batch_add_nodes(struct batch *batch, const struct nodes *nodes, uint64_t seen_ns);

/* Forgets what was in a batch that did not arrive. */
void batch_forget_nodes(struct batch *batch);

#endif
