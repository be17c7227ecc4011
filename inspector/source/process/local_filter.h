/* SPDX-License-Identifier: MIT
 *
 * The filter of `subscribe` for events that no traced has filtered: kind, peer_id, trace_id and filter as one filter of the
 * filter language. */
#ifndef INSPECTOR_LOCAL_FILTER_H
#define INSPECTOR_LOCAL_FILTER_H

#include "failure.h"

#include <jansson.h>
#include <proto/filter.h>

/* Makes a filter of the params; NULL when they have none.  nodes: the names that the filter may use, {"nodes":[{"node_id",
 * "name"}]}. Returns 0, or -1 with the failure; trace_filter_destroy. */
int local_filter_new(struct trace_filter **ret_filter, const json_t *params, const json_t *nodes, struct failure *failure);

#endif
