/* SPDX-License-Identifier: MIT
 *
 * See ids.h. */
#include "id_lookup.h"
#include "answer.h"
#include "limits.h"

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

/* Different ids that fit, the first few of them kept. */
struct candidates {
    struct trace_node_id ids[LIMIT_CANDIDATES];
    size_t count, kept;
};

static void candidates_add(struct candidates *candidates, const struct trace_node_id *id) {
    for (size_t i = 0; i < candidates->kept; i++)
        if (!memcmp(&candidates->ids[i], id, sizeof *id)) return;
    if (candidates->kept < LIMIT_CANDIDATES) candidates->ids[candidates->kept++] = *id;
    candidates->count++;
}

bool ids_is_known(const struct trace_node_id *id) {
    static const struct trace_node_id none;
    return memcmp(id, &none, sizeof none) != 0;
}

static int not_found(const char *param, const char *text, const char *what, struct trace_rpc_error *ret_error) {
    return trace_rpc_fail(ret_error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", param), "%s: no %s begins with \"%.80s\"",
                          param, what, text);
}

static int ambiguous(const char *param, const char *text, size_t count, json_t *ids_new, struct trace_rpc_error *ret_error) {
    return trace_rpc_fail(ret_error, TRACE_RPC_AMBIGUOUS, json_pack("{ssso}", "param", param, "candidates", ids_new),
                          "%s: %zu ids fit \"%.80s\"", param, count, text);
}

int ids_find_trace(const struct service *service, const char *param, const char *text, bool unknown_ok, struct trace_id *ret_id,
                   struct trace_rpc_error *ret_error) {
    struct trace_id_prefix prefix;
    if (trace_id_prefix_parse(&prefix, text, 2 * TRACE_ID_BYTES))
        return trace_rpc_fail_param(ret_error, param, "%s is 1 to %d hex digits", param, 2 * TRACE_ID_BYTES);
    if (unknown_ok && prefix.digits == 2 * TRACE_ID_BYTES) {
        memcpy(ret_id->bytes, prefix.bytes, sizeof ret_id->bytes);
        return 0;
    }
    struct trace_id found[LIMIT_CANDIDATES];
    size_t count = history_find_traces(service->history, prefix.bytes, prefix.digits, found, LIMIT_CANDIDATES);
    if (!count) return not_found(param, text, "trace", ret_error);
    if (count > 1) {
        json_t *ids = json_array();
        for (size_t i = 0; i < count && i < LIMIT_CANDIDATES; i++) json_array_append_new(ids, answer_trace_id(&found[i]));
        return ambiguous(param, text, count, ids, ret_error);
    }
    *ret_id = found[0];
    return 0;
}

static json_t *candidate_ids(const struct candidates *candidates) {
    json_t *ids = json_array();
    for (size_t i = 0; i < candidates->kept; i++) json_array_append_new(ids, answer_node_id(&candidates->ids[i]));
    return ids;
}

/* Nodes of the table that have this name, those of them that live, and those whose id has this prefix (NULL: none has). */
static void search_nodes(const struct service *service, const char *name, const struct trace_id_prefix *prefix,
                         struct candidates *by_name, struct candidates *by_live_name, struct candidates *by_prefix) {
    uint32_t count = nodes_count(service->nodes);
    rcu_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(service->nodes, i);
        if (!node || !ids_is_known(&node->info.node_id)) continue;
        if (!strcmp(node->info.node_name, name)) {
            candidates_add(by_name, &node->info.node_id);
            /* Relaxed: only the state itself is looked at. */
            if (atomic_load_explicit(&node->state, memory_order_relaxed) == NODE_LIVE)
                candidates_add(by_live_name, &node->info.node_id);
        }
        if (prefix && trace_id_prefix_matches(prefix, node->info.node_id.bytes)) candidates_add(by_prefix, &node->info.node_id);
    }
    rcu_read_unlock();
}

static int choose(const struct candidates *candidates, const char *param, const char *text, struct trace_node_id *ret_id,
                  struct trace_rpc_error *ret_error) {
    if (candidates->count > 1) return ambiguous(param, text, candidates->count, candidate_ids(candidates), ret_error);
    *ret_id = candidates->ids[0];
    return 0;
}

