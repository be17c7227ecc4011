/* SPDX-License-Identifier: MIT
 *
 * The filter of `subscribe` for events that come straight from rings: kind, peer_id, trace_id and filter, compiled as one filter
 * of the filter language. */
#ifndef INSPECTOR_LOCAL_FILTER_H
#define INSPECTOR_LOCAL_FILTER_H

#include "failure.h"

#include <jansson.h>
#include <proto/filter.h>

/* Compiles the params; *ret_filter is NULL when they have no filter.  nodes: the names that the filter may use, {"nodes":
 * [{"node_id", "name"}]}.  Returns 0, or -1 with the failure.  Free with trace_filter_destroy. */
int local_filter_new(struct trace_filter **ret_filter, const json_t *params, const json_t *nodes, struct failure *failure);

#endif
