/* SPDX-License-Identifier: MIT
 *
 * See expression.h. */
#include "expression.h"
#include <store/filter_names.h>
#include <store/limits.h>

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

/* ---- what is known ------------------------------------------------------------------------------------------------------ */

struct known {
    const struct store *store;
    struct trace_filter_names names;
    struct trace_filter_name *nodes;
    struct trace_filter_alias *aliases;
    const struct trace_app **apps;
    size_t apps_capacity;
};

static bool is_listed(const struct known *known, const struct trace_app *app) {
    for (size_t i = 0; i < known->names.app_count; i++)
        if (!memcmp(known->apps[i], app, sizeof *app)) return true;
    return false;
}

/* Different descriptions; nodes of one program have the same. */
static int list_apps(struct known *known, const struct node *node) {
    /* app:A  Pairs with app:R of nodes.c.  Without it we could take a half-written description. */
    uint32_t count = atomic_load_explicit(&node->app_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && known->names.app_count < STORE_FILTER_APPS_MAX; i++) {
        if (is_listed(known, node->apps[i])) continue;
        if (known->names.app_count == known->apps_capacity) {
            size_t capacity = known->apps_capacity ? 2 * known->apps_capacity : 16;
            const struct trace_app **apps = realloc(known->apps, capacity * sizeof *apps);
            if (!apps) return -ENOMEM;
            known->apps = apps;
            known->apps_capacity = capacity;
        }
        known->apps[known->names.app_count++] = node->apps[i];
    }
    return 0;
}

/* A label is text that names an alias where it is an address; what a program calls a sort of id ("group key") names nobody. */
int filter_names_aliases(const struct store *store, const struct alias_picture *picture, const struct trace_node_id *only,
                         struct trace_filter_alias **ret_list, size_t *ret_count) {
    size_t count = alias_picture_count(picture);
    struct trace_filter_alias *list = count ? calloc(count, sizeof *list) : NULL;
    *ret_list = list;
    *ret_count = 0;
    if (count && !list) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        if (!alias || (only && memcmp(&alias->alias_id, only, sizeof *only) != 0)) continue;
        const struct trace_node_id *peer_id = alias_picture_resolve(picture, alias->node, alias->time_ns, &alias->alias_id);
        const struct node *node = nodes_at(store->nodes, alias->node);
        if (!node || !memcmp(peer_id, &alias->alias_id, sizeof *peer_id)) continue;
        struct trace_filter_alias *name = &list[(*ret_count)++];
        *name = (struct trace_filter_alias){.alias_id = alias->alias_id, .peer_id = *peer_id, .own = alias->own};
        if (!alias->own) name->by = node->info.node_id;
        if (alias->transport != TRACE_TRANSPORT_OTHER) memcpy(name->text, alias->label, sizeof alias->label);
    }
    return 0;
}

void filter_names_peer_text(char out[FILTER_NAMES_PEER_BYTES], const char *name) {
    char *at = stpcpy(out, "peer == \"");
    for (size_t i = 0; name[i] && i <= TRACE_NODE_NAME_BYTES; i++) {
        if (name[i] == '"' || name[i] == '\\') *at++ = '\\';
        *at++ = name[i];
    }
    strcpy(at, "\"");
}

static int list_aliases(struct known *known, const struct alias_picture *picture, const struct trace_node_id *only) {
    int error = filter_names_aliases(known->store, picture, only, &known->aliases, &known->names.alias_count);
    known->names.aliases = known->aliases;
    return error;
}

/* The possible meanings of a whole id, which is not a node's name. */
static int known_init_id(struct known *known, const struct store *store, const struct alias_picture *aliases,
                         const struct trace_node_id *id) {
    *known = (struct known){.store = store};
    return list_aliases(known, aliases, id);
}

/* Inside rcu_read_lock(), until known_fini. */
static int known_init(struct known *known, const struct store *store, const struct alias_picture *aliases, bool complete) {
    uint32_t count = nodes_count(store->nodes);
    *known = (struct known){.store = store, .names.complete = complete, .nodes = calloc(count ? count : 1, sizeof *known->nodes)};
    int error = known->nodes ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < count && !error; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (!node || !nodes_id_is_known(&node->info.node_id)) continue;
        known->nodes[known->names.node_count++] =
            (struct trace_filter_name){node->info.node_id, node->info.node_name, node->info.machine.name};
        error = list_apps(known, node);
    }
    if (!error) error = list_aliases(known, aliases, NULL);
    known->names.nodes = known->nodes;
    known->names.apps = known->apps;
    return error;
}

