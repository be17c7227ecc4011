/* SPDX-License-Identifier: MIT
 *
 * A trace as a whole, as data: the members of its row of `traces`, as far as they follow from the events that are here; what is
 * missing of it; and where the time of its request went. */
#include "json_get.h"
#include "render_problems.h"
#include "timeline.h"

#include <p2ptrace/event.h>

static json_t *time_new(uint64_t unix_ns) {
    return json_pack("{s:I,s:I}", "timestamp", (json_int_t)(unix_ns / 1000), "ns", (json_int_t)(unix_ns % 1000));
}

/* null where a step of the clock lies in it, or clocks cannot be compared. */
static json_t *duration_new(bool known, uint64_t ns) { return known ? json_integer((json_int_t)ns) : json_null(); }

static json_t *nodes_new(const struct timeline *timeline) {
    json_t *nodes = json_array();
    for (size_t i = 0; i < timeline->node_count; i++)
        if (timeline->nodes[i].node_id) json_array_append_new(nodes, json_string(timeline->nodes[i].node_id));
    return nodes;
}

static json_t *id_new(const char *id) { return id ? json_string(id) : json_null(); }

json_t *trace_places_new(const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    json_t *places = json_array();
    for (size_t i = 0; i < path->spent_count; i++) {
        const struct spent *spent = &path->spent[i];
        json_array_append_new(places,
                              json_pack("{s:s,s:o,s:o,s:I}", "place", wait_kind_name(spent->kind), "node_id",
                                        id_new(facts_node(&timeline->facts, spent->node)), "peer_id",
                                        id_new(facts_node(&timeline->facts, spent->peer)), "duration", (json_int_t)spent->ns));
    }
    return places;
}

json_t *trace_object_new(const struct view *view, const struct timeline *timeline, const json_t *answer) {
    const struct facts *facts = &timeline->facts;
    const struct critical_path *path = &timeline->path;
    uint64_t events = 0, packets_lost = 0;
    bool has_root = path->root != NO_POSITION, ended = has_root && path->spans.items[path->root].end != NO_POSITION,
         took_steady = !has_root || facts_steady(facts, path->start_ns, path->end_ns);
    for (size_t i = 0; i < timeline->item_count; i++) {
        events += timeline->items[i].kind != TRACE_KIND_EVENTS_LOST;
        packets_lost += facts->items[i].kind == FACT_PACKET_LOST;
    }
    if (!timeline->item_count) return json_pack("{s:s}", "trace", json_get_text(answer, "trace_id"));
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:b,s:o,s:b,s:I,s:I,s:I,s:o,s:b,s:o,s:o}", "trace", json_get_text(answer, "trace_id"),
                     "outcome", trace_outcome(timeline, answer), "first", time_new(fact_unix(facts, &facts->items[0])), "last",
                     time_new(fact_unix(facts, &facts->items[facts->count - 1])), "duration",
                     duration_new(timeline_is_exact(timeline), timeline->end_ns - timeline->start_ns), "duration_stepped",
                     facts_stepped(facts), "took", duration_new(ended && took_steady, path->end_ns - path->start_ns),
                     "took_stepped", ended && !took_steady, "events", (json_int_t)events, "events_missing",
                     (json_int_t)timeline->events_missing, "packets_lost", (json_int_t)packets_lost, "nodes", nodes_new(timeline),
                     "more", json_get_bool(answer, "more"), "time", trace_places_new(timeline), "problems",
                     problems_new(view, answer, timeline));
}
