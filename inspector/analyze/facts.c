/* SPDX-License-Identifier: MIT */
#include "facts.h"

#include "event_role.h"
#include "json_get.h"
#include "packet_pairs.h"

#include <errno.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t kinds[FACT_KIND_COUNT_] = {
    [FACT_PACKET_SENT] = TRACE_KIND_PACKET_SENT,
    [FACT_PACKET_RECEIVED] = TRACE_KIND_PACKET_RECEIVED,
    [FACT_PACKET_LOST] = TRACE_KIND_PACKET_LOST,
    [FACT_METRICS] = TRACE_KIND_METRICS,
    [FACT_STREAM_OPENED] = TRACE_KIND_STREAM_OPENED,
    [FACT_STREAM_CLOSED] = TRACE_KIND_STREAM_CLOSED,
    [FACT_CONN_CLOSED] = TRACE_KIND_CONN_CLOSED,
    [FACT_APP_START] = TRACE_KIND_APP_START,
    [FACT_APP_END] = TRACE_KIND_APP_END,
    [FACT_EVENTS_LOST] = TRACE_KIND_EVENTS_LOST,
};

const char *fact_kind_name(enum fact_kind kind) { return trace_kind_info(kinds[kind])->name; }

json_t *facts_kinds_new(void) {
    json_t *names = json_array();
    for (unsigned i = 0; names && i < FACT_KIND_COUNT_; i++) {
        if (!json_array_append_new(names, json_string(fact_kind_name((enum fact_kind)i)))) continue;
        json_decref(names);
        return NULL;
    }
    return names;
}

/* ---- one event ---- */

static uint64_t span_of(const json_t *data, const char *key) {
    const char *digits = json_get_hex(data, key, SPAN_DIGITS);
    return digits ? strtoull(digits, NULL, 16) : 0;
}

static int read_command(struct facts *facts, struct fact *fact, const json_t *event) {
    struct strbuf name = {0};
    event_request(&name, event, json_object_get(event, "data"));
    int result = name.failed ? -ENOMEM : intern_number(&facts->commands, strbuf_text(&name), &fact->command);
    strbuf_fini(&name);
    return result;
}

static int read_data(struct facts *facts, struct fact *fact, const json_t *event) {
    const json_t *data = json_object_get(event, "data");
    struct packet packet;
    switch ((enum fact_kind)fact->kind) {
    case FACT_PACKET_SENT:
    case FACT_PACKET_RECEIVED:
    case FACT_PACKET_LOST:
        if (!packet_read(&packet, event)) return 0;
        fact->number = packet.number;
        fact->bytes = packet.bytes;
        fact->space = packet.space;
        return 0;
    case FACT_METRICS: fact->rtt_ns = json_get_count(data, "rtt"); return 0;
    case FACT_STREAM_OPENED:
    case FACT_STREAM_CLOSED: fact->stream_id = json_get_count(data, "stream_id"); return 0;
    case FACT_APP_START: fact->parent_id = span_of(data, "parent_id"); /* fall through */
    case FACT_APP_END:
        fact->span_id = span_of(data, "span_id");
        fact->ok = json_get_bool(data, "ok");
        return read_command(facts, fact, event);
    case FACT_EVENTS_LOST: fact->missing = json_get_count(data, "count"); return 0;
    default: return 0;
    }
}

static int add_event(struct facts *facts, const json_t *event) {
    uint16_t kind = json_get_kind(event);
    unsigned number = 0;
    while (number < FACT_KIND_COUNT_ && kinds[number] != kind) number++;
    if (number == FACT_KIND_COUNT_) return 0;
    struct fact fact = {.kind = (uint8_t)number,
                        .command = NO_NUMBER,
                        .sequence = (uint32_t)json_get_count(event, "sequence"),
                        .lane = (uint16_t)json_get_count(event, "lane")};
    if (!json_get_time(event, &fact.time_ns)) return 0;
    if (intern_number(&facts->nodes, json_get_hex(event, "node_id", NODE_DIGITS), &fact.node) ||
        intern_number(&facts->nodes, json_get_hex(event, "peer_id", NODE_DIGITS), &fact.peer) ||
        intern_number(&facts->traces, json_get_hex(event, "trace_id", TRACE_DIGITS), &fact.trace) ||
        read_data(facts, &fact, event))
        return -ENOMEM;
    if (fact.node == NO_NUMBER) return 0;
    facts->items[facts->count++] = fact;
    return 0;
}

int facts_add(struct facts *facts, const json_t *events) {
    size_t i, wanted = facts->count + json_array_size(events);
    const json_t *event;
    if (wanted > facts->capacity) {
        size_t capacity = wanted > 2 * facts->capacity ? wanted : 2 * facts->capacity;
        struct fact *items = realloc(facts->items, capacity * sizeof *items);
        if (!items) return -ENOMEM;
        facts->items = items;
        facts->capacity = capacity;
    }
    json_array_foreach(events, i, event) {
        if (add_event(facts, event)) return -ENOMEM;
    }
    return 0;
}

/* ---- all of them ---- */

static int compare_facts(const void *left, const void *right) {
    const struct fact *a = left, *b = right;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->lane != b->lane) return a->lane < b->lane ? -1 : 1;
    return (int32_t)(a->sequence - b->sequence) < 0 ? -1 : a->sequence != b->sequence;
}

/* The texts of an intern by their numbers, borrowed from it; NULL without memory. */
static const char **list_texts(const struct intern *intern) {
    const char **texts = calloc(intern_count(intern) + 1, sizeof *texts);
    const char *text;
    json_t *number;
    if (!texts) return NULL;
    json_object_foreach(intern->numbers, text, number) texts[json_integer_value(number)] = text;
    return texts;
}

int facts_sort(struct facts *facts) {
    if (facts->count) qsort(facts->items, facts->count, sizeof *facts->items, compare_facts);
    facts->node_ids = list_texts(&facts->nodes);
    facts->trace_ids = list_texts(&facts->traces);
    facts->command_names = list_texts(&facts->commands);
    return facts->node_ids && facts->trace_ids && facts->command_names ? 0 : -ENOMEM;
}

void facts_fini(struct facts *facts) {
    free(facts->items);
    free(facts->node_ids);
    free(facts->trace_ids);
    free(facts->command_names);
    intern_fini(&facts->nodes);
    intern_fini(&facts->traces);
    intern_fini(&facts->commands);
    *facts = (struct facts){0};
}

const char *facts_node(const struct facts *facts, unsigned node) { return node == NO_NUMBER ? NULL : facts->node_ids[node]; }
const char *facts_trace(const struct facts *facts, unsigned trace) { return trace == NO_NUMBER ? NULL : facts->trace_ids[trace]; }
const char *facts_command(const struct facts *facts, unsigned command) {
    return command == NO_NUMBER ? NULL : facts->command_names[command];
}
