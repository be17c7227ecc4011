/* SPDX-License-Identifier: MIT
 *
 * `peers` and `traces`: summaries from the history's directories. */
#include "ask_methods.h"
#include "expression.h"
#include "trace_sieve.h"

#include <errno.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/grace.h>
#include <store/id_param.h>
#include <store/limits.h>
#include <store/time_param.h>
#include <store/value.h>
#include <string.h>

/* Each row is written at once: a tree of all rows would take many times the memory of the answer. */
static void write_row(struct trace_text *out, size_t index, json_t *row_new) {
    if (index) trace_text_puts(out, ",");
    trace_rpc_write_json(out, row_new);
    json_decref(row_new);
}

static int by_node_id(const void *a, const void *b, void *nodes) {
    const struct node *x = nodes_at(nodes, *(const uint32_t *)a), *y = nodes_at(nodes, *(const uint32_t *)b);
    return x && y ? memcmp(&x->info.node_id, &y->info.node_id, sizeof x->info.node_id) : (x != NULL) - (y != NULL);
}

/* The order of their indices differs from source to source. */
static json_t *node_ids_new(const struct store *store, const struct history_peer *peer) {
    uint32_t nodes[HISTORY_SUMMARY_NODES_MAX];
    memcpy(nodes, peer->nodes, peer->node_count * sizeof *nodes);
    grace_read_lock();
    qsort_r(nodes, peer->node_count, sizeof *nodes, by_node_id, store->nodes);
    grace_read_unlock();
    return answer_node_ids(store, nodes, peer->node_count);
}

static json_t *peer_json(const struct store *store, const struct history_peer *peer, const struct id_lookup_names *names,
                         const struct alias_picture *aliases) {
    const char *name = id_lookup_names_find(names, &peer->peer_id);
    json_t *json = json_object();
    json_object_set_new(json, "peer_id", value_node_id(&peer->peer_id));
    json_object_set_new(json, "name", name ? value_text(name, TRACE_NODE_NAME_BYTES) : json_null());
    grace_read_lock();
    json_object_set_new(json, "aliases", answer_aliases(store, aliases, &peer->peer_id, peer->nodes, peer->node_count));
    grace_read_unlock();
    json_object_set_new(json, "events", value_unsigned(peer->events));
    json_object_set_new(json, "packets_sent", value_unsigned(peer->packets_sent));
    json_object_set_new(json, "packets_received", value_unsigned(peer->packets_received));
    json_object_set_new(json, "packets_lost", value_unsigned(peer->packets_lost));
    json_object_set_new(json, "loss",
                        json_real(peer->packets_sent ? (double)peer->packets_lost / (double)peer->packets_sent : 0.0));
    json_object_set_new(json, "messages_sent", value_unsigned(peer->messages_sent));
    json_object_set_new(json, "messages_received", value_unsigned(peer->messages_received));
    json_object_set_new(json, "bytes_sent", value_unsigned(peer->bytes_sent));
    json_object_set_new(json, "bytes_received", value_unsigned(peer->bytes_received));
    json_object_set_new(json, "rtt", peer->has_rtt ? value_unsigned(peer->rtt_ns) : json_null());
    json_object_set_new(json, "min_rtt", peer->has_min_rtt ? value_unsigned(peer->min_rtt_ns) : json_null());
    json_object_set_new(json, "nodes", node_ids_new(store, peer));
    json_object_set_new(json, "first", value_time(peer->first_ns));
    json_object_set_new(json, "last", value_time(peer->last_ns));
    uint64_t own_ns = id_lookup_names_last(names, &peer->peer_id);
    json_object_set_new(json, "heard", value_time_or_null(own_ns > peer->heard_ns ? own_ns : peer->heard_ns));
    return json;
}

/* What the nodes were at that time (0: now), and their names.  Returns 0 or an error of nodes_past_create. */
static int names_of(struct ask *ask, uint64_t at_ns, struct id_lookup_names *ret_names) {
    struct nodes_past *past = NULL;
    int error = at_ns ? nodes_past_create(&past, ask->store->nodes, ask->store->history, at_ns, &ask->work) : 0;
    if (!error) error = id_lookup_names_init(ret_names, ask->store, past);
    nodes_past_destroy(past);
    return error;
}

