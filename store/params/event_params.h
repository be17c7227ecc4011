/* SPDX-License-Identifier: MIT
 *
 * The params that choose events, the same in every method that has them: trace_id, peer_id, node_id, kind, filter. */
#ifndef TRACED_FILTER_H
#define TRACED_FILTER_H

#include "expression.h"
#include "id_lookup.h"
#include "service.h"
#include <proto/rpc.h>

/* What the client wrote; absent: NULL. */
struct filter_params {
    const char *trace_id, *peer_id, *node_id, *expression;
    json_t *kind;
};

/* Their entries in a list of params. */
#define FILTER_PARAMS(params)                                                                                                   \
    {"trace_id", TRACE_RPC_STRING, .string = &(params)->trace_id}, {"peer_id", TRACE_RPC_STRING, .string = &(params)->peer_id}, \
        {"node_id", TRACE_RPC_STRING, .string = &(params)->node_id}, {"kind", TRACE_RPC_STRINGS, .json = &(params)->kind}, {    \
        "filter", TRACE_RPC_STRING, .string = &(params)->expression                                                             \
    }

struct filter {
    struct history_query query; /* by_node is left to the next four */
    bool has_node;
    struct trace_node_id node_id;
    char node_name[TRACE_NODE_NAME_BYTES + 1]; /* subscribe: not empty: events of nodes of this name, instead of node_id */
    struct expression *expression;             /* of `filter`; NULL when absent */
};

/* Finds the ids and kinds, and compiles `filter`, whose relative times count back from now_ns.  wait: `subscribe`, where a whole id or a
 * node's name need not be known yet.  Returns 0, then end with filter_fini; or -EINVAL with ret_error.  Searches the history: not on
 * the loop's thread. */
int filter_read(const struct service *service, const struct filter_params *params, bool wait, uint64_t now_ns,
                struct filter *ret_filter, struct trace_rpc_error *ret_error);
void filter_fini(struct filter *filter);

/* Only the kinds, into query->kinds. */
int filter_read_kinds(json_t *kind, struct history_query *query, struct trace_rpc_error *ret_error);

/* Only `filter` (NULL: absent), for events of the history.  wait as above. */
int filter_read_expression(const struct service *service, const char *text, bool wait, uint64_t now_ns, struct filter *filter,
                           struct trace_rpc_error *ret_error);

/* Makes filter->query the whole question: for history_select, with the index that serves it best.  `set` is the caller's, and belongs to
 * the query from then on.  Searches the history. */
void filter_prepare(struct filter *filter, const struct service *service, uint64_t set[IDS_NODE_SET_WORDS]);

/* Does an event of the stream match?  Inside rcu_read_lock(). */
bool filter_match(const struct filter *filter, const struct service *service, const struct trace_event *event,
                  history_source source);

#endif
