/* SPDX-License-Identifier: MIT */
#include "involved.h"

#include "json_get.h"

#include <string.h>

static bool has(const json_t *ids, const json_t *row, const char *key) {
    const char *id = json_get_text(row, key);
    return id && json_object_get(ids, id);
}

static int add(json_t *ids, const json_t *row, const char *key) {
    const char *id = json_get_text(row, key);
    return id ? json_object_set_new(ids, id, json_true()) : 0;
}

/* What a node says of a peer concerns only its own events. */
static bool concerns(const json_t *ids, const json_t *alias) {
    if (!json_get_bool(alias, "own") && !has(ids, alias, "by")) return false;
    return has(ids, alias, "id") || has(ids, alias, "peer_id");
}

/* An alias of an alias of ...: until there are no more. */
static int add_ids(json_t *ids, const json_t *who) {
    size_t before, i;
    const json_t *alias;
    do {
        before = json_object_size(ids);
        json_array_foreach(who, i, alias) {
            if (concerns(ids, alias) && (add(ids, alias, "id") || add(ids, alias, "peer_id"))) return -1;
        }
    } while (json_object_size(ids) != before);
    return 0;
}

int involved_pick(json_t *ids, const json_t *nodes, const json_t *who, json_t **ret_nodes, json_t **ret_who) {
    json_t *row, *picked_nodes = json_array(), *picked_who = json_array();
    int failed = !picked_nodes || !picked_who || add_ids(ids, who);
    size_t i;
    json_array_foreach(nodes, i, row) if (has(ids, row, "node_id")) failed |= json_array_append(picked_nodes, row);
    json_array_foreach(who, i, row) if (concerns(ids, row)) failed |= json_array_append(picked_who, row);
    if (failed) {
        json_decref(picked_nodes);
        json_decref(picked_who);
        return -1;
    }
    *ret_nodes = picked_nodes;
    *ret_who = picked_who;
    return 0;
}
