/* SPDX-License-Identifier: MIT */
#include "fleet_scope.h"

#include "json_get.h"
#include "refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <store/event_params.h>
#include <store/filter_names.h>
#include <store/grace.h>
#include <store/id_param.h>
#include <store/time_param.h>
#include <string.h>

#define TRACE_PEERS_MAX 64 /* of more, only their common time */

/* ---- times ---------------------------------------------------------------------------------------------------------------- */

static int pass_refusal(struct trace_rpc_error *error, struct failure *failure) {
    refusal_read(failure, error->code, error->message, error->data);
    trace_rpc_error_fini(error);
    return -1;
}

int fleet_scope_times(const struct fleet_context *context, const json_t *params, uint64_t *ret_from_ns, uint64_t *ret_to_ns,
                      struct failure *failure) {
    struct trace_rpc_error error = {0};
    *ret_from_ns = *ret_to_ns = 0;
    if (time_param_read("from", json_object_get(params, "from"), context->now_ns, ret_from_ns, &error) ||
        time_param_read_end("to", json_object_get(params, "to"), context->now_ns, ret_to_ns, &error))
        return pass_refusal(&error, failure);
    return 0;
}

static void put_bounds(struct trace_text *out, const char *column, uint64_t from_ns, uint64_t to_ns) {
    trace_text_puts(out, "(");
    if (from_ns) {
        trace_text_puts(out, column);
        fleet_put_format(out, " >= %" PRIu64 "%s", from_ns, to_ns ? " AND " : "");
    }
    if (to_ns) {
        trace_text_puts(out, column);
        fleet_put_format(out, " < %" PRIu64, to_ns);
    }
    trace_text_puts(out, ")");
}

/* The tables are sorted by own times: bounds of those leave most of a table unread, whatever the clocks. */
void fleet_scope_put_times(struct trace_text *out, const struct fleet_context *context, uint64_t from_ns, uint64_t to_ns) {
    if (!from_ns && !to_ns) {
        trace_text_puts(out, "1");
        return;
    }
    if (context->clocks.shown) {
        trace_text_puts(out, "(");
        fleet_clocks_put_own_times(out, &context->clocks, from_ns, to_ns);
        trace_text_puts(out, " AND ");
    }
    put_bounds(out, fleet_clocks_column(&context->clocks), from_ns, to_ns);
    if (context->clocks.shown) trace_text_puts(out, ")");
}

/* ---- traces --------------------------------------------------------------------------------------------------------------- */

int fleet_scope_find_traces(const struct fleet_context *context, const struct trace_id_prefix *prefix, struct trace_id *ret_id,
                            size_t *ret_count, struct failure *failure) {
    struct trace_text sql = {0};
    struct row_reader rows;
    fleet_put_format(&sql, "SELECT DISTINCT trace_id FROM `%s`.trace_index WHERE ", clickhouse_database(context->server));
    trace_filter_sql_prefix(&sql, "trace_id", prefix, TRACE_ID_BYTES);
    fleet_put_format(&sql, " LIMIT %d FORMAT RowBinary", FLEET_IDS_MAX + 1);
    int result = fleet_ask(context->server, &sql, &rows, failure);
    trace_text_fini(&sql);
    if (result) return -1;
    for (*ret_count = 0; row_reader_more(&rows); ++*ret_count) {
        const uint8_t *at = row_read(&rows, TRACE_ID_BYTES);
        if (at) memcpy(ret_id->bytes, at, TRACE_ID_BYTES);
    }
    if (*ret_count <= FLEET_IDS_MAX) return 0;
    return failure_set(failure, EXIT_FAILED, "more than %d traces of the fleet have an id that begins so: write more of it",
                       FLEET_IDS_MAX);
}

static struct trace_id_prefix whole(const void *bytes, size_t count) {
    struct trace_id_prefix prefix = {.digits = (unsigned)(2 * count)};
    memcpy(prefix.bytes, bytes, count);
    return prefix;
}

void fleet_scope_put_trace_id(struct trace_text *out, const struct trace_id *id) {
    struct trace_id_prefix prefix = whole(id->bytes, sizeof id->bytes);
    trace_filter_sql_prefix(out, "trace_id", &prefix, TRACE_ID_BYTES);
}