/* A node is named by its whole id, else by its name, else by a prefix of its id; a peer is a node that may have no log here. */
static int find_node_or_peer(const struct service *service, const char *param, const char *text, bool unknown_ok, bool peer,
                             struct trace_node_id *ret_id, struct trace_rpc_error *ret_error) {
    struct trace_id_prefix prefix;
    bool hex = !trace_id_prefix_parse(&prefix, text, 2 * TRACE_NODE_ID_BYTES);
    bool whole = hex && prefix.digits == 2 * TRACE_NODE_ID_BYTES;
    if (whole && unknown_ok) {
        memcpy(ret_id->bytes, prefix.bytes, sizeof ret_id->bytes);
        return 0;
    }
    struct candidates by_name = {0}, by_live_name = {0}, by_prefix = {0};
    search_nodes(service, text, hex && !peer ? &prefix : NULL, &by_name, &by_live_name, &by_prefix);
    /* Whoever starts a program again with a new id means the one that runs. */
    if (by_live_name.count == 1) by_name = by_live_name;
    if (by_name.count && !whole) return choose(&by_name, param, text, ret_id, ret_error);
    if (hex && peer) {
        by_prefix.count = history_find_peers(service->history, prefix.bytes, prefix.digits, by_prefix.ids, LIMIT_CANDIDATES);
        by_prefix.kept = by_prefix.count < LIMIT_CANDIDATES ? by_prefix.count : LIMIT_CANDIDATES;
    }
    if (by_prefix.count) return choose(&by_prefix, param, text, ret_id, ret_error);
    if (hex) return not_found(param, text, peer ? "peer" : "node", ret_error);
    return trace_rpc_fail(ret_error, TRACE_RPC_NOT_FOUND, json_pack("{ss}", "param", param),
                          "%s: \"%.80s\" is no node's name, and not hex digits", param, text);
}

int ids_find_peer(const struct service *service, const char *param, const char *text, bool unknown_ok,
                  struct trace_node_id *ret_id, struct trace_rpc_error *ret_error) {
    return find_node_or_peer(service, param, text, unknown_ok, true, ret_id, ret_error);
}

int ids_find_node(const struct service *service, const char *param, const char *text, bool unknown_ok,
                  struct trace_node_id *ret_id, struct trace_rpc_error *ret_error) {
    return find_node_or_peer(service, param, text, unknown_ok, false, ret_id, ret_error);
}

void ids_node_set(const struct service *service, const struct trace_node_id *id, uint64_t set[IDS_NODE_SET_WORDS]) {
    memset(set, 0, IDS_NODE_SET_WORDS * sizeof *set);
    uint32_t count = nodes_count(service->nodes);
    rcu_read_lock();
    for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
        const struct node *node = nodes_at(service->nodes, i);
        if (node && !memcmp(&node->info.node_id, id, sizeof *id)) set[i / 64] |= UINT64_C(1) << (i % 64);
    }
    rcu_read_unlock();
}

bool ids_node_set_of_name(const struct service *service, const char *name, uint64_t set[IDS_NODE_SET_WORDS]) {
    bool found = false;
    memset(set, 0, IDS_NODE_SET_WORDS * sizeof *set);
    uint32_t count = nodes_count(service->nodes);
    rcu_read_lock();
    for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
        const struct node *node = nodes_at(service->nodes, i);
        if (!node || !ids_is_known(&node->info.node_id) || strcmp(node->info.node_name, name) != 0) continue;
        set[i / 64] |= UINT64_C(1) << (i % 64);
        found = true;
    }
    rcu_read_unlock();
    return found;
}

static int compare_names(const void *a, const void *b) {
    const struct ids_name *x = a, *y = b;
    int order = memcmp(&x->id, &y->id, sizeof x->id);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

int ids_names_init(struct ids_names *names, const struct service *service) {
    uint32_t count = nodes_count(service->nodes);
    *names = (struct ids_names){.names = calloc(count ? count : 1, sizeof *names->names)};
    if (!names->names) return -ENOMEM;
    rcu_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(service->nodes, i);
        if (!node || !ids_is_known(&node->info.node_id)) continue;
        struct ids_name *name = &names->names[names->count++];
        name->id = node->info.node_id;
        name->index = i;
        memcpy(name->name, node->info.node_name, sizeof name->name);
    }
    rcu_read_unlock();
    qsort(names->names, names->count, sizeof *names->names, compare_names);
    return 0;
}

void ids_names_fini(struct ids_names *names) { free(names->names); }

const char *ids_names_find(const struct ids_names *names, const struct trace_node_id *id) {
    size_t low = 0, high = names->count; /* the first name behind `id` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&names->names[middle].id, id, sizeof *id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low && !memcmp(&names->names[low - 1].id, id, sizeof *id) ? names->names[low - 1].name : NULL;
}
