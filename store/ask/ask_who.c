/* SPDX-License-Identifier: MIT
 *
 * `who`: the table of who is who, so that a recording can have it. */
#include "ask_methods.h"

#include <stdlib.h>
#include <store/answer.h>
#include <store/grace.h>
#include <store/value.h>
#include <string.h>

static int compare_indices(const void *a, const void *b, void *picture) {
    return alias_picture_compare(picture, *(const uint32_t *)a, *(const uint32_t *)b);
}

static json_t *row_json(const struct store *store, const struct alias_picture *picture, size_t index) {
    const struct alias *alias = alias_picture_at(picture, index);
    json_t *json = alias ? answer_alias(store, picture, index) : NULL;
    if (!json) return NULL;
    json_object_set_new(json, "peer_id", value_node_id(&alias->peer_id));
    json_object_set_new(json, "log", answer_log(alias->log));
    json_object_set_new(json, "since", value_time(alias->time_ns));
    return json;
}

int ask_who(struct ask *ask) {
    if (trace_rpc_params_read(ask->params, NULL, 0, &ask->error)) return -1;
    struct alias_picture *picture = alias_picture_take(ask->store->aliases);
    size_t places = alias_picture_count(picture), count = 0;
    uint32_t *indices = calloc(places + 1, sizeof *indices);
    json_t *list = indices ? json_array() : NULL;
    grace_read_lock();
    for (uint32_t i = 0; indices && i < places; i++)
        if (alias_picture_at(picture, i)) indices[count++] = i;
    if (count) qsort_r(indices, count, sizeof *indices, compare_indices, picture);
    for (size_t i = 0; i < count; i++) json_array_append_new(list, row_json(ask->store, picture, indices[i]));
    grace_read_unlock();
    alias_picture_release(picture);
    free(indices);
    return ask_answer(ask, list ? json_pack("{so}", "who", list) : NULL);
}