/* Where the events of a trace with one peer are. */
struct trace_peer {
    struct trace_node_id id;
    uint64_t first_ns, last_ns;
};

/* All times together are enough where those of each peer would leave out little: a statement that says less takes less time. */
static void put_peers(struct trace_text *out, const struct trace_peer *peers, size_t count, uint64_t apart_ns) {
    uint64_t own_ns = 0;
    for (size_t i = 0; i < count; i++) own_ns += (peers[i].last_ns - peers[i].first_ns) / count;
    bool alike = own_ns >= apart_ns / 8;
    trace_text_puts(out, alike ? " AND peer_id IN (" : " AND (");
    for (size_t i = 0; i < count; i++) {
        struct trace_id_prefix peer = whole(peers[i].id.bytes, sizeof peers[i].id.bytes);
        if (alike) {
            trace_text_puts(out, i ? ", " : "");
            trace_filter_sql_id(out, peers[i].id.bytes, TRACE_NODE_ID_BYTES);
        } else {
            trace_text_puts(out, i ? " OR (" : "(");
            trace_filter_sql_prefix(out, "peer_id", &peer, TRACE_NODE_ID_BYTES);
            fleet_put_format(out, " AND time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64 ")", peers[i].first_ns, peers[i].last_ns);
        }
    }
    trace_text_puts(out, ")");
}

