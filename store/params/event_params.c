/* SPDX-License-Identifier: MIT
 *
 * See filter.h. */
#include "event_params.h"

#include <errno.h>
#include <proto/event_table.h>
#include <proto/hex.h>
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

int filter_read_kinds(json_t *kind, struct history_query *query, struct trace_rpc_error *ret_error) {
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

static int read_node(const struct service *service, const char *text, bool wait, struct filter *filter,
                     struct trace_rpc_error *ret_error) {
    uint64_t named[IDS_NODE_SET_WORDS];
    filter->has_node = true;
    /* A stream that is asked for by a name is of whoever is called so, also of a node that is started again with a new id. */
    if (!wait || !ids_node_set_of_name(service, text, named)) {
        int error = ids_find_node(service, "node_id", text, wait, &filter->node_id, ret_error);
        if (!error || !wait || ret_error->code != TRACE_RPC_NOT_FOUND) return error;
        /* Nothing known is called so or begins so: it is the name of a node that is still to come. */
        trace_rpc_error_fini(ret_error);
        *ret_error = (struct trace_rpc_error){0};
    }
    size_t bytes = strlen(text);
    if (bytes >= TRACE_NODE_NAME_BYTES)
        return trace_rpc_fail_param(ret_error, "node_id", "node_id: a node's name has at most %d bytes",
                                    TRACE_NODE_NAME_BYTES - 1);
    memcpy(filter->node_name, text, bytes + 1);
    return 0;
}

int filter_read_expression(const struct service *service, const char *text, bool wait, uint64_t now_ns, struct filter *filter,
                           struct trace_rpc_error *ret_error) {
    if (!text) return 0;
    int error = expression_create(&filter->expression, service, "filter", text, TRACE_FILTER_EVENTS, !wait, now_ns, ret_error);
    if (error) return error;
    filter->query.test = expression_match;
    filter->query.test_arg = filter->expression;
    return 0;
}

int filter_read(const struct service *service, const struct filter_params *params, bool wait, uint64_t now_ns,
                struct filter *ret_filter, struct trace_rpc_error *ret_error) {
    struct filter filter = {0};
    int error = filter_read_kinds(params->kind, &filter.query, ret_error);
    if (!error && params->trace_id) {
        filter.query.by_trace = true;
        error = ids_find_trace(service, "trace_id", params->trace_id, wait, &filter.query.trace_id, ret_error);
    }
    if (!error && params->peer_id) {
        filter.query.by_peer = true;
        error = ids_find_peer(service, "peer_id", params->peer_id, wait, &filter.query.peer_id, ret_error);
    }
    if (!error && params->node_id) error = read_node(service, params->node_id, wait, &filter, ret_error);
    if (!error) error = filter_read_expression(service, params->expression, wait, now_ns, &filter, ret_error);
    if (error) return error;
    *ret_filter = filter;
    return 0;
}

void filter_fini(struct filter *filter) {
    expression_destroy(filter->expression);
    filter->expression = NULL;
}

void filter_prepare(struct filter *filter, const struct service *service, uint64_t set[IDS_NODE_SET_WORDS]) {
    struct history_query *query = &filter->query;
    if (!filter->has_node)
        memset(set, 0xff, IDS_NODE_SET_WORDS * sizeof *set);
    else if (filter->node_name[0])
        (void)ids_node_set_of_name(service, filter->node_name, set); /* empty: no node is called so yet */
    else
        ids_node_set(service, &filter->node_id, set);
    bool limited = filter->expression && expression_narrow(filter->expression, query, set);
    if (!filter->has_node && !limited) return;
    query->by_node = true;
    query->node_set = set;
    query->node_set_bits = NODES_MAX;
}

bool filter_match(const struct filter *filter, const struct service *service, const struct trace_event *event,
                  history_source source) {
    if (!history_match(&filter->query, event, source)) return false;
    if (!filter->has_node) return true;
    /* By the node's own id or name, not by a set of table places: logs come and go while a subscription lives. */
    const struct node *node = nodes_at(service->nodes, history_source_node(source));
    if (!node) return false;
    if (filter->node_name[0]) return !strcmp(node->info.node_name, filter->node_name);
    return !memcmp(&node->info.node_id, &filter->node_id, sizeof filter->node_id);
}
