/* SPDX-License-Identifier: MIT
 *
 * Converts rows of the methods `nodes`, `apps` and `who` back into entries of a store. */
#ifndef INSPECTOR_NODE_ROWS_H
#define INSPECTOR_NODE_ROWS_H

#include <jansson.h>
#include <store/store.h>

/* Reads a row.  Returns false when it is malformed, or has no node id: a rejected log. */
bool node_row_read(const json_t *row, struct node_info *ret_info);

/* Sets the counters of an entry from the row.  They cover all of the node's events, not only the saved ones. */
void node_row_set_counters(const json_t *row, struct node *node);

/* The state in the row; NODE_UNKNOWN if it has none. */
enum node_state node_row_state(const json_t *row);

/* Adds the applications that the row names and the entry lacks.  apps: rows of `apps`. */
void node_row_add_apps(const json_t *row, const json_t *apps, struct store *store, uint32_t node);

/* Reads a row of `who`: the alias, with its log but without its node, and the id of the node that said it.  Returns false when
 * it is malformed. */
bool alias_row_read(const json_t *row, struct alias *ret_alias, struct trace_node_id *ret_by);

#endif
