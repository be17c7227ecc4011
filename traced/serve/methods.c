/* SPDX-License-Identifier: MIT
 *
 * The table of traced's own methods, and what they share; `hello`. */
#include "methods.h"
#include "traced_limits.h"

#include <string.h>
#include <unistd.h>

#ifndef TRACED_VERSION
#define TRACED_VERSION "unknown"
#endif

static const struct method table[] = {
    {"hello", NULL, methods_hello},
    {"stats", methods_stats_work, methods_stats_finish},
    {"subscribe", methods_subscribe_work, methods_subscribe_finish, methods_subscribe_is_long},
    {"unsubscribe", NULL, methods_unsubscribe},
    {"control", methods_control, NULL},
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
    ask_add_names(names);
    return names;
}

int methods_hello(struct call *call) {
    if (trace_rpc_params_read(call->ask.params, NULL, 0, &call->ask.error)) return -1;
    json_t *limits = json_pack("{sisisisisi}", "line_bytes", LIMIT_LINE_BYTES, "batch", LIMIT_BATCH, "clients", LIMIT_CLIENTS,
                               "subscriptions", LIMIT_SUBSCRIPTIONS, "events", STORE_EVENTS_MAX);
    return ask_answer(&call->ask,
                      json_pack("{sssssisisoso}", "name", TRACED_NAME, "version", TRACED_VERSION, "protocol", TRACE_RPC_PROTOCOL,
                                "pid", (int)getpid(), "methods", methods_names(), "limits", limits));
}