static void known_fini(struct known *known) {
    free(known->nodes);
    free(known->aliases);
    free((void *)known->apps);
}

/* Returns as trace_filter_compile. */
static int compile(struct expression *expression, enum trace_filter_mode mode, struct trace_filter_error *ret_error) {
    struct known known;
    grace_read_lock();
    int error = expression->is_of_peer ? known_init_id(&known, expression->store, expression->aliases, &expression->peer_id)
                                       : known_init(&known, expression->store, expression->aliases, expression->complete);
    struct trace_filter_options options = {mode, expression->now_ns, &known.names};
    if (!error)
        error = trace_filter_compile(&expression->filter, expression->text, strlen(expression->text), &options, ret_error);
    grace_read_unlock();
    known_fini(&known);
    return error;
}

/* Of all that names can mean. */
static uint64_t generation(const struct store *store) {
    return store->aliases ? aliases_generation(store->aliases) : nodes_generation(store->nodes);
}

/* ---- making ------------------------------------------------------------------------------------------------------------- */

static int refuse(const char *param, const struct trace_filter_error *error, struct trace_rpc_error *ret_error) {
    json_t *data = json_pack("{ss,sI,sI,ss}", "param", param, "position", (json_int_t)error->position, "length",
                             (json_int_t)error->length, "reason", error->reason);
    if (!error->suggestion[0])
        return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_PARAMS, data, "%s, at byte %zu: %s", param, error->position,
                              error->reason);
    json_object_set_new(data, "suggestion", json_string(error->suggestion));
    return trace_rpc_fail(ret_error, TRACE_RPC_INVALID_PARAMS, data, "%s, at byte %zu: %s; did you mean \"%s\"?", param,
                          error->position, error->reason, error->suggestion);
}

/* Not compiled yet.  NULL: out of memory, also for who is who: without it, each id would stand for itself. */
static struct expression *new (const struct store *store, const char *text) {
    size_t bytes = strlen(text);
    struct expression *expression = calloc(1, sizeof *expression + bytes + 1);
    if (!expression) return NULL;
    expression->store = store;
    expression->generation = generation(store);
    memcpy(expression->text, text, bytes);
    if (!alias_picture_renew(store->aliases, &expression->aliases)) return expression;
    free(expression);
    return NULL;
}

int expression_create(struct expression **ret_expression, const struct store *store, const char *param, const char *text,
                      enum trace_filter_mode mode, bool complete, uint64_t now_ns, struct trace_rpc_error *ret_error) {
    struct trace_filter_error reason;
    struct expression *expression = new (store, text);
    if (!expression) return trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    expression->now_ns = now_ns;
    expression->complete = complete;
    int error = compile(expression, mode, &reason);
    if (!error) {
        *ret_expression = expression;
        return 0;
    }
    expression_destroy(expression);
    return error == -EINVAL ? refuse(param, &reason, ret_error)
                            : trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
}

int expression_create_peer_name(struct expression **ret_expression, const struct store *store, const char *name) {
    struct trace_filter_error reason;
    char text[FILTER_NAMES_PEER_BYTES];
    filter_names_peer_text(text, name);
    struct expression *expression = new (store, text);
    if (!expression) return -ENOMEM;
    expression->complete = true;
    if (compile(expression, TRACE_FILTER_EVENTS, &reason)) {
        expression_destroy(expression);
        return -ENOMEM; /* the text is a filter */
    }
    *ret_expression = expression;
    return 0;
}

int expression_create_peer(struct expression **ret_expression, const struct store *store, const struct trace_node_id *peer_id) {
    char text[sizeof "peer == " + 2 * TRACE_NODE_ID_BYTES] = "peer == ";
    struct trace_filter_error reason;
    *trace_hex_encode(text + strlen(text), peer_id->bytes, sizeof peer_id->bytes) = 0;
    struct expression *expression = new (store, text);
    if (!expression) return -ENOMEM;
    expression->is_of_peer = true;
    expression->peer_id = *peer_id;
    if (compile(expression, TRACE_FILTER_EVENTS, &reason)) {
        expression_destroy(expression);
        return -ENOMEM; /* the text is a filter */
    }
    *ret_expression = expression;
    return 0;
}

