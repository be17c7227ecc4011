/* SPDX-License-Identifier: MIT
 *
 * Other ids of nodes and peers, in answers: see answer.h. */
#include <proto/address_id.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/value.h>
#include <string.h>

/* The address that an alias is: in its id, or what the program wrote. */
static json_t *address_of(const struct alias *alias) {
    struct trace_endpoint endpoint;
    char text[TRACE_ENDPOINT_TEXT_MAX];
    if (trace_address_id_read(&alias->alias_id, &endpoint))
        return value_text(text, (size_t)(trace_endpoint_text(text, &endpoint) - text));
    bool is_address = alias->transport != TRACE_TRANSPORT_OTHER && alias->label[0];
    return is_address ? value_text(alias->label, sizeof alias->label) : json_null();
}

json_t *answer_alias(const struct store *store, const struct alias_picture *picture, size_t index) {
    const struct alias *alias = alias_picture_at(picture, index);
    if (!alias) return NULL;
    const struct node *node = nodes_at(store->nodes, alias->node);
    const char *transport = alias->transport != TRACE_TRANSPORT_OTHER ? trace_transport_name(alias->transport) : NULL;
    json_t *json = json_object();
    json_object_set_new(json, "id", value_node_id(&alias->alias_id));
    json_object_set_new(json, "address", address_of(alias));
    json_object_set_new(json, "transport", transport ? json_string(transport) : json_null());
    json_object_set_new(json, "label", value_text(alias->label, sizeof alias->label));
    json_object_set_new(json, "by", node ? value_node_id(&node->info.node_id) : json_null());
    json_object_set_new(json, "own", json_boolean(alias->own));
    json_object_set_new(json, "disputed", json_boolean(alias_picture_is_disputed(picture, index)));
    return json;
}

static bool is_asked(const uint32_t *node_indices, size_t node_count, uint32_t node) {
    for (size_t i = 0; i < node_count; i++)
        if (node_indices[i] == node) return true;
    return false;
}

/* Several nodes may say the same, and one node may say it in several logs. */
static bool is_listed(const json_t *list, const json_t *json) {
    size_t i;
    const json_t *other;
    json_array_foreach(list, i, other) if (json_equal(other, json)) return true;
    return false;
}

/* Does the list of an id have this alias?  What a peer's alias is an alias of may have an alias itself. */
static bool concerns(const struct alias_picture *picture, const struct alias *alias, const struct trace_node_id *id,
                     const uint32_t *node_indices, size_t node_count) {
    if (!alias->own && !is_asked(node_indices, node_count, alias->node)) return false;
    const struct trace_node_id *whose =
        alias->own ? &alias->peer_id : alias_picture_resolve(picture, alias->node, alias->time_ns, &alias->peer_id);
    return !memcmp(whose, id, sizeof *id);
}

static int compare_indices(const void *a, const void *b, void *picture) {
    return alias_picture_compare(picture, *(const uint32_t *)a, *(const uint32_t *)b);
}

json_t *answer_aliases(const struct store *store, const struct alias_picture *picture, const struct trace_node_id *id,
                       const uint32_t *node_indices, size_t node_count) {
    json_t *list = json_array();
    size_t places = alias_picture_count(picture), count = 0;
    json_malloc_t take;
    json_free_t give_back;
    json_get_alloc_funcs(&take, &give_back); /* if there is none, that is noted as for all of the answer (proto/json_memory.h) */
    uint32_t *indices = places ? take(places * sizeof *indices) : NULL;
    for (uint32_t i = 0; indices && i < places; i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        if (alias && concerns(picture, alias, id, node_indices, node_count)) indices[count++] = i;
    }
    if (count) qsort_r(indices, count, sizeof *indices, compare_indices, (void *)(uintptr_t)picture);
    for (size_t i = 0; i < count && json_array_size(list) < ANSWER_ALIASES_MAX; i++) {
        json_t *json = answer_alias(store, picture, indices[i]);
        if (!is_listed(list, json)) json_array_append(list, json);
        json_decref(json);
    }
    if (indices) give_back(indices);
    return list;
}
