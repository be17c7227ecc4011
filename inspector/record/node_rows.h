/* SPDX-License-Identifier: MIT
 *
 * Rows of the methods `nodes` and `apps` become entries of a node table again. */
#ifndef INSPECTOR_NODE_ROWS_H
#define INSPECTOR_NODE_ROWS_H

#include <jansson.h>
#include <store/store.h>

/* Reads what a node is.  Returns false for a row that is not one, or that has no node id: a rejected log. */
bool node_row_read(const json_t *row, struct node_info *ret_info);

/* Sets the counters of an entry to those of the row: they cover all of the node's events, not only those that were saved. */
void node_row_set_counters(const json_t *row, struct node *node);

/* The state of the row: NODE_UNKNOWN for one without. */
enum node_state node_row_state(const json_t *row);

/* Adds the descriptions that the row names and the entry does not have yet.  apps: rows of `apps`. */
void node_row_add_apps(const json_t *row, const json_t *apps, struct store *store, uint32_t node);

#endif