int expression_find_field(const struct store *store, const char *param, const char *text, struct trace_field **ret_field,
                          struct trace_rpc_error *ret_error) {
    struct known known;
    struct trace_filter_error reason;
    grace_read_lock();
    int error = known_init(&known, store, NULL, true);
    const struct trace_filter_options options = {.names = &known.names};
    if (!error) error = trace_field_find(ret_field, text, strlen(text), &options, &reason);
    grace_read_unlock();
    known_fini(&known);
    if (!error) return 0;
    return error == -EINVAL ? refuse(param, &reason, ret_error)
                            : trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
}

void expression_destroy(struct expression *expression) {
    if (!expression) return;
    trace_filter_destroy(expression->filter);
    alias_picture_release(expression->aliases);
    free(expression);
}

/* Each name in the text is compared with each node's and each alias's, and each description with all others. */
uint64_t expression_renewal_work(const struct expression *expression) {
    uint64_t names = nodes_count(expression->store->nodes) + alias_picture_count(expression->aliases);
    if (generation(expression->store) == expression->generation) return 0;
    if (!trace_filter_uses_names(expression->filter)) return 0;
    return 20000 + names * (100 + 10 * strlen(expression->text));
}

int expression_compile_again(const struct expression *expression, struct expression **ret_again, uint64_t *ret_generation) {
    struct trace_filter_error reason;
    *ret_generation = generation(expression->store);
    struct expression *again = *ret_again = new (expression->store, expression->text);
    if (!again) return -ENOMEM;
    again->now_ns = expression->now_ns;
    again->complete = expression->complete;
    again->is_of_peer = expression->is_of_peer;
    again->peer_id = expression->peer_id;
    int error = compile(again, TRACE_FILTER_EVENTS, &reason);
    if (!error) return 0;
    expression_destroy(again);
    *ret_again = NULL;
    return error == -ENOMEM ? error : 0;
}

void expression_take(struct expression *expression, struct expression *again_new, uint64_t generation) {
    expression->generation = generation;
    if (!again_new) return;
    struct trace_filter *filter = expression->filter;
    struct alias_picture *aliases = expression->aliases;
    expression->filter = again_new->filter;
    expression->aliases = again_new->aliases;
    again_new->filter = filter;
    again_new->aliases = aliases;
    expression_destroy(again_new);
}

uint64_t expression_names(const struct expression *expression) {
    return expression ? trace_filter_names_hash(expression->filter) : 0;
}

/* ---- matching ----------------------------------------------------------------------------------------------------------- */

int expression_renew_aliases(struct expression *expression) {
    if (trace_filter_uses_names(expression->filter)) return 0;
    return alias_picture_renew(expression->store->aliases, &expression->aliases);
}

void expression_origin(const struct store *store, const struct alias_picture *aliases, unsigned uses,
                       const struct trace_event *event, history_source source, struct trace_filter_origin *ret_origin) {
    static const struct trace_node_id nobody;
    const struct node *node =
        uses & (TRACE_FILTER_USES_NODE | TRACE_FILTER_USES_APP) ? nodes_at(store->nodes, history_source_node(source)) : NULL;
    *ret_origin = (struct trace_filter_origin){.node_id = &nobody, .lane = history_source_lane(source)};
    if (aliases && uses & TRACE_FILTER_USES_PEER)
        ret_origin->peer_id = alias_picture_resolve(aliases, history_source_node(source), event->timestamp, &event->peer_id);
    if (!node) return;
    ret_origin->node_id = &node->info.node_id;
    ret_origin->node_name = node->info.node_name;
    ret_origin->host = node->info.machine.name;
    if (uses & TRACE_FILTER_USES_APP) ret_origin->app = nodes_event_app(node, event);
}

bool expression_match(const void *expression, const struct trace_event *event, history_source source) {
    const struct expression *self = expression;
    static const struct trace_filter_origin unused;
    struct trace_filter_origin origin;
    uint64_t uncounted = 0, *work = self->work ? self->work : &uncounted;
    if (!trace_filter_allows_kind(self->filter, event->kind)) return false;
    unsigned uses = trace_filter_uses(self->filter);
    if (!uses) return trace_filter_match_counted(self->filter, event, &unused, work);
    expression_origin(self->store, self->aliases, uses, event, source, &origin);
    return trace_filter_match_counted(self->filter, event, &origin, work);
}