int fleet_scope_put_trace_place(struct trace_text *out, const struct fleet_context *context, const struct trace_id *id,
                                uint64_t *ret_first_ns, uint64_t *ret_last_ns, struct failure *failure) {
    struct trace_peer peers[TRACE_PEERS_MAX];
    struct trace_text sql = {0};
    struct row_reader rows;
    size_t count = 0;
    fleet_put_format(&sql, "SELECT peer_id, min(first_ns), max(last_ns) FROM `%s`.trace_index WHERE ",
                     clickhouse_database(context->server));
    fleet_scope_put_trace_id(&sql, id);
    trace_text_puts(&sql, " GROUP BY peer_id FORMAT RowBinary");
    int result = fleet_ask(context->server, &sql, &rows, failure);
    trace_text_fini(&sql);
    if (result) return -1;
    *ret_first_ns = UINT64_MAX, *ret_last_ns = 0;
    for (; row_reader_more(&rows); count++) {
        struct trace_peer peer = {.first_ns = 0};
        const uint8_t *at = row_read(&rows, TRACE_NODE_ID_BYTES);
        if (at) memcpy(peer.id.bytes, at, TRACE_NODE_ID_BYTES);
        peer.first_ns = row_read_u64(&rows);
        peer.last_ns = row_read_u64(&rows);
        if (rows.failed) break;
        if (peer.first_ns < *ret_first_ns) *ret_first_ns = peer.first_ns;
        if (peer.last_ns > *ret_last_ns) *ret_last_ns = peer.last_ns;
        if (count < TRACE_PEERS_MAX) peers[count] = peer;
    }
    if (count)
        fleet_put_format(out, "time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64, *ret_first_ns, *ret_last_ns);
    else
        trace_text_puts(out, "1");
    if (count && count <= TRACE_PEERS_MAX) put_peers(out, peers, count, *ret_last_ns - *ret_first_ns);
    return 0;
}

int fleet_scope_put_trace(struct trace_text *out, const struct fleet_context *context, const struct trace_id *id,
                          struct failure *failure) {
    uint64_t first_ns, last_ns;
    trace_text_puts(out, "(");
    fleet_scope_put_trace_id(out, id);
    trace_text_puts(out, " AND ");
    int result = fleet_scope_put_trace_place(out, context, id, &first_ns, &last_ns, failure);
    trace_text_puts(out, ")");
    return result;
}

/* ---- the other params ----------------------------------------------------------------------------------------------------- */

static void put_and(struct trace_text *out) {
    if (out->bytes) trace_text_puts(out, " AND ");
}

/* Whoever has the name, now or later.  Returns false while nobody has it. */
static bool put_named(struct trace_text *out, const struct fleet_context *context, const char *text) {
    const struct fleet_logs *logs = &context->logs;
    struct trace_id_prefix prefix;
    bool any = false;
    if (!text) return true;
    for (size_t i = 0; i < logs->count; i++) {
        const struct node_info *info = &logs->all[i].info;
        if (strcmp(info->node_name, text) != 0) continue;
        prefix = whole(info->node_id.bytes, sizeof info->node_id.bytes);
        trace_text_puts(out, any ? " OR " : "(");
        trace_filter_sql_prefix(out, "node_id", &prefix, TRACE_NODE_ID_BYTES);
        any = true;
    }
    if (any) trace_text_puts(out, ")");
    if (any || trace_id_prefix_parse(&prefix, text, 2 * TRACE_NODE_ID_BYTES)) return any;
    trace_filter_sql_prefix(out, "node_id", &prefix, TRACE_NODE_ID_BYTES);
    return true;
}

bool fleet_scope_put_node(struct trace_text *out, const struct fleet_context *context, const char *text) {
    struct trace_rpc_error error = {0};
    struct trace_node_id id;
    if (!text) return true;
    if (id_lookup_is_shared_name(context->store, text)) return put_named(out, context, text);
    if (id_param_read_node(context->store, "node_id", text, false, &id, &error)) {
        trace_rpc_error_fini(&error);
        return false;
    }
    struct trace_id_prefix prefix = whole(id.bytes, sizeof id.bytes);
    put_and(out);
    trace_filter_sql_prefix(out, "node_id", &prefix, TRACE_NODE_ID_BYTES);
    return true;
}

/* Of a stream: its id is whole. */
static bool put_trace_id(struct trace_text *out, const char *text) {
    struct trace_id_prefix prefix;
    if (!text) return true;
    if (trace_id_prefix_parse(&prefix, text, 2 * TRACE_ID_BYTES)) return false;
    put_and(out);
    trace_filter_sql_prefix(out, "trace_id", &prefix, TRACE_ID_BYTES);
    return true;
}

static void put_is(struct trace_text *out, const char *column, const struct trace_node_id *id) {
    struct trace_id_prefix prefix = whole(id->bytes, sizeof id->bytes);
    trace_filter_sql_prefix(out, column, &prefix, TRACE_NODE_ID_BYTES);
}

/* "peer_id IN (...)": all ids under which there may be events of the peers whose id begins so.  The primary key can use it. */
static void put_ids(struct trace_text *out, const struct fleet_context *context, const struct trace_id_prefix *prefix) {
    static const size_t max = 256;
    struct trace_node_id *list = calloc(max, sizeof *list);
    grace_read_lock();
    size_t count = list ? alias_picture_find(context->who.picture, prefix, list, 0, max) : max + 1;
    if (count <= max) count = alias_picture_names_of(context->who.picture, list, count, max);
    grace_read_unlock();
    for (size_t i = 0; i < count && count <= max; i++) {
        trace_text_puts(out, i ? " OR " : "(");
        put_is(out, "peer_id", &list[i]);
    }
    if (count && count <= max) {
        trace_text_puts(out, " OR ");
        trace_filter_sql_prefix(out, "peer_id", prefix, TRACE_NODE_ID_BYTES);
        trace_text_puts(out, ") AND ");
    } else if (!count) {
        trace_filter_sql_prefix(out, "peer_id", prefix, TRACE_NODE_ID_BYTES);
        trace_text_puts(out, " AND ");
    }
    free(list);
}

/* " OR (who = ... AND node_id = ...)": for each node that means this peer by an id that begins so. */
static void put_claims(struct trace_text *out, const struct fleet_context *context, const struct trace_id_prefix *prefix,
                       const struct trace_filter_alias *list, size_t count) {
    static const struct trace_node_id anybody;
    for (size_t i = 0; i < count; i++) {
        if (!trace_id_prefix_matches(prefix, list[i].alias_id.bytes)) continue;
        trace_text_puts(out, " OR (");
        put_is(out, fleet_who_column(&context->who), &list[i].peer_id);
        if (memcmp(&list[i].by, &anybody, sizeof anybody) != 0) {
            trace_text_puts(out, " AND ");
            put_is(out, "node_id", &list[i].by);
        }
        trace_text_puts(out, ")");
    }
}

/* As the store finds a peer: by the id that the event has, by the one that this stands for, or by another one of that peer. */
static void put_who(struct trace_text *out, const struct fleet_context *context, const struct trace_id_prefix *prefix) {
    struct trace_filter_alias *list;
    size_t count;
    put_ids(out, context, prefix);
    trace_text_puts(out, "(");
    trace_filter_sql_prefix(out, "peer_id", prefix, TRACE_NODE_ID_BYTES);
    trace_text_puts(out, " OR ");
    trace_filter_sql_prefix(out, fleet_who_column(&context->who), prefix, TRACE_NODE_ID_BYTES);
    grace_read_lock();
    if (filter_names_aliases(context->store, context->who.picture, NULL, &list, &count)) out->failed = true;
    grace_read_unlock();
    put_claims(out, context, prefix, list, count);
    free(list);
    trace_text_puts(out, ")");
}

/* A name or a complete id of a node; otherwise all ids that begin with it. */
static bool put_peer(struct trace_text *out, const struct fleet_context *context, const char *text, struct fleet_scope *scope) {
    struct trace_rpc_error error = {0};
    struct trace_id_prefix prefix;
    struct trace_node_id id;
    bool hex;
    if (!text) return true;
    hex = !trace_id_prefix_parse(&prefix, text, 2 * TRACE_NODE_ID_BYTES) || trace_address_prefix_parse(&prefix, text);
    bool named = !id_param_read_peer(context->store, "peer_id", text, false, &id, &error);
    trace_rpc_error_fini(&error);
    if (named && !hex) prefix = whole(id.bytes, sizeof id.bytes);
    if (named && hex && prefix.digits < 2 * TRACE_NODE_ID_BYTES && !trace_id_prefix_matches(&prefix, id.bytes))
        prefix = whole(id.bytes, sizeof id.bytes); /* a name that looks like digits */
    if (!named && !hex) return false;
    scope->peer = prefix;
    put_and(out);
    fleet_put_format(out, "bitAnd(flags,%u) != 0 AND ", TRACE_FLAG_HAS_PEER);
    if (context->who.picture)
        put_who(out, context, &prefix);
    else
        trace_filter_sql_prefix(out, "peer_id", &prefix, TRACE_NODE_ID_BYTES);
    return true;
}

static void put_kind(struct trace_text *out, const char *name, bool *any) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    trace_text_puts(out, *any ? " OR " : "(");
    *any = true;
    if (strcmp(name, TRACE_KIND_UNKNOWN_NAME) != 0) {
        const struct trace_kind_info *kind = trace_kind_info(trace_kind_by_name(name));
        fleet_put_format(out, "kind = '%s'", kind ? kind->name : "");
        return;
    }
    trace_text_puts(out, "kind_id NOT IN (0");
    for (unsigned k = 0; k < count; k++) fleet_put_format(out, ",%u", kinds[k].id);
    trace_text_puts(out, ")");
}

