/* SPDX-License-Identifier: MIT
 *
 * `control`: what live nodes emit from now on; and how answers show a control word (p2ptrace/shm.h). */
#include "answer.h"
#include "id_lookup.h"
#include "methods.h"

#include <proto/event_table.h>
#include <stdlib.h>
#include <string.h>

static uint32_t kind_bit(uint16_t kind) { return (uint32_t)TRACE_CONTROL_KIND_BIT(kind); }

/* The bits that stand for kinds of which a node may emit events: all but those of 0, which is no kind, and of events_lost, which is
 * ours. */
static const uint32_t emitted_kinds = UINT32_MAX & ~(UINT32_C(1) | (uint32_t)TRACE_CONTROL_KIND_BIT(TRACE_KIND_EVENTS_LOST));

/* Those of them that this version has no name for: a node may be newer. */
static uint32_t unknown_kinds(void) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    uint32_t kinds = emitted_kinds;
    for (unsigned i = 0; i < count; i++) kinds &= ~kind_bit(table[i].id);
    return kinds;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static int add_kind(const char *name, uint32_t *kinds, struct trace_rpc_error *ret_error) {
    uint16_t kind = trace_kind_by_name(name);
    if (kind == TRACE_KIND_EVENTS_LOST)
        return trace_rpc_fail_param(ret_error, "kinds", "kinds: %s is written by traced, no node emits it", name);
    if (kind)
        *kinds |= kind_bit(kind);
    else if (!strcmp(name, "unknown"))
        *kinds |= unknown_kinds();
    else
        return trace_rpc_fail_param(ret_error, "kinds", "kinds: there is no kind \"%.80s\"", name);
    return 0;
}

static int read_kinds(const json_t *value, uint32_t *ret_kinds, struct trace_rpc_error *ret_error) {
    const char *text = json_string_value(value);
    uint32_t kinds = 0;
    size_t i;
    const json_t *name;
    if (text && !strcmp(text, "all"))
        kinds = UINT32_MAX;
    else if (text && strcmp(text, "none") != 0 && add_kind(text, &kinds, ret_error))
        return -1;
    json_array_foreach(value, i, name) if (add_kind(json_string_value(name), &kinds, ret_error)) return -1;
    *ret_kinds = kinds;
    return 0;
}

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
    if (trace_rpc_params_read(call->request.params, list, sizeof list / sizeof *list, &call->error)) return -1;
    change->has_kinds = kinds != NULL;
    if (kinds && read_kinds(kinds, &change->kinds, &call->error)) return -1;
    change->has_sample = sample > 0;
    change->threshold = control_threshold(sample);
    change->one_node = node != NULL;
    return node ? ids_find_node(call->service, "node_id", node, false, &change->node_id, &call->error) : 0;
}

/* ---- answering ---------------------------------------------------------------------------------------------------------- */

static json_t *kinds_json(uint32_t kinds) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    kinds &= emitted_kinds;
    if (kinds == emitted_kinds) return json_string("all");
    if (kinds == 0) return json_string("none");
    json_t *names = json_array();
    for (unsigned i = 0; i < count; i++)
        if (kinds & kind_bit(table[i].id)) json_array_append_new(names, json_string(table[i].name));
    if (kinds & unknown_kinds()) json_array_append_new(names, json_string("unknown"));
    return names;
}

void methods_set_control(json_t *object, uint64_t word) {
    json_object_set_new(object, "kinds", kinds_json((uint32_t)word));
    json_object_set_new(object, "sample", json_real(control_share(TRACE_CONTROL_SAMPLE(word))));
}

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
            json_pack("{soso}", "node_id", answer_node_id(&told->node_id), "name", answer_text(told->name, sizeof told->name));
        methods_set_control(json, told->word);
        json_array_append_new(list, json);
    }
    return json_pack("{so}", "nodes", list);
}

int methods_control(struct call *call) {
    struct control_change change = {0};
    if (read_change(call, &change)) return -1;
    if (call->service->read_only && (change.reset || change.has_kinds || change.has_sample))
        return trace_rpc_fail(&call->error, TRACE_RPC_REFUSED, NULL, "this traced only watches (--read-only)");
    struct control_result *result = calloc(1, sizeof *result); /* pages are only touched for nodes that there are */
    if (!result) return methods_answer(call, NULL);
    int error = control_ask(call->service->control, &change, result);
    if (error)
        trace_rpc_fail(&call->error, TRACE_RPC_INTERNAL, NULL, "traced is stopping");
    else if (change.one_node && !result->count)
        error = trace_rpc_fail(&call->error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", "node_id"),
                               "node_id: the node is not live, and emits nothing any more");
    else
        methods_answer(call, result_json(result));
    free(result);
    return error;
}