/* ---- indices ------------------------------------------------------------------------------------------------------------ */

/* No event has a time in it. */
static void match_nothing(struct history_query *query) { query->from_ns = query->to_ns = 1; }

static void narrow_kinds_and_times(const struct trace_filter_bounds *bounds, struct history_query *query) {
    if (bounds->kinds != ~UINT64_C(0)) query->kinds = query->kinds ? query->kinds & bounds->kinds : bounds->kinds;
    if (bounds->min_ns > query->from_ns) query->from_ns = bounds->min_ns;
    if (bounds->max_ns != UINT64_MAX && (!query->to_ns || bounds->max_ns < query->to_ns)) query->to_ns = bounds->max_ns + 1;
    /* 0 means all kinds there. */
    if ((bounds->kinds != ~UINT64_C(0) && !query->kinds) || bounds->min_ns > bounds->max_ns) match_nothing(query);
}

static void narrow_trace(const struct expression *expression, const struct trace_id_prefix *prefix, struct history_query *query) {
    struct trace_id found;
    size_t count;
    if (!prefix->digits || query->by_trace) return;
    count = history_find_traces(expression->store->history, prefix->bytes, prefix->digits, &found, 1);
    if (!count) match_nothing(query);
    query->by_trace = count == 1;
    if (count == 1) query->trace_id = found;
}

/* Adds an id, unless it is in the list.  Returns how many there are. */
static size_t add_peer(struct trace_node_id *list, size_t count, const struct trace_node_id *id) {
    for (size_t i = 0; i < count; i++)
        if (!memcmp(&list[i], id, sizeof *id)) return count;
    list[count] = *id;
    return count + 1;
}

/* Those ids that begin so: of peers in the history, and of aliases.  Returns how many there are; more than max: too many. */
static size_t add_peers_of_prefix(const struct expression *expression, const struct trace_id_prefix *prefix,
                                  struct trace_node_id *list, size_t count, size_t max) {
    struct trace_node_id found[STORE_PEER_IDS_MAX];
    size_t found_count = 1;
    if (prefix->digits < 2 * TRACE_NODE_ID_BYTES)
        found_count = history_find_peers(expression->store->history, prefix->bytes, prefix->digits, found, max - count);
    else
        memcpy(found[0].bytes, prefix->bytes, sizeof found[0].bytes);
    if (found_count > max - count) return max + 1;
    for (size_t i = 0; i < found_count; i++) count = add_peer(list, count, &found[i]);
    return alias_picture_find(expression->aliases, prefix, list, count, max);
}

static void narrow_peer(const struct expression *expression, struct history_query *query, struct trace_node_id *peer_ids) {
    const size_t max = STORE_PEER_IDS_MAX;
    struct trace_id_prefix prefix;
    struct trace_node_id meant[STORE_PEER_IDS_MAX];
    size_t meant_count, count = 0;
    if (query->by_peer || !trace_filter_peers(expression->filter, &prefix, meant, max, &meant_count)) return;
    if (meant_count >= max) return;
    for (size_t i = 0; i < meant_count; i++) count = add_peer(peer_ids, count, &meant[i]);
    if (prefix.digits) count = add_peers_of_prefix(expression, &prefix, peer_ids, count, max);
    if (count <= max) count = alias_picture_names_of(expression->aliases, peer_ids, count, max);
    if (count > max) return;
    if (!count) match_nothing(query);
    query->by_peer = count > 0;
    query->peer_ids = peer_ids;
    query->peer_id_count = count;
}

bool expression_narrow(const struct expression *expression, struct history_query *query, uint64_t set[NODES_SET_WORDS],
                       struct trace_node_id peer_ids[STORE_PEER_IDS_MAX]) {
    const struct store *store = expression->store;
    struct trace_filter_bounds bounds;
    trace_filter_bounds(expression->filter, &bounds);
    narrow_kinds_and_times(&bounds, query);
    narrow_trace(expression, &bounds.trace, query);
    narrow_peer(expression, query, peer_ids);
    if (!trace_filter_limits_nodes(expression->filter)) return false;
    uint32_t count = nodes_count(store->nodes);
    grace_read_lock();
    for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (!node || !trace_filter_allows_node(expression->filter, &node->info.node_id, node->info.node_name))
            set[i / 64] &= ~(UINT64_C(1) << (i % 64));
    }
    grace_read_unlock();
    return true;
}