static void put_kinds(struct trace_text *out, const json_t *kind) {
    bool any = false;
    if (!kind || (json_is_array(kind) && !json_array_size(kind))) return;
    put_and(out);
    if (json_is_string(kind)) put_kind(out, json_string_value(kind), &any);
    for (size_t i = 0; i < json_array_size(kind); i++) put_kind(out, json_string_value(json_array_get(kind, i)), &any);
    trace_text_puts(out, ")");
}

/* The names that a filter may use: the same that the store offers (store/params/expression.c). */
struct names {
    struct trace_filter_name *names;
    struct trace_filter_alias *aliases;
    const struct trace_app **apps;
    size_t app_count, alias_count;
};

static void names_fini(struct names *list) {
    free(list->names);
    free(list->aliases);
    free((void *)list->apps);
}

static int names_init(struct names *ret_list, const struct fleet_context *context) {
    const struct fleet_logs *logs = &context->logs;
    struct trace_filter_name *names = calloc(logs->count + 1, sizeof *names);
    const struct trace_app **apps = calloc(logs->count * TRACE_APPS_MAX + 1, sizeof *apps);
    size_t app_count = 0;
    for (size_t i = 0; names && apps && i < logs->count; i++) {
        const struct fleet_log *log = &logs->all[i];
        names[i] = (struct trace_filter_name){log->info.node_id, log->info.node_name, log->info.machine.name};
        for (uint32_t k = 0; k < log->app_count; k++) {
            bool listed = false;
            for (size_t a = 0; a < app_count && !listed; a++) listed = !memcmp(apps[a], log->apps[k], sizeof *log->apps[k]);
            if (!listed) apps[app_count++] = log->apps[k];
        }
    }
    *ret_list = (struct names){.names = names, .apps = apps, .app_count = app_count};
    if (!names || !apps) return -ENOMEM;
    grace_read_lock();
    int error = filter_names_aliases(context->store, context->who.picture, NULL, &ret_list->aliases, &ret_list->alias_count);
    grace_read_unlock();
    return error;
}

