/* SPDX-License-Identifier: MIT
 *
 * See answer.h. */
#include "answer.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/hex.h>
#include <stdio.h>
#include <string.h>
#include <urcu.h>

/* Hits written under one hold of the RCU read lock: some tens of microseconds, in which the ingest may have to wait for us. */
#define HITS_PER_LOCK 64

json_t *answer_unsigned(uint64_t value) {
    return value > INT64_MAX ? json_sprintf("%llu", (unsigned long long)value) : json_integer((json_int_t)value);
}

void answer_put_unsigned(struct trace_text *out, uint64_t value) {
    char digits[24];
    int bytes = snprintf(digits, sizeof digits, value > INT64_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, value);
    trace_text_add(out, digits, (size_t)bytes);
}

json_t *answer_time(uint64_t unix_ns) {
    return json_pack("{sIsI}", "timestamp", (json_int_t)(unix_ns / 1000), "ns", (json_int_t)(unix_ns % 1000));
}

json_t *answer_time_or_null(uint64_t unix_ns) { return unix_ns ? answer_time(unix_ns) : json_null(); }

json_t *answer_text(const char *text, size_t bytes_max) {
    /* The same mapping of bad UTF-8 as in events: written by the event's own function and read back. */
    char quoted[6 * 64 + 2];
    size_t bytes = strnlen(text, bytes_max < 64 ? bytes_max : 64);
    char *end = trace_json_string(quoted, text, bytes);
    return json_loadb(quoted, (size_t)(end - quoted), JSON_DECODE_ANY, NULL);
}

static json_t *hex_string(const uint8_t *bytes, size_t count) {
    char digits[2 * TRACE_NODE_ID_BYTES];
    return json_stringn(digits, (size_t)(trace_hex_encode(digits, bytes, count) - digits));
}

json_t *answer_node_id(const struct trace_node_id *id) { return hex_string(id->bytes, sizeof id->bytes); }
json_t *answer_trace_id(const struct trace_id *id) { return hex_string(id->bytes, sizeof id->bytes); }

json_t *answer_node_ids(const struct service *service, const uint32_t *node_indices, size_t count) {
    json_t *ids = json_array();
    rcu_read_lock();
    for (size_t i = 0; ids && i < count; i++) {
        const struct node *node = nodes_at(service->nodes, node_indices[i]);
        if (!node) continue;
        /* A node that was started again has two logs, and is one node. */
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++) {
            const struct node *before = nodes_at(service->nodes, node_indices[k]);
            seen = before && !memcmp(&before->info.node_id, &node->info.node_id, sizeof node->info.node_id);
        }
        if (seen) continue;
        if (json_array_append_new(ids, answer_node_id(&node->info.node_id))) {
            json_decref(ids);
            ids = NULL;
        }
    }
    rcu_read_unlock();
    return ids;
}

void answer_put_explanation(struct trace_text *out, const char *index, uint64_t examined) {
    trace_text_puts(out, ",\"explain\":{\"index\":\"");
    trace_text_puts(out, index);
    trace_text_puts(out, "\",\"examined\":");
    answer_put_unsigned(out, examined);
    trace_text_puts(out, "}");
}

const struct trace_app *answer_event_app(const struct node *node, const struct trace_event *event) {
    switch (event->kind) {
    case TRACE_KIND_APP_COMMAND: return nodes_app(node, event->data.app_command.app_id);
    case TRACE_KIND_APP_START: return nodes_app(node, event->data.app_start.app_id);
    case TRACE_KIND_APP_END: return nodes_app(node, event->data.app_end.app_id);
    default: return NULL;
    }
}

/* The ticks at which it was opened are its node's own word, and stay in the ring. */
json_t *answer_log(const struct node *node) { return json_sprintf("%0*" PRIx64, ANSWER_LOG_DIGITS, node->info.open_ticks); }

/* Adds the member to an object that has just been written. */
static void put_log(struct trace_text *out, const struct node *node) {
    char member[sizeof ",\"log\":\"\"}" + ANSWER_LOG_DIGITS];
    int bytes = snprintf(member, sizeof member, ",\"log\":\"%0*" PRIx64 "\"}", ANSWER_LOG_DIGITS, node->info.open_ticks);
    out->bytes--; /* its brace */
    trace_text_add(out, member, (size_t)bytes);
}

bool answer_event(struct service *service, struct trace_text *out, const struct trace_event *event, history_source source,
                  bool with_log) {
    const struct node *node = nodes_at(service->nodes, history_source_node(source));
    if (!node) return false;
    struct trace_event_origin origin = {
        .node_id = &node->info.node_id,
        .lane = history_source_lane(source),
        .app = answer_event_app(node, event),
    };
    char *begin = trace_text_reserve(out, TRACE_EVENT_JSON_MAX);
    if (!begin) return false;
    out->bytes += (size_t)(trace_event_json(begin, event, &origin) - begin);
    if (with_log) put_log(out, node);
    return true;
}

size_t answer_hits(struct service *service, struct trace_text *out, const struct history_hit *hits, size_t count, bool with_log) {
    size_t written = 0;
    for (size_t i = 0; i < count && !out->failed;) {
        size_t stop = i + HITS_PER_LOCK < count ? i + HITS_PER_LOCK : count;
        rcu_read_lock();
        uint64_t begin = history_begin(service->history);
        for (; i < stop && !out->failed; i++) {
            if (hits[i].position < begin) continue;
            size_t before = out->bytes;
            if (written) trace_text_add(out, ",", 1);
            if (answer_event(service, out, &hits[i].event, hits[i].source, with_log))
                written++;
            else
                out->bytes = before;
        }
        rcu_read_unlock();
    }
    atomic_fetch_add_explicit(&service->events_sent, written, memory_order_relaxed); /* a counter, nothing follows from it */
    return written;
}
