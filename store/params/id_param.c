/* SPDX-License-Identifier: MIT
 *
 * See id_param.h. */
#include <store/id_param.h>
#include <store/value.h>

static int not_found(const char *param, const char *text, const char *what, struct trace_rpc_error *ret_error) {
    return trace_rpc_fail(ret_error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", param), "%s: no %s begins with \"%.80s\"",
                          param, what, text);
}

static int ambiguous(const char *param, const char *text, size_t count, json_t *ids_new, struct trace_rpc_error *ret_error) {
    return trace_rpc_fail(ret_error, TRACE_RPC_AMBIGUOUS, json_pack("{ssso}", "param", param, "candidates", ids_new),
                          "%s: %zu ids match \"%.80s\"", param, count, text);
}

static size_t candidate_count(const struct id_lookup *lookup) {
    return lookup->count < STORE_CANDIDATES_MAX ? lookup->count : STORE_CANDIDATES_MAX;
}

int id_param_read_trace(const struct store *store, const char *param, const char *text, bool unknown_ok, struct trace_id *ret_id,
                        struct trace_rpc_error *ret_error) {
    struct id_lookup lookup;
    json_t *ids;
    id_lookup_trace(store, text, unknown_ok, &lookup);
    switch (lookup.outcome) {
    case ID_LOOKUP_FOUND: *ret_id = lookup.trace_ids[0]; return 0;
    case ID_LOOKUP_NOT_FOUND: return not_found(param, text, "trace", ret_error);
    case ID_LOOKUP_NOT_HEX:
        return trace_rpc_fail_param(ret_error, param, "%s must be 1 to %d hex digits", param, 2 * TRACE_ID_BYTES);
    case ID_LOOKUP_AMBIGUOUS: break;
    }
    ids = json_array();
    for (size_t i = 0; i < candidate_count(&lookup); i++) json_array_append_new(ids, value_trace_id(&lookup.trace_ids[i]));
    return ambiguous(param, text, lookup.count, ids, ret_error);
}

static int fail(const char *param, const char *text, const char *what, const struct id_lookup *lookup,
                struct trace_rpc_error *ret_error) {
    if (lookup->outcome == ID_LOOKUP_NOT_FOUND) return not_found(param, text, what, ret_error);
    if (lookup->outcome == ID_LOOKUP_NOT_HEX)
        return trace_rpc_fail(ret_error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", param),
                              "%s: \"%.80s\" is neither the name of a node nor hex digits", param, text);
    json_t *ids = json_array();
    for (size_t i = 0; i < candidate_count(lookup); i++) json_array_append_new(ids, value_node_id(&lookup->node_ids[i]));
    return ambiguous(param, text, lookup->count, ids, ret_error);
}

int id_param_fail_node(const char *param, const char *text, const struct id_lookup *lookup, struct trace_rpc_error *ret_error) {
    return fail(param, text, "node", lookup, ret_error);
}

int id_param_read_peer(const struct store *store, const char *param, const char *text, bool unknown_ok,
                       struct trace_node_id *ret_id, struct trace_rpc_error *ret_error) {
    struct id_lookup lookup;
    id_lookup_peer(store, text, unknown_ok, &lookup);
    if (lookup.outcome != ID_LOOKUP_FOUND) return fail(param, text, "peer", &lookup, ret_error);
    *ret_id = lookup.node_ids[0];
    return 0;
}

int id_param_read_node(const struct store *store, const char *param, const char *text, bool unknown_ok,
                       struct trace_node_id *ret_id, struct trace_rpc_error *ret_error) {
    struct id_lookup lookup;
    id_lookup_node(store, text, unknown_ok, &lookup);
    if (lookup.outcome != ID_LOOKUP_FOUND) return fail(param, text, "node", &lookup, ret_error);
    *ret_id = lookup.node_ids[0];
    return 0;
}

int id_param_read_logs(const struct store *store, const char *param, const char *text, uint64_t ret_set[NODES_SET_WORDS],
                       struct trace_rpc_error *ret_error) {
    struct trace_node_id id;
    if (id_lookup_is_shared_name(store, text)) {
        (void)id_lookup_logs_of_name(store, text, ret_set);
        return 0;
    }
    int error = id_param_read_node(store, param, text, false, &id, ret_error);
    if (!error) id_lookup_logs(store, &id, ret_set);
    return error;
}
