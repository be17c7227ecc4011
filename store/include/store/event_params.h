/* SPDX-License-Identifier: MIT
 *
 * The params that select events, the same in every method that has them: trace_id, peer_id, node_id, kind, filter. */
#ifndef STORE_EVENT_PARAMS_H
#define STORE_EVENT_PARAMS_H

#include <proto/rpc.h>
#include <store/event_filter.h>

/* As the client sent them; NULL: absent. */
struct event_params {
    const char *trace_id, *peer_id, *node_id, *expression;
    json_t *kind;
};

/* Their entries in a list of params. */
#define EVENT_PARAMS(params)                                                                                                    \
    {"trace_id", TRACE_RPC_STRING, .string = &(params)->trace_id}, {"peer_id", TRACE_RPC_STRING, .string = &(params)->peer_id}, \
        {"node_id", TRACE_RPC_STRING, .string = &(params)->node_id}, {"kind", TRACE_RPC_STRINGS, .json = &(params)->kind}, {    \
        "filter", TRACE_RPC_STRING, .string = &(params)->expression                                                             \
    }

/* Looks up the ids and kinds, and compiles `filter`, whose relative times count back from now_ns.  wait: `subscribe`, where a
 * whole id or a node's name need not be known yet.  Returns 0, then end with event_filter_fini; or -EINVAL with ret_error.
 * Searches the history: not for traced's loop. */
int event_params_read(const struct store *store, const struct event_params *params, bool wait, uint64_t now_ns,
                      struct event_filter *ret_filter, struct trace_rpc_error *ret_error);
/* Only the kinds, into query->kinds. */
int event_params_read_kinds(json_t *kind, struct history_query *query, struct trace_rpc_error *ret_error);

/* Only `filter` (NULL: absent), for events of the history.  wait: as above. */
int event_params_read_expression(const struct store *store, const char *text, bool wait, uint64_t now_ns,
                                 struct event_filter *filter, struct trace_rpc_error *ret_error);

#endif
