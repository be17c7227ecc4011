/* SPDX-License-Identifier: MIT
 *
 * The params that choose events, the same in `query` and `subscribe`: trace_id, peer_id, node_id, kind. */
#ifndef TRACED_FILTER_H
#define TRACED_FILTER_H

#include "ids.h"
#include "service.h"
#include <proto/rpc.h>

/* What the client wrote; absent: NULL. */
struct filter_params {
    const char *trace_id, *peer_id, *node_id;
    json_t *kind;
};

struct filter {
    struct history_query query; /* by_node is left to the next three */
    bool has_node;
    struct trace_node_id node_id;
    char node_name[TRACE_NODE_NAME_BYTES + 1]; /* subscribe: not empty: events of nodes of this name, instead of node_id */
};

/* Finds the ids and kinds.  wait: `subscribe`, where a whole id or a node's name need not be known yet.
 * Returns 0 or -EINVAL with ret_error.  Searches the history: not on the loop's thread. */
int filter_read(const struct service *service, const struct filter_params *params, bool wait, struct filter *ret_filter,
                struct trace_rpc_error *ret_error);

/* Only the kinds, into query->kinds. */
int filter_read_kinds(json_t *kind, struct history_query *query, struct trace_rpc_error *ret_error);

/* Does an event of the stream match?  Inside rcu_read_lock(). */
bool filter_match(const struct filter *filter, const struct service *service, const struct trace_event *event,
                  history_source source);

#endif
