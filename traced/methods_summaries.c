/* SPDX-License-Identifier: MIT
 *
 * `peers` and `traces`: what the history's directories say. */
#include "answer.h"
#include "ids.h"
#include "limits.h"
#include "methods.h"

#include <stdlib.h>
#include <string.h>
#include <urcu.h>

/* Rows are written as they are made: all of them as one tree would take many times the memory of the answer. */
static void write_row(struct trace_text *out, size_t index, json_t *row_new) {
    if (index) trace_text_puts(out, ",");
    trace_rpc_write_json(out, row_new);
    json_decref(row_new);
}

static json_t *peer_json(const struct service *service, const struct history_peer *peer, const struct ids_names *names) {
    const char *name = ids_names_find(names, &peer->peer_id);
    json_t *json = json_object();
    json_object_set_new(json, "peer_id", answer_node_id(&peer->peer_id));
    json_object_set_new(json, "name", name ? answer_text(name, TRACE_NODE_NAME_BYTES) : json_null());
    json_object_set_new(json, "events", answer_unsigned(peer->events));
    json_object_set_new(json, "packets_sent", answer_unsigned(peer->packets_sent));
    json_object_set_new(json, "packets_received", answer_unsigned(peer->packets_received));
    json_object_set_new(json, "packets_lost", answer_unsigned(peer->packets_lost));
    json_object_set_new(json, "loss",
                        json_real(peer->packets_sent ? (double)peer->packets_lost / (double)peer->packets_sent : 0.0));
    json_object_set_new(json, "bytes_sent", answer_unsigned(peer->bytes_sent));
    json_object_set_new(json, "bytes_received", answer_unsigned(peer->bytes_received));
    json_object_set_new(json, "rtt", peer->rtt_ns ? answer_unsigned(peer->rtt_ns) : json_null());
    json_object_set_new(json, "min_rtt", peer->min_rtt_ns ? answer_unsigned(peer->min_rtt_ns) : json_null());
    json_object_set_new(json, "nodes", answer_node_ids(service, peer->nodes, peer->node_count));
    json_object_set_new(json, "first", answer_time(peer->first_ns));
    json_object_set_new(json, "last", answer_time(peer->last_ns));
    return json;
}

int methods_peers(struct call *call) {
    const char *node = NULL;
    const struct trace_rpc_param params[] = {{"node_id", TRACE_RPC_STRING, .string = &node}};
    if (trace_rpc_params_read(call->request.params, params, 1, &call->error)) return -1;
    uint64_t set[IDS_NODE_SET_WORDS];
    if (node) {
        struct trace_node_id id;
        if (ids_find_node(call->service, "node_id", node, false, &id, &call->error)) return -1;
        ids_node_set(call->service, &id, set);
    }
    struct history_peer *peers;
    struct ids_names names;
    size_t count;
    if (history_peers(call->service->history, node ? set : NULL, node ? NODES_MAX : 0, &peers, &count))
        return methods_answer(call, NULL);
    if (ids_names_init(&names, call->service)) {
        free(peers);
        return methods_answer(call, NULL);
    }
    trace_rpc_begin_result(call->out, call->request.id);
    trace_text_puts(call->out, "{\"peers\":[");
    for (size_t i = 0; i < count && !call->out->failed; i++) write_row(call->out, i, peer_json(call->service, &peers[i], &names));
    trace_text_puts(call->out, "]}");
    trace_rpc_end(call->out);
    ids_names_fini(&names);
    free(peers);
    return 0;
}

static const char *outcome_name(enum history_outcome outcome) {
    switch (outcome) {
    case HISTORY_OUTCOME_OPEN: return "open";
    case HISTORY_OUTCOME_OK: return "ok";
    case HISTORY_OUTCOME_FAILED: return "failed";
    default: return "none";
    }
}

