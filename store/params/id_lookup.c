/* SPDX-License-Identifier: MIT
 *
 * See id_lookup.h. */
#include <store/id_lookup.h>

#include <errno.h>
#include <proto/event_json.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

/* ---- one id ------------------------------------------------------------------------------------------------------------- */

static void conclude(struct id_lookup *lookup) {
    lookup->outcome = !lookup->count ? ID_LOOKUP_NOT_FOUND : lookup->count == 1 ? ID_LOOKUP_FOUND : ID_LOOKUP_AMBIGUOUS;
}

void id_lookup_trace(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup) {
    struct trace_id_prefix prefix;
    *ret_lookup = (struct id_lookup){.outcome = ID_LOOKUP_NOT_HEX};
    if (trace_id_prefix_parse(&prefix, text, 2 * TRACE_ID_BYTES)) return;
    if (unknown_ok && prefix.digits == 2 * TRACE_ID_BYTES) {
        memcpy(ret_lookup->trace_ids[0].bytes, prefix.bytes, TRACE_ID_BYTES);
        ret_lookup->count = 1;
    } else {
        ret_lookup->count =
            history_find_traces(store->history, prefix.bytes, prefix.digits, ret_lookup->trace_ids, STORE_CANDIDATES_MAX);
    }
    conclude(ret_lookup);
}

/* Adds an id, unless it is in the list. */
static void add_id(struct id_lookup *lookup, const struct trace_node_id *id) {
    size_t kept = lookup->count < STORE_CANDIDATES_MAX ? lookup->count : STORE_CANDIDATES_MAX;
    for (size_t i = 0; i < kept; i++)
        if (!memcmp(&lookup->node_ids[i], id, sizeof *id)) return;
    if (kept < STORE_CANDIDATES_MAX) lookup->node_ids[kept] = *id;
    lookup->count++;
}

/* Nodes of the table with this name, the live ones among them, and those whose id has this prefix (NULL: none). */
static void search_nodes(const struct store *store, const char *name, const struct trace_id_prefix *prefix,
                         struct id_lookup *by_name, struct id_lookup *by_live_name, struct id_lookup *by_prefix) {
    uint32_t count = nodes_count(store->nodes);
    grace_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (!node || !nodes_id_is_known(&node->info.node_id)) continue;
        if (!strcmp(node->info.node_name, name)) {
            add_id(by_name, &node->info.node_id);
            /* Relaxed: only the state itself matters. */
            if (atomic_load_explicit(&node->state, memory_order_relaxed) == NODE_LIVE) add_id(by_live_name, &node->info.node_id);
        }
        if (prefix && trace_id_prefix_matches(prefix, node->info.node_id.bytes)) add_id(by_prefix, &node->info.node_id);
    }
    grace_read_unlock();
}

/* Adds the nodes or peers that have an alias with this prefix or this text.  A peer is listed under the alias itself, because
 * its identity depends on the reporting node. */
static void search_aliases(const struct store *store, const char *text, const struct trace_id_prefix *prefix, bool peer,
                           struct id_lookup *by_alias) {
    struct alias_picture *picture = alias_picture_take(store->aliases);
    grace_read_lock();
    for (size_t i = 0; i < alias_picture_count(picture); i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        if (!alias || (!peer && !alias->own)) continue;
        bool named = alias->transport != TRACE_TRANSPORT_OTHER && strlen(text) < sizeof alias->label &&
                     !strncmp(alias->label, text, sizeof alias->label) && *text;
        if (!named && !(prefix && trace_id_prefix_matches(prefix, alias->alias_id.bytes))) continue;
        const struct trace_node_id *whose = alias_picture_resolve(picture, alias->node, alias->time_ns, &alias->alias_id);
        bool counts = memcmp(whose, &alias->alias_id, sizeof *whose) != 0;
        if (counts) add_id(by_alias, peer ? &alias->alias_id : whose);
    }
    grace_read_unlock();
    alias_picture_release(picture);
}

/* A whole id, or an address. */
static bool is_whole(const char *text, struct trace_id_prefix *ret_prefix, bool *ret_hex) {
    *ret_hex = !trace_id_prefix_parse(ret_prefix, text, 2 * TRACE_NODE_ID_BYTES) || trace_address_prefix_parse(ret_prefix, text);
    return *ret_hex && ret_prefix->digits == 2 * TRACE_NODE_ID_BYTES;
}

/* Those of the history that begin so; a node that is nobody's peer stays. */
static void find_peers(const struct store *store, const struct trace_id_prefix *prefix, struct id_lookup *by_prefix) {
    struct id_lookup found = {0};
    found.count = history_find_peers(store->history, prefix->bytes, prefix->digits, found.node_ids, STORE_CANDIDATES_MAX);
    if (found.count) *by_prefix = found;
}

