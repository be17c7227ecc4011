/* SPDX-License-Identifier: MIT
 *
 * `control`: what live nodes emit from now on. */
#include "methods.h"

#include <stdlib.h>
#include <store/control_word.h>
#include <store/id_param.h>
#include <store/value.h>
#include <string.h>

static int read_change(struct call *call, struct control_change *change) {
    const char *node = NULL;
    json_t *kinds = NULL;
    double sample = 0;
    const struct trace_rpc_param list[] = {
        {"node_id", TRACE_RPC_STRING, .string = &node},
        {"kinds", TRACE_RPC_STRINGS, .json = &kinds},
        {"sample", TRACE_RPC_SHARE, .real = &sample},
        {"reset", TRACE_RPC_BOOLEAN, .boolean = &change->reset},
    };
    if (trace_rpc_params_read(call->ask.params, list, sizeof list / sizeof *list, &call->ask.error)) return -1;
    change->has_kinds = kinds;
    if (kinds && control_word_read_kinds(kinds, &change->kinds, &call->ask.error)) return -1;
    change->has_sample = sample > 0;
    change->threshold = control_word_threshold(sample);
    change->one_node = node;
    return node ? id_param_read_node(&call->service->store, "node_id", node, false, &change->node_id, &call->ask.error) : 0;
}

/* ---- answering ---------------------------------------------------------------------------------------------------------- */

static int compare_told(const void *a, const void *b) {
    const struct control_told *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : memcmp(&x->node_id, &y->node_id, sizeof x->node_id);
}

static json_t *result_json(struct control_result *result) {
    json_t *list = json_array();
    qsort(result->nodes, result->count, sizeof *result->nodes, compare_told);
    for (uint32_t i = 0; i < result->count; i++) {
        const struct control_told *told = &result->nodes[i];
        json_t *json =
            json_pack("{soso}", "node_id", value_node_id(&told->node_id), "name", value_text(told->name, sizeof told->name));
        control_word_set(json, told->word);
        json_array_append_new(list, json);
    }
    return json_pack("{so}", "nodes", list);
}

int methods_control(struct call *call) {
    struct control_change change = {0};
    if (read_change(call, &change)) return -1;
    if (call->service->read_only && (change.reset || change.has_kinds || change.has_sample))
        return trace_rpc_fail(&call->ask.error, TRACE_RPC_REFUSED, NULL, "this traced only watches (--read-only)");
    struct control_result *result = calloc(1, sizeof *result); /* only pages of existing nodes are touched */
    if (!result) return ask_answer(&call->ask, NULL);
    int error = control_ask(call->service->control, &change, result);
    if (error)
        trace_rpc_fail(&call->ask.error, TRACE_RPC_INTERNAL, NULL, "traced is stopping");
    else if (change.one_node && !result->count)
        error = trace_rpc_fail(&call->ask.error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", "node_id"),
                               "node_id: the node is no longer live");
    else
        ask_answer(&call->ask, result_json(result));
    free(result);
    return error;
}