/* The application and the command by number, and by the names that the node which began the trace registered. */
static void set_app(const struct service *service, json_t *json, const struct history_trace *trace) {
    json_t *name = NULL, *command = NULL;
    if (trace->has_app) {
        rcu_read_lock();
        const struct node *node = nodes_at(service->nodes, trace->app_node);
        const struct trace_app *app = node ? nodes_app(node, trace->app_id) : NULL;
        if (app) name = answer_text(app->name, sizeof app->name);
        for (unsigned i = 0; app && i < app->command_count && i < TRACE_APP_COMMANDS_MAX && !command; i++)
            if (app->commands[i].cmd == trace->cmd) command = answer_text(app->commands[i].name, sizeof app->commands[i].name);
        rcu_read_unlock();
    }
    json_object_set_new(json, "app_id", trace->has_app ? answer_text(trace->app_id, sizeof trace->app_id) : json_null());
    json_object_set_new(json, "app", name ? name : json_null());
    json_object_set_new(json, "cmd", trace->has_app ? json_integer(trace->cmd) : json_null());
    json_object_set_new(json, "command", command ? command : json_null());
}

static json_t *trace_json(const struct service *service, const struct history_trace *trace) {
    json_t *json = json_object(), *peers = json_array();
    for (uint32_t i = 0; i < trace->peer_count; i++) json_array_append_new(peers, answer_node_id(&trace->peers[i]));
    json_object_set_new(json, "trace_id", answer_trace_id(&trace->trace_id));
    json_object_set_new(json, "first", answer_time(trace->first_ns));
    json_object_set_new(json, "last", answer_time(trace->last_ns));
    json_object_set_new(json, "duration", answer_unsigned(trace->last_ns - trace->first_ns));
    json_object_set_new(json, "events", answer_unsigned(trace->events));
    json_object_set_new(json, "packets_lost", answer_unsigned(trace->packets_lost));
    json_object_set_new(json, "nodes", answer_node_ids(service, trace->nodes, trace->node_count));
    json_object_set_new(json, "peers", peers);
    json_object_set_new(json, "outcome", json_string(outcome_name(trace->outcome)));
    set_app(service, json, trace);
    json_object_set_new(json, "truncated", json_boolean(trace->truncated));
    return json;
}

int methods_traces(struct call *call) {
    int64_t limit = LIMIT_TRACES_DEFAULT;
    json_t *from = NULL, *to = NULL;
    const char *app = NULL;
    const struct trace_rpc_param params[] = {
        {"limit", TRACE_RPC_INTEGER, .integer = &limit, .min = 1, .max = LIMIT_TRACES},
        {"from", TRACE_RPC_TIME, .json = &from},
        {"to", TRACE_RPC_TIME, .json = &to},
        {"app", TRACE_RPC_STRING, .string = &app},
    };
    if (trace_rpc_params_read(call->request.params, params, sizeof params / sizeof *params, &call->error)) return -1;
    uint64_t now = service_unix_ns(), from_ns = 0, to_ns = 0;
    char app_id[4] = {0};
    if (methods_read_time("from", from, now, &from_ns, &call->error) || methods_read_time("to", to, now, &to_ns, &call->error))
        return -1;
    if (to && !to_ns) to_ns = 1; /* 0 means no end there, and nothing is before 1970 */
    size_t app_bytes = app ? strlen(app) : 0;
    if (app_bytes > sizeof app_id)
        return trace_rpc_fail_param(&call->error, "app", "app: an application id has at most %zu characters", sizeof app_id);
    for (size_t i = 0; i < app_bytes; i++) app_id[i] = app[i]; /* padded with NUL, not ended by one */
    struct history_trace *traces;
    size_t count, total;
    if (history_traces(call->service->history, from_ns, to_ns, app ? app_id : NULL, (size_t)limit, &traces, &count, &total))
        return methods_answer(call, NULL);
    trace_rpc_begin_result(call->out, call->request.id);
    trace_text_puts(call->out, "{\"traces\":[");
    for (size_t i = 0; i < count && !call->out->failed; i++) write_row(call->out, i, trace_json(call->service, &traces[i]));
    free(traces);
    trace_text_puts(call->out, "],\"total\":");
    answer_put_unsigned(call->out, total);
    trace_text_puts(call->out, "}");
    trace_rpc_end(call->out);
    return 0;
}