int ask_peers(struct ask *ask) {
    const char *node = NULL;
    json_t *at = NULL;
    uint64_t at_ns = 0;
    const struct trace_rpc_param params[] = {{"node_id", TRACE_RPC_STRING, .string = &node}, {"at", TRACE_RPC_TIME, .json = &at}};
    if (trace_rpc_params_read(ask->params, params, sizeof params / sizeof *params, &ask->error) ||
        time_param_read_end("at", at, store_now_ns(ask->store), &at_ns, &ask->error))
        return -1;
    uint64_t set[NODES_SET_WORDS];
    if (node && id_param_read_logs(ask->store, "node_id", node, set, &ask->error)) return -1;
    struct alias_picture *aliases = alias_picture_take(ask->store->aliases);
    struct history_who who;
    const struct history_peers_query query = {.node_set = node ? set : NULL,
                                              .node_set_bits = node ? NODES_MAX : 0,
                                              .until_ns = at_ns,
                                              .limit = STORE_PEERS_MAX,
                                              .who = store_who(aliases, &who),
                                              .work = &ask->work};
    struct history_peer *peers;
    struct id_lookup_names names;
    size_t count, total;
    int error = history_peers_first(ask->store->history, &query, &peers, &count, &total);
    if (!error && (error = names_of(ask, at_ns, &names))) free(peers);
    if (error) {
        alias_picture_release(aliases);
        return ask_fail(ask, error);
    }
    trace_text_puts(ask->out, "{\"peers\":[");
    for (size_t i = 0; i < count && !ask->out->failed; i++)
        write_row(ask->out, i, peer_json(ask->store, &peers[i], &names, aliases));
    trace_text_puts(ask->out, "],\"total\":");
    value_put_unsigned(ask->out, total);
    trace_text_puts(ask->out, "}");
    id_lookup_names_fini(&names);
    alias_picture_release(aliases);
    free(peers);
    return 0;
}

/* The application and the command by number, and by their names. */
static void set_app(const struct store *store, json_t *json, const struct history_trace *trace) {
    struct trace_names names;
    trace_names_find(store, trace, &names);
    json_object_set_new(json, "app_id", trace->has_app ? value_text(trace->app_id, sizeof trace->app_id) : json_null());
    json_object_set_new(json, "app", names.app[0] ? value_text(names.app, sizeof names.app) : json_null());
    json_object_set_new(json, "cmd", trace->has_app ? json_integer(trace->cmd) : json_null());
    json_object_set_new(json, "command", names.command[0] ? value_text(names.command, sizeof names.command) : json_null());
}

static json_t *trace_json(const struct store *store, const struct history_trace *trace) {
    json_t *json = json_object(), *peers = json_array();
    for (uint32_t i = 0; i < trace->peer_count; i++) json_array_append_new(peers, value_node_id(&trace->peers[i]));
    json_object_set_new(json, "trace_id", value_trace_id(&trace->trace_id));
    json_object_set_new(json, "first", value_time(trace->first_ns));
    json_object_set_new(json, "last", value_time(trace->last_ns));
    json_object_set_new(json, "duration", trace->stepped ? json_null() : value_unsigned(trace->last_ns - trace->first_ns));
    json_object_set_new(json, "took", trace->has_took ? value_unsigned(trace->took_ns) : json_null());
    json_object_set_new(json, "events", value_unsigned(trace->events));
    json_object_set_new(json, "packets_lost", value_unsigned(trace->packets_lost));
    json_object_set_new(json, "nodes", answer_node_ids(store, trace->nodes, trace->node_count));
    json_object_set_new(json, "peers", peers);
    json_object_set_new(json, "outcome", json_string(trace_outcome_name(trace->outcome)));
    json_object_set_new(json, "unfinished", json_boolean(trace->unfinished));
    set_app(store, json, trace);
    json_object_set_new(json, "truncated", json_boolean(trace->truncated));
    if (trace->took_stepped) json_object_set_new(json, "took_stepped", json_true());
    if (trace->stepped) json_object_set_new(json, "duration_stepped", json_true());
    return json;
}

/* ---- traces ------------------------------------------------------------------------------------------------------------- */

struct traces_params {
    int64_t limit;
    json_t *from, *to, *at;
    const char *app, *filter, *order, *kind, *trace_id;
    char app_id[4];
    struct trace_id only; /* if there is a trace_id */
};

static int read_order(const char *text, enum history_trace_order *ret_order, struct trace_rpc_error *ret_error) {
    static const char *const names[] = {"newest", "oldest", "slowest"}; /* as the enum has them */
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *ret_order = (enum history_trace_order)i;
        return 0;
    }
    return trace_rpc_fail_param(ret_error, "order", "order is \"newest\", \"oldest\" or \"slowest\"");
}

static int read_kind(const char *text, enum history_trace_kind *ret_kind, struct trace_rpc_error *ret_error) {
    static const char *const names[] = {"request", "connection"};
    *ret_kind = HISTORY_TRACES_ALL;
    if (!text) return 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *ret_kind = (enum history_trace_kind)(HISTORY_TRACES_REQUESTS + i);
        return 0;
    }
    return trace_rpc_fail_param(ret_error, "kind", "kind is \"request\" or \"connection\"");
}