static int compile(const struct fleet_context *context, const char *text, bool complete, struct trace_filter **ret_filter) {
    struct trace_filter_error error;
    struct names list;
    int result = names_init(&list, context);
    const struct trace_filter_names known = {list.names, context->logs.count, list.apps,       list.app_count,
                                             complete,   list.aliases,        list.alias_count};
    const struct trace_filter_options options = {TRACE_FILTER_EVENTS, context->now_ns, &known};
    if (!result) result = trace_filter_compile(ret_filter, text, strlen(text), &options, &error);
    names_fini(&list);
    return result;
}

static void drop_nodes(struct fleet_limits *limits, const struct fleet_context *context, const struct trace_filter *filter) {
    for (size_t i = 0; i < context->logs.count; i++) {
        const struct node_info *info = &context->logs.all[i].info;
        if (!trace_filter_allows_node(filter, &info->node_id, info->node_name))
            limits->nodes[i / 64] &= ~(UINT64_C(1) << (i % 64));
    }
}

/* As expression_narrow of the store. */
static void apply_filter(struct fleet_limits *limits, const struct fleet_context *context, const struct trace_filter *filter,
                         json_t *kind) {
    struct trace_rpc_error error = {0};
    struct history_query query = {0};
    struct trace_filter_bounds bounds;
    struct trace_id_prefix peer;
    size_t peer_count;
    trace_filter_bounds(filter, &bounds);
    if (bounds.min_ns > limits->from_ns) limits->from_ns = bounds.min_ns;
    if (bounds.max_ns != UINT64_MAX && (!limits->to_ns || bounds.max_ns < limits->to_ns)) limits->to_ns = bounds.max_ns + 1;
    if (event_params_read_kinds(kind, &query, &error) || !query.kinds) query.kinds = ~UINT64_C(0); /* any */
    trace_rpc_error_fini(&error);
    limits->nothing = !(query.kinds & bounds.kinds) || bounds.min_ns > bounds.max_ns;
    limits->by_id = bounds.trace.digits || trace_filter_peers(filter, &peer, NULL, 0, &peer_count);
    if (!trace_filter_limits_nodes(filter)) return;
    limits->by_node = true;
    drop_nodes(limits, context, filter);
}

int fleet_scope_limits(struct fleet_limits *ret_limits, const struct fleet_context *context, const struct fleet_scope *scope,
                       const json_t *params, struct failure *failure) {
    const char *text = json_get_text(params, "filter"), *node = json_get_text(params, "node_id");
    struct trace_rpc_error error = {0};
    struct trace_filter *filter;
    *ret_limits = (struct fleet_limits){.from_ns = scope->from_ns, .to_ns = scope->to_ns, .by_node = node != NULL};
    memset(ret_limits->nodes, 0xff, sizeof ret_limits->nodes);
    if (node) (void)id_param_read_logs(context->store, "node_id", node, ret_limits->nodes, &error);
    trace_rpc_error_fini(&error);
    int result = text ? compile(context, text, true, &filter) : 0;
    if (result == -ENOMEM) return failure_out_of_memory(failure);
    if (!text || result) return 0; /* the store will refuse it */
    apply_filter(ret_limits, context, filter, json_object_get(params, "kind"));
    trace_filter_destroy(filter);
    return 0;
}

