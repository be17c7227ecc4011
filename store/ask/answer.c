/* SPDX-License-Identifier: MIT
 *
 * See answer.h. */
#include <inttypes.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <store/answer.h>
#include <store/grace.h>
#include <store/history_keep.h>
#include <store/value.h>
#include <string.h>

/* Hits written under one hold of the RCU read lock: tens of microseconds, during which the ingest may have to wait. */
#define HITS_PER_LOCK 64

/* Does an earlier index belong to the same node?  A node that was restarted has two logs, but is one node. */
static bool is_log_of_one_before(const struct store *store, const uint32_t *node_indices, size_t index) {
    const struct node *node = nodes_at(store->nodes, node_indices[index]);
    for (size_t i = 0; node && i < index; i++) {
        const struct node *before = nodes_at(store->nodes, node_indices[i]);
        if (before && !memcmp(&before->info.node_id, &node->info.node_id, sizeof node->info.node_id)) return true;
    }
    return false;
}

uint32_t answer_count_nodes(const struct store *store, const uint32_t *node_indices, size_t count) {
    uint32_t nodes = 0;
    grace_read_lock();
    for (size_t i = 0; i < count; i++) nodes += !is_log_of_one_before(store, node_indices, i);
    grace_read_unlock();
    return nodes;
}

json_t *answer_node_ids(const struct store *store, const uint32_t *node_indices, size_t count) {
    json_t *ids = json_array();
    grace_read_lock();
    for (size_t i = 0; ids && i < count; i++) {
        const struct node *node = nodes_at(store->nodes, node_indices[i]);
        if (!node || is_log_of_one_before(store, node_indices, i)) continue;
        if (json_array_append_new(ids, value_node_id(&node->info.node_id))) {
            json_decref(ids);
            ids = NULL;
        }
    }
    grace_read_unlock();
    return ids;
}

void answer_put_explanation(struct trace_text *out, const char *index, uint64_t examined) {
    trace_text_puts(out, ",\"explain\":{\"index\":\"");
    trace_text_puts(out, index);
    trace_text_puts(out, "\",\"examined\":");
    value_put_unsigned(out, examined);
    trace_text_puts(out, "}");
}

json_t *answer_log(uint64_t log) { return json_sprintf("%0*" PRIx64, ANSWER_LOG_DIGITS, log); }

/* Adds the member to the object just written. */
static void put_log(struct trace_text *out, const struct node *node) {
    char member[sizeof ",\"log\":\"\"}" + ANSWER_LOG_DIGITS];
    int bytes = snprintf(member, sizeof member, ",\"log\":\"%0*" PRIx64 "\"}", ANSWER_LOG_DIGITS, node->info.log);
    out->bytes--; /* its brace */
    trace_text_add(out, member, (size_t)bytes);
}

bool answer_event(struct store *store, const struct alias_picture *aliases, struct trace_text *out,
                  const struct trace_event *event, history_source source, bool with_log, bool with_comma) {
    const struct node *node = nodes_at(store->nodes, history_source_node(source));
    if (!node) return false;
    struct trace_event_origin origin = {
        .node_id = &node->info.node_id,
        .lane = history_source_lane(source),
        .app = nodes_event_app(node, event),
    };
    if (aliases) origin.peer_id = alias_picture_resolve(aliases, history_source_node(source), event->timestamp, &event->peer_id);
    char *begin = trace_text_reserve(out, 1 + TRACE_EVENT_JSON_MAX);
    if (!begin) return false;
    *begin = ',';
    out->bytes += (size_t)(trace_event_json(begin + with_comma, event, &origin) - begin);
    if (with_log) put_log(out, node);
    return true;
}

size_t answer_hits(struct store *store, struct trace_text *out, const struct history_hit *hits, size_t count, bool with_log) {
    struct alias_picture *aliases = alias_picture_take(store->aliases);
    size_t written = 0;
    for (size_t i = 0; i < count && !out->failed;) {
        size_t stop = i + HITS_PER_LOCK < count ? i + HITS_PER_LOCK : count;
        grace_read_lock();
        uint64_t begin = history_begin_position(store->history);
        for (; i < stop && !out->failed; i++) {
            if (hits[i].position < begin) continue;
            written += answer_event(store, aliases, out, &hits[i].event, hits[i].source, with_log, written != 0);
        }
        grace_read_unlock();
    }
    alias_picture_release(aliases);
    atomic_fetch_add_explicit(&store->events_answered, written, memory_order_relaxed); /* relaxed: a single counter */
    return written;
}

/* NULL when memory runs out. */
static json_t *keep_json(const struct history *history) {
    struct history_keep_stats stats;
    if (!history_keep_stats(history, &stats)) return json_null();
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"traces", stats.traces},     {"events", stats.events},     {"events_max", stats.events_max},
                  {"given_up", stats.given_up}, {"unjudged", stats.unjudged}, {"events_lost", stats.events_lost}};
    json_t *json = json_object();
    int failed = !json;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        failed |= json_object_set_new(json, counts[i].name, value_unsigned(counts[i].value));
    if (!failed) return json;
    json_decref(json);
    return NULL;
}

static json_t *aliases_json(struct aliases *aliases) {
    struct aliases_stats stats = {0};
    if (aliases) aliases_stats(aliases, &stats);
    return json_pack("{so, si, so}", "count", value_unsigned(stats.count), "max", ALIASES_MAX, "evicted",
                     value_unsigned(stats.evicted));
}

json_t *answer_history(const struct store *store) {
    struct history *history = store->history;
    struct history_stats stats;
    if (history_stats(history, &stats)) return NULL;
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"events", stats.events},
                  {"events_max", stats.events_max},
                  {"bytes", stats.bytes},
                  {"bytes_max", stats.bytes_max},
                  {"segments", stats.segments},
                  {"segments_max", stats.segments_max},
                  {"evicted", stats.evicted},
                  {"traces", stats.traces},
                  {"peers", stats.peers},
                  {"kept", stats.kept},
                  {"share", stats.share},
                  {"early", stats.early},
                  {"rare_peer_events", stats.rare_peer_events}};
    json_t *json = json_object();
    int failed = !json;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        failed |= json_object_set_new(json, counts[i].name, value_unsigned(counts[i].value));
    failed |= json_object_set_new(json, "first", stats.events ? value_time(stats.first_ns) : json_null());
    failed |= json_object_set_new(json, "whole_from", stats.whole_from_ns ? value_time(stats.whole_from_ns) : json_null());
    failed |= json_object_set_new(json, "last", stats.events ? value_time(stats.last_ns) : json_null());
    failed |= json_object_set_new(json, "keep", keep_json(history));
    failed |= json_object_set_new(json, "aliases", aliases_json(store->aliases));
    if (!failed) return json;
    json_decref(json);
    return NULL;
}