/* A text means a full id or an address, else a name, else a prefix of an id or of an alias. */
static void find_node_or_peer(const struct store *store, const char *text, bool unknown_ok, bool peer,
                              struct id_lookup *ret_lookup) {
    struct trace_id_prefix prefix;
    struct id_lookup by_name = {0}, by_live_name = {0}, by_prefix = {0};
    bool hex, whole = is_whole(text, &prefix, &hex);
    if (whole && unknown_ok && peer) {
        *ret_lookup = (struct id_lookup){.outcome = ID_LOOKUP_FOUND, .count = 1};
        memcpy(ret_lookup->node_ids[0].bytes, prefix.bytes, TRACE_NODE_ID_BYTES);
        return;
    }
    search_nodes(store, text, hex && (!peer || whole) ? &prefix : NULL, &by_name, &by_live_name, &by_prefix);
    /* After a restart with a new id, the name means the running node. */
    if (by_live_name.count == 1) by_name = by_live_name;
    *ret_lookup = by_name;
    if (!by_name.count || whole) {
        if (hex && peer) find_peers(store, &prefix, &by_prefix);
        search_aliases(store, text, hex ? &prefix : NULL, peer, &by_prefix);
        *ret_lookup = by_prefix;
    }
    if (!ret_lookup->count && whole && unknown_ok) {
        ret_lookup->count = 1;
        memcpy(ret_lookup->node_ids[0].bytes, prefix.bytes, TRACE_NODE_ID_BYTES);
    }
    conclude(ret_lookup);
    if (ret_lookup->outcome == ID_LOOKUP_NOT_FOUND && !hex) ret_lookup->outcome = ID_LOOKUP_NOT_HEX;
}

void id_lookup_peer(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup) {
    find_node_or_peer(store, text, unknown_ok, true, ret_lookup);
}

void id_lookup_node(const struct store *store, const char *text, bool unknown_ok, struct id_lookup *ret_lookup) {
    find_node_or_peer(store, text, unknown_ok, false, ret_lookup);
}

bool id_lookup_is_shared_name(const struct store *store, const char *text) {
    struct id_lookup by_name = {0}, by_live_name = {0}, by_prefix = {0};
    struct trace_id_prefix prefix;
    bool hex;
    if (is_whole(text, &prefix, &hex)) return false;
    search_nodes(store, text, NULL, &by_name, &by_live_name, &by_prefix);
    return by_name.count > 1;
}

/* ---- logs and names ------------------------------------------------------------------------------------------------------ */

void id_lookup_logs(const struct store *store, const struct trace_node_id *id, uint64_t set[NODES_SET_WORDS]) {
    memset(set, 0, NODES_SET_WORDS * sizeof *set);
    uint32_t count = nodes_count(store->nodes);
    grace_read_lock();
    for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (node && !memcmp(&node->info.node_id, id, sizeof *id)) set[i / 64] |= UINT64_C(1) << (i % 64);
    }
    grace_read_unlock();
}

bool id_lookup_logs_of_name(const struct store *store, const char *name, uint64_t set[NODES_SET_WORDS]) {
    bool found = false;
    memset(set, 0, NODES_SET_WORDS * sizeof *set);
    uint32_t count = nodes_count(store->nodes);
    grace_read_lock();
    for (uint32_t i = 0; i < count && i < NODES_MAX; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (!node || !nodes_id_is_known(&node->info.node_id) || strcmp(node->info.node_name, name) != 0) continue;
        set[i / 64] |= UINT64_C(1) << (i % 64);
        found = true;
    }
    grace_read_unlock();
    return found;
}

static int compare_names(const void *a, const void *b) {
    const struct id_lookup_name *x = a, *y = b;
    int order = memcmp(&x->id, &y->id, sizeof x->id);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

int id_lookup_names_init(struct id_lookup_names *names, const struct store *store, const struct nodes_past *past) {
    uint32_t count = nodes_count(store->nodes);
    *names = (struct id_lookup_names){.names = calloc(count ? count : 1, sizeof *names->names)};
    if (!names->names) return -ENOMEM;
    grace_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        struct node_then then;
        if (!node || !nodes_id_is_known(&node->info.node_id)) continue;
        if (past && !nodes_past_at(past, i, node, &then)) continue;
        if (!past) node_now(node, &then);
        struct id_lookup_name *name = &names->names[names->count++];
        name->id = node->info.node_id;
        name->index = i;
        name->last_ns = then.last_unix_ns;
        memcpy(name->name, node->info.node_name, sizeof name->name);
    }
    grace_read_unlock();
    qsort(names->names, names->count, sizeof *names->names, compare_names);
    return 0;
}

void id_lookup_names_fini(struct id_lookup_names *names) { free(names->names); }

/* The number of names up to the last one of that id, if it has any. */
static size_t find_end(const struct id_lookup_names *names, const struct trace_node_id *id) {
    size_t low = 0, high = names->count; /* low ends at the first name after `id` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&names->names[middle].id, id, sizeof *id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *id_lookup_names_find(const struct id_lookup_names *names, const struct trace_node_id *id) {
    size_t end = find_end(names, id);
    return end && !memcmp(&names->names[end - 1].id, id, sizeof *id) ? names->names[end - 1].name : NULL;
}

uint64_t id_lookup_names_last(const struct id_lookup_names *names, const struct trace_node_id *id) {
    uint64_t last_ns = 0;
    for (size_t i = find_end(names, id); i > 0 && !memcmp(&names->names[i - 1].id, id, sizeof *id); i--)
        if (names->names[i - 1].last_ns > last_ns) last_ns = names->names[i - 1].last_ns;
    return last_ns;
}
