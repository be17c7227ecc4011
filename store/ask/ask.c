/* SPDX-License-Identifier: MIT
 *
 * The table of methods: see ask.h. */
#include "ask_methods.h"

#include <errno.h>
#include <string.h>

static const struct ask_method table[] = {
    {"nodes", ask_nodes, .is_long = ask_nodes_is_long},
    {"peers", ask_peers, .is_long = ask_always_long},
    {"traces", ask_traces, .is_long = ask_traces_is_long},
    {"requests", ask_requests, .is_long = ask_always_long},
    {"query", ask_query, .answer_small = ask_query_small, .is_long = ask_query_is_long},
    {"count", ask_count, .is_long = ask_always_long},
    {"apps", ask_apps},
    {"who", ask_who},
};
#define TABLE_COUNT (sizeof table / sizeof *table)

const struct ask_method *ask_find_method(const char *name) {
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (!strcmp(table[i].name, name)) return &table[i];
    return NULL;
}

void ask_add_names(json_t *names) {
    for (size_t i = 0; i < TABLE_COUNT; i++) json_array_append_new(names, json_string(table[i].name));
}

bool ask_always_long(const struct ask *ask) {
    (void)ask;
    return true;
}

/* Methods share this picture.  Without it, each id would stand for itself, and the answer would be wrong. */
static int answer_with_aliases(struct ask *ask, int (*answer)(struct ask *ask)) {
    struct alias_picture *aliases = alias_picture_take(ask->store->aliases);
    int error = alias_picture_is_missing(ask->store->aliases, aliases) ? ask_fail_memory(ask) : answer(ask);
    alias_picture_release(aliases);
    return error;
}

int ask_run(const struct ask_method *method, struct ask *ask) { return answer_with_aliases(ask, method->answer); }

int ask_run_small(const struct ask_method *method, struct ask *ask) {
    return method->answer_small ? answer_with_aliases(ask, method->answer_small) : -EAGAIN;
}

static int run(struct ask *ask, const char *name) {
    const struct ask_method *method = ask_find_method(name);
    if (!method) {
        json_t *names = json_array();
        ask_add_names(names);
        return trace_rpc_fail(&ask->error, TRACE_RPC_METHOD_NOT_FOUND, json_pack("{so}", "methods", names),
                              "there is no method \"%.80s\"", name);
    }
    if (ask->params && !json_is_object(ask->params))
        return trace_rpc_fail(&ask->error, TRACE_RPC_INVALID_PARAMS, NULL, "params must be named (an object), not positional");
    int error = ask_run(method, ask);
    return !error && ask->out->failed ? ask_fail_too_long(ask) : error;
}

int store_ask_unless(struct store *store, const char *method, const json_t *params, const _Atomic bool *abandoned,
                     struct trace_text *out_result, struct trace_rpc_error *ret_error) {
    struct ask ask = {.store = store,
                      .params = (json_t *)params /* for jansson's iterators; not changed */,
                      .out = out_result,
                      .work.abandoned = abandoned};
    size_t before = out_result->bytes;
    store_enter_thread();
    int error = run(&ask, method);
    if (error == -ECANCELED) trace_rpc_fail(&ask.error, TRACE_RPC_INTERNAL, NULL, "interrupted");
    *ret_error = ask.error;
    if (!error) return 0;
    out_result->bytes = before;
    out_result->failed = false;
    return error;
}

int store_ask(struct store *store, const char *method, const json_t *params, struct trace_text *out_result,
              struct trace_rpc_error *ret_error) {
    return store_ask_unless(store, method, params, NULL, out_result, ret_error);
}