static int read_traces_params(struct ask *ask, struct traces_params *params, uint64_t now_ns,
                              struct history_traces_query *query) {
    *params = (struct traces_params){.limit = STORE_TRACES_DEFAULT, .order = "newest"};
    const struct trace_rpc_param list[] = {
        {"limit", TRACE_RPC_INTEGER, .integer = &params->limit, .min = 1, .max = STORE_TRACES_MAX},
        {"from", TRACE_RPC_TIME, .json = &params->from},
        {"to", TRACE_RPC_TIME, .json = &params->to},
        {"at", TRACE_RPC_TIME, .json = &params->at},
        {"app", TRACE_RPC_STRING, .string = &params->app},
        {"filter", TRACE_RPC_STRING, .string = &params->filter},
        {"order", TRACE_RPC_STRING, .string = &params->order},
        {"kind", TRACE_RPC_STRING, .string = &params->kind},
        {"trace_id", TRACE_RPC_STRING, .string = &params->trace_id},
    };
    if (trace_rpc_params_read(ask->params, list, sizeof list / sizeof *list, &ask->error)) return -1;
    *query = (struct history_traces_query){.limit = (size_t)params->limit};
    if (time_param_read_end("at", params->at, now_ns, &query->until_ns, &ask->error) ||
        time_param_read("from", params->from, now_ns, &query->from_ns, &ask->error) ||
        time_param_read_end("to", params->to, now_ns, &query->to_ns, &ask->error) ||
        read_order(params->order, &query->order, &ask->error) || read_kind(params->kind, &query->kind, &ask->error))
        return -1;
    size_t bytes = params->app ? strlen(params->app) : 0;
    if (bytes > sizeof params->app_id)
        return trace_rpc_fail_param(&ask->error, "app", "app: an application id has at most %zu characters",
                                    sizeof params->app_id);
    for (size_t i = 0; i < bytes; i++) params->app_id[i] = params->app[i]; /* padded with NUL, not ended by one */
    if (params->app) query->app_id = params->app_id;
    if (!params->trace_id) return 0;
    query->trace_id = &params->only;
    return id_param_read_trace(ask->store, "trace_id", params->trace_id, false, &params->only, &ask->error);
}

/* Without these, the directory alone determines the traces. */
bool ask_traces_is_long(const struct ask *ask) {
    static const char *const searched[] = {"filter", "order", "to", "at", "app", "kind"};
    for (size_t i = 0; i < sizeof searched / sizeof *searched; i++)
        if (json_object_get(ask->params, searched[i])) return true;
    return false;
}

/* Adds the traces of one part to those found so far, and keeps the first `limit` of all. */
static int add_part(struct history *part, const struct history_traces_query *query, struct history_trace **traces, size_t *count,
                    size_t *total) {
    enum history_trace_order order = query->order;
    struct history_trace *more;
    size_t more_count, more_total;
    int error = history_traces(part, query, &more, &more_count, &more_total);
    if (error) return error;
    struct history_trace *all = realloc(*traces, (*count + more_count + 1) * sizeof *all);
    if (all) {
        *traces = all;
        memcpy(all + *count, more, more_count * sizeof *more);
        *count += more_count;
        *total += more_total;
        qsort_r(all, *count, sizeof *all, history_traces_compare, &order);
        if (*count > query->limit) *count = query->limit;
    }
    free(more);
    return all ? 0 : -ENOMEM;
}

/* As history_traces, over all parts of the store. */
static int find_traces(const struct store *store, const struct history_traces_query *query, struct history_trace **ret_traces,
                       size_t *ret_count, size_t *ret_total) {
    const struct store_parts *parts = query->trace_id ? NULL : store->parts;
    struct history *part;
    int error = history_traces(store->history, query, ret_traces, ret_count, ret_total);
    if (error || !parts) return error;
    while (!(error = parts->next(parts->owner, &part)) && part)
        if ((error = add_part(part, query, ret_traces, ret_count, ret_total))) break;
    if (error) free(*ret_traces);
    return error;
}

int ask_traces(struct ask *ask) {
    struct traces_params params;
    struct history_traces_query query;
    struct trace_sieve sieve = {.store = ask->store, .now_ns = store_now_ns(ask->store), .work = &ask->work};
    const struct history_trace_test test = {&sieve, trace_sieve_see, trace_sieve_keep};
    struct expression *expression = NULL;
    struct history_trace *traces;
    size_t count, total;
    if (read_traces_params(ask, &params, sieve.now_ns, &query)) return -1;
    if (query.until_ns) sieve.now_ns = query.until_ns;
    struct alias_picture *aliases = alias_picture_take(ask->store->aliases);
    struct history_who who;
    query.work = &ask->work;
    query.who = store_who(aliases, &who);
    if (params.filter) {
        int error = expression_create(&expression, ask->store, "filter", params.filter, TRACE_FILTER_TRACES, true, sieve.now_ns,
                                      &ask->error);
        if (error) {
            alias_picture_release(aliases);
            return error;
        }
        sieve.filter = expression->filter;
        sieve.aliases = expression->aliases;
        query.test = &test;
    }
    int error = find_traces(ask->store, &query, &traces, &count, &total);
    expression_destroy(expression);
    alias_picture_release(aliases);
    if (error) return ask_fail(ask, error);
    trace_text_puts(ask->out, "{\"traces\":[");
    for (size_t i = 0; i < count && !ask->out->failed; i++) write_row(ask->out, i, trace_json(ask->store, &traces[i]));
    free(traces);
    trace_text_puts(ask->out, "],\"total\":");
    value_put_unsigned(ask->out, total);
    trace_text_puts(ask->out, "}");
    return 0;
}
