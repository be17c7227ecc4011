/* SPDX-License-Identifier: MIT
 *
 * Ids in params: id_lookup.h with its results as RPC errors. */
#ifndef STORE_ID_PARAM_H
#define STORE_ID_PARAM_H

#include <proto/rpc.h>
#include <store/id_lookup.h>

/* Each finds the one id that `text` means.  unknown_ok: a full id need not be known.  Returns 0; or -EINVAL with ret_error:
 * TRACE_RPC_INVALID_PARAMS for a trace that is not hex, TRACE_RPC_NOT_FOUND, or TRACE_RPC_AMBIGUOUS with data.candidates.
 * `param` is the name in the message. */
int id_param_read_trace(const struct store *store, const char *param, const char *text, bool unknown_ok, struct trace_id *ret_id,
                        struct trace_rpc_error *ret_error);
int id_param_read_peer(const struct store *store, const char *param, const char *text, bool unknown_ok,
                       struct trace_node_id *ret_id, struct trace_rpc_error *ret_error);
int id_param_read_node(const struct store *store, const char *param, const char *text, bool unknown_ok,
                       struct trace_node_id *ret_id, struct trace_rpc_error *ret_error);

/* The logs of the node that `text` means, or of all nodes of that name.  Returns as the others. */
int id_param_read_logs(const struct store *store, const char *param, const char *text, uint64_t ret_set[NODES_SET_WORDS],
                       struct trace_rpc_error *ret_error);

/* The error for a node that was looked up and not found, or is ambiguous.  Returns -EINVAL. */
int id_param_fail_node(const char *param, const char *text, const struct id_lookup *lookup, struct trace_rpc_error *ret_error);

#endif
