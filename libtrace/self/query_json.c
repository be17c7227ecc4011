/* SPDX-License-Identifier: MIT
 *
 * An event of the ring as JSON: proto's form, with the names that the log's own registry has for its application. */
#include "query_json.h"

#include <proto/event_table.h>
#include <string.h>

static const struct trace_app *find_registered_app(const struct query_ring *ring, const struct trace_event *event) {
    const struct trace_app *table = (const struct trace_app *)(const void *)((const char *)ring->header + TRACE_SHM_HEADER_BYTES);
    /* app:A  Pairs with app:R: whoever sees the count sees the descriptions' bytes. */
    uint32_t count = __atomic_load_n(&ring->header->app_count, __ATOMIC_ACQUIRE);
    uint16_t cmd;
    const char *app_id = trace_event_app(event, &cmd);
    if (!app_id) return NULL;
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(table[i].app_id, app_id, sizeof table[i].app_id) == 0) return &table[i];
    return NULL;
}

char *query__json(char *out, const struct query_ring *ring, const struct trace_query_event *found) {
    struct trace_event_origin origin = {&ring->header->node_id, found->lane, find_registered_app(ring, &found->event)};
    return trace_event_json(out, &found->event, &origin);
}
