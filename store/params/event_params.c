/* SPDX-License-Identifier: MIT
 *
 * See event_params.h. */
#include "expression.h"
#include <store/event_params.h>
#include <store/id_param.h>

#include <errno.h>
#include <proto/event_table.h>
#include <string.h>

#define KIND_BIT(kind) (UINT64_C(1) << ((kind) < 63 ? (kind) : 63))

static uint64_t known_kinds(void) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    uint64_t kinds = 0;
    for (unsigned i = 0; i < count; i++) kinds |= KIND_BIT(table[i].id);
    return kinds;
}

static int add_kind(const char *name, uint64_t *kinds, struct trace_rpc_error *ret_error) {
    uint16_t kind = trace_kind_by_name(name);
    if (kind)
        *kinds |= KIND_BIT(kind);
    else if (!strcmp(name, "unknown"))
        *kinds |= ~known_kinds();
    else
        return trace_rpc_fail_param(ret_error, "kind", "kind: there is no kind \"%.80s\"", name);
    return 0;
}

int event_params_read_kinds(json_t *kind, struct history_query *query, struct trace_rpc_error *ret_error) {
    uint64_t kinds = 0;
    if (json_is_string(kind)) {
        int error = add_kind(json_string_value(kind), &kinds, ret_error);
        if (error) return error;
    }
    for (size_t i = 0; i < json_array_size(kind); i++) {
        int error = add_kind(json_string_value(json_array_get(kind, i)), &kinds, ret_error);
        if (error) return error;
    }
    query->kinds = kinds;
    return 0;
}

static int read_node(const struct store *store, const char *text, bool wait, struct event_filter *filter,
                     struct trace_rpc_error *ret_error) {
    uint64_t named[NODES_SET_WORDS];
    filter->has_node = true;
    /* A name means all nodes that have had it.  A stream follows the name, even across a restart with a new id. */
    if (!wait && !id_lookup_is_shared_name(store, text))
        return id_param_read_node(store, "node_id", text, false, &filter->node_id, ret_error);
    if (!id_lookup_logs_of_name(store, text, named)) {
        struct id_lookup lookup;
        id_lookup_node(store, text, true, &lookup);
        filter->node_id = lookup.node_ids[0];
        if (lookup.outcome == ID_LOOKUP_FOUND) return 0;
        if (lookup.outcome == ID_LOOKUP_AMBIGUOUS) return id_param_fail_node("node_id", text, &lookup, ret_error);
        /* No name or id matches: it is the name of a node that may still come. */
    }
    size_t bytes = strlen(text);
    if (bytes >= TRACE_NODE_NAME_BYTES)
        return trace_rpc_fail_param(ret_error, "node_id", "node_id: a node's name has at most %d bytes",
                                    TRACE_NODE_NAME_BYTES - 1);
    memcpy(filter->node_name, text, bytes + 1);
    return 0;
}

static int read_peer(const struct store *store, const char *text, bool wait, struct event_filter *filter,
                     struct trace_rpc_error *ret_error) {
    struct trace_node_id id;
    bool named = id_lookup_is_shared_name(store, text);
    int error = named ? 0 : id_param_read_peer(store, "peer_id", text, wait, &id, ret_error);
    if (error) return error;
    if (!(named ? event_filter_set_peer_name(filter, store, text) : event_filter_set_peer(filter, store, &id, wait))) return 0;
    return trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
}

int event_params_read_expression(const struct store *store, const char *text, bool wait, uint64_t now_ns,
                                 struct event_filter *filter, struct trace_rpc_error *ret_error) {
    if (!text) return 0;
    int error = expression_create(&filter->expression, store, "filter", text, TRACE_FILTER_EVENTS, !wait, now_ns, ret_error);
    if (error) return error;
    filter->query.test = expression_match;
    filter->query.test_arg = filter->expression;
    return 0;
}

int event_params_read(const struct store *store, const struct event_params *params, bool wait, uint64_t now_ns,
                      struct event_filter *ret_filter, struct trace_rpc_error *ret_error) {
    struct event_filter filter = {0};
    int error = event_params_read_kinds(params->kind, &filter.query, ret_error);
    if (!error && params->trace_id) {
        filter.query.by_trace = true;
        error = id_param_read_trace(store, "trace_id", params->trace_id, wait, &filter.query.trace_id, ret_error);
    }
    if (!error && params->peer_id) error = read_peer(store, params->peer_id, wait, &filter, ret_error);
    if (!error && params->node_id) error = read_node(store, params->node_id, wait, &filter, ret_error);
    if (!error) error = event_params_read_expression(store, params->expression, wait, now_ns, &filter, ret_error);
    if (error) {
        event_filter_fini(&filter);
        return error;
    }
    *ret_filter = filter;
    return 0;
}
