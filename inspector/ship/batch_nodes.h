/* SPDX-License-Identifier: MIT
 *
 * Nodes and their applications as rows: those alone that have changed since they were sent last. */
#ifndef INSPECTOR_BATCH_NODES_H
#define INSPECTOR_BATCH_NODES_H

#include "batch.h"

#define BATCH_SEEN_SLOTS 16384 /* more logs than that are sent with each segment */

/* seen_ns: when they were so. */
void batch_add_nodes(struct batch *batch, const struct nodes *nodes, uint64_t seen_ns);

/* What was in a batch that did not arrive was not seen. */
void batch_forget_nodes(struct batch *batch);

#endif