int fleet_scope_find_field(const struct fleet_context *context, const char *text, struct trace_field **ret_field) {
    struct trace_filter_error error;
    struct names list;
    int result = names_init(&list, context);
    const struct trace_filter_names known = {list.names, context->logs.count, list.apps, list.app_count, true};
    const struct trace_filter_options options = {.names = &known};
    if (!result) result = trace_field_find(ret_field, text, strlen(text), &options, &error);
    names_fini(&list);
    return result;
}

/* Sets *nothing if the store will refuse it.  Returns 0 or -ENOMEM. */
static int put_filter(struct trace_text *out, const struct fleet_context *context, const char *text, bool complete,
                      bool *nothing) {
    struct trace_filter *filter;
    if (!text) return 0;
    int error = compile(context, text, complete, &filter);
    if (error == -ENOMEM) return error;
    *nothing = *nothing || error;
    if (error) return 0;
    put_and(out);
    trace_filter_sql(filter, context->logs.for_filters, context->logs.count, fleet_clocks_column(&context->clocks),
                     fleet_who_column(&context->who), out);
    trace_filter_destroy(filter);
    return 0;
}

static int make_scope(struct fleet_scope *ret_scope, const struct fleet_context *context, const json_t *params, bool stream,
                      struct failure *failure) {
    struct fleet_scope scope = {0};
    struct trace_text node = {0}, rest = {0};
    const char *node_name = json_get_text(params, "node_id");
    int result = fleet_scope_times(context, params, &scope.from_ns, &scope.to_ns, failure);
    if (result) return result;
    scope.nothing = !(stream ? put_named(&node, context, node_name) : fleet_scope_put_node(&node, context, node_name));
    if (stream && !put_trace_id(&rest, json_get_text(params, "trace_id"))) scope.nothing = true;
    const char *peer = json_get_text(params, "peer_id");
    bool shared = peer && id_lookup_is_shared_name(context->store, peer);
    char peers[FILTER_NAMES_PEER_BYTES];
    if (shared) filter_names_peer_text(peers, peer);
    int error = put_filter(&rest, context, shared ? peers : NULL, true, &scope.nothing);
    if (!shared && !put_peer(&rest, context, peer, &scope)) scope.nothing = true;
    put_kinds(&rest, json_object_get(params, "kind"));
    if (!error) error = put_filter(&rest, context, json_get_text(params, "filter"), !stream, &scope.nothing);
    if (node.bytes) {
        trace_text_add(&scope.text, node.data, node.bytes);
        trace_text_add(&scope.matching, node.data, node.bytes);
    }
    scope.has_losses = rest.bytes != 0;
    if (rest.bytes) {
        put_and(&scope.matching);
        trace_text_puts(&scope.matching, "(");
        trace_text_add(&scope.matching, rest.data, rest.bytes);
        trace_text_puts(&scope.matching, ")");
        put_and(&scope.text);
        trace_text_puts(&scope.text, "((");
        trace_text_add(&scope.text, rest.data, rest.bytes);
        trace_text_puts(&scope.text, ") OR kind = 'events_lost')");
    }
    if (error || node.failed || rest.failed || scope.text.failed || scope.matching.failed)
        result = failure_out_of_memory(failure);
    trace_text_fini(&node);
    trace_text_fini(&rest);
    *ret_scope = scope;
    if (result) fleet_scope_fini(ret_scope);
    return result;
}

int fleet_scope_events(struct fleet_scope *ret_scope, const struct fleet_context *context, const json_t *params,
                       struct failure *failure) {
    return make_scope(ret_scope, context, params, false, failure);
}

int fleet_scope_stream(struct fleet_scope *ret_scope, const struct fleet_context *context, const json_t *params,
                       struct failure *failure) {
    return make_scope(ret_scope, context, params, true, failure);
}

void fleet_scope_fini(struct fleet_scope *scope) {
    trace_text_fini(&scope->matching);
    trace_text_fini(&scope->text);
}

void fleet_scope_put(struct trace_text *out, const struct fleet_context *context, const struct fleet_scope *scope,
                     uint64_t from_ns, uint64_t to_ns) {
    trace_text_puts(out, "(");
    fleet_scope_put_times(out, context, from_ns, to_ns);
    if (scope->text.bytes) trace_text_puts(out, " AND ");
    if (scope->text.bytes) trace_text_add(out, scope->text.data, scope->text.bytes);
    trace_text_puts(out, ")");
}
