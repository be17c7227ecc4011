/* SPDX-License-Identifier: MIT */
#include "event_list.h"

#include "json_get.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct placed {
    json_t *event;
    uint64_t time_ns;
    size_t index; /* gaps first */
};

static int compare_placed(const void *left, const void *right) {
    const struct placed *a = left, *b = right;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

bool event_is_gap(const json_t *event) { return json_get_kind(event) == TRACE_KIND_EVENTS_LOST; }

/* Returns false if this gap was seen before. */
static bool first_sight(json_t *seen, const json_t *gap) {
    char key[256];
    const json_t *data = json_object_get(gap, "data");
    const char *node = json_get_hex(gap, "node_id", NODE_DIGITS), *cause = json_get_text(data, "cause");
    uint64_t time_ns = 0;
    json_get_time(gap, &time_ns);
    snprintf(key, sizeof key, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %.20s", node ? node : "", json_get_count(gap, "lane"),
             time_ns, json_get_count(data, "first"), cause ? cause : "");
    if (json_object_get(seen, key)) return false;
    json_object_set_new(seen, key, json_true());
    return true;
}

/* Appends the objects of an array that belong there. */
static size_t place_events(struct placed *out, size_t count, const json_t *array, json_t *seen) {
    size_t i;
    json_t *event;
    uint64_t time_ns = 0;
    json_array_foreach(array, i, event) {
        if (!json_is_object(event) || (event_is_gap(event) && !first_sight(seen, event))) continue;
        json_get_time(event, &time_ns);
        out[count] = (struct placed){.event = event, .time_ns = time_ns, .index = count};
        count++;
    }
    return count;
}

json_t *events_merge(const json_t *events, const json_t *gaps) {
    json_t *merged = json_array(), *seen = json_object();
    struct placed *all = calloc(json_array_size(events) + json_array_size(gaps) + 1, sizeof *all);
    if (!merged || !seen || !all) {
        json_decref(merged);
        merged = NULL;
        goto out;
    }
    size_t count = place_events(all, 0, gaps, seen);
    count = place_events(all, count, events, seen);
    qsort(all, count, sizeof *all, compare_placed);
    for (size_t i = 0; i < count; i++) {
        if (json_array_append(merged, all[i].event)) {
            json_decref(merged);
            merged = NULL;
            break;
        }
    }
out:
    json_decref(seen);
    free(all);
    return merged;
}
