/* SPDX-License-Identifier: MIT
 *
 * The table of methods, and what they share; `hello`. */
#include "methods.h"
#include "limits.h"
#include "time_param.h"

#include <string.h>
#include <unistd.h>

#ifndef TRACED_VERSION
#define TRACED_VERSION "unknown"
#endif

static const struct method table[] = {
    {"hello", NULL, NULL, methods_hello},
    {"stats", NULL, NULL, methods_stats},
    {"nodes", NULL, methods_nodes, NULL},
    {"peers", NULL, methods_peers, NULL},
    {"traces", NULL, methods_traces, NULL, methods_traces_is_long},
    {"query", methods_query_small, methods_query, NULL},
    {"count", NULL, methods_count, NULL, methods_count_is_long},
    {"subscribe", NULL, methods_subscribe_work, methods_subscribe_finish},
    {"unsubscribe", NULL, NULL, methods_unsubscribe},
    {"apps", NULL, methods_apps, NULL},
    {"control", NULL, methods_control, NULL},
};
#define TABLE_COUNT (sizeof table / sizeof *table)

const struct method *methods_find(const char *name) {
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (!strcmp(table[i].name, name)) return &table[i];
    return NULL;
}

json_t *methods_names(void) {
    json_t *names = json_array();
    for (size_t i = 0; i < TABLE_COUNT; i++) json_array_append_new(names, json_string(table[i].name));
    return names;
}

int methods_answer(struct call *call, json_t *result_new) {
    trace_rpc_write_result(call->out, call->request.id, result_new);
    return 0;
}

int methods_read_time(const char *param, const json_t *value, uint64_t now_ns, uint64_t *ret_ns,
                      struct trace_rpc_error *ret_error) {
    const char *reason;
    if (!value || !timespec_parse(value, now_ns, ret_ns, &reason)) return 0;
    return trace_rpc_fail_param(ret_error, param, "%s: %s", param, reason);
}

int methods_hello(struct call *call) {
    if (trace_rpc_params_read(call->request.params, NULL, 0, &call->error)) return -1;
    json_t *limits = json_pack("{sisisisisi}", "line_bytes", LIMIT_LINE_BYTES, "batch", LIMIT_BATCH, "clients", LIMIT_CLIENTS,
                               "subscriptions", LIMIT_SUBSCRIPTIONS, "events", LIMIT_EVENTS);
    return methods_answer(call,
                          json_pack("{sssssisisoso}", "name", TRACED_NAME, "version", TRACED_VERSION, "protocol",
                                    TRACE_RPC_PROTOCOL, "pid", (int)getpid(), "methods", methods_names(), "limits", limits));
}
