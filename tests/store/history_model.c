/* SPDX-License-Identifier: MIT
 *
 * The model: it finds every answer by examining all events.  It shares only the structs with the history, no code. */
#include "history_model.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* ---- events ------------------------------------------------------------------------------------------------------------- */

void model_init(struct model *model, uint64_t capacity) {
    memset(model, 0, sizeof *model);
    /* big arrays are allocated and freed constantly: keep their pages */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    model->events = malloc(capacity * sizeof *model->events);
    ck_assert_ptr_nonnull(model->events);
    model->capacity = capacity;
}

void model_fini(struct model *model) { free(model->events); }

void model_append(struct model *model, const struct trace_event *event, history_source source) {
    quick_assert(model->end < model->capacity);
    model->events[model->end++] = (struct model_event){*event, source, false};
}

static bool has_trace(const struct trace_event *event) {
    static const struct trace_id none;
    return memcmp(&event->trace_id, &none, sizeof none) != 0;
}

static int compare_trace_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_id)); }
static int compare_peer_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_node_id)); }

/* Sorts an array of ids of traces or of peers, and keeps one of each.  Returns how many it keeps. */
static size_t sort_ids(void *ids, size_t count, size_t id_bytes) {
    char *bytes = ids;
    size_t kept = 0;

    qsort(ids, count, id_bytes, id_bytes == sizeof(struct trace_id) ? compare_trace_ids : compare_peer_ids);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || memcmp(bytes + (kept - 1) * id_bytes, bytes + i * id_bytes, id_bytes) != 0)
            memmove(bytes + kept++ * id_bytes, bytes + i * id_bytes, id_bytes);
    return kept;
}

static const struct model *sorting;

/* Marks the events of traces that lost older ones to this eviction; a trace that is entirely gone is forgotten. */
static void evict_segment(struct model *model) {
    uint64_t limit = model->begin + HISTORY_SEGMENT_EVENTS;
    struct trace_id *lose = malloc(HISTORY_SEGMENT_EVENTS * sizeof *lose);
    size_t count = 0;

    for (uint64_t i = model->begin; i < limit; i++) lose[count++] = model->events[i].event.trace_id;
    count = sort_ids(lose, count, sizeof *lose);
    for (uint64_t i = limit; i < model->end; i++)
        if (bsearch(&model->events[i].event.trace_id, lose, count, sizeof *lose, compare_trace_ids))
            model->events[i].evicted_part = true;
    free(lose);
    model->begin = limit;
}

void model_evict(struct model *model, uint64_t begin) {
    while (model->begin < begin) evict_segment(model);
}

/* ---- select ------------------------------------------------------------------------------------------------------------- */

static bool matches(const struct history_query *query, const struct model_event *item) {
    const struct trace_event *event = &item->event;
    uint32_t node = item->source >> 8;
    if (query->by_trace && memcmp(&event->trace_id, &query->trace_id, 16) != 0) return false;
    if (query->by_peer && !(event->flags & TRACE_FLAG_HAS_PEER)) return false;
    if (query->by_peer && memcmp(&event->peer_id, &query->peer_id, 32) != 0) return false;
    if (query->by_node && (node >= query->node_set_bits || !(query->node_set[node / 64] & UINT64_C(1) << node % 64)))
        return false;
    if (query->kinds != 0 && !(query->kinds & UINT64_C(1) << (event->kind > 63 ? 63 : event->kind))) return false;
    if (event->timestamp < query->from_ns) return false;
    if (query->test && !query->test(query->test_arg, event, item->source)) return false;
    return query->to_ns == 0 || event->timestamp < query->to_ns;
}

static int order_of(const struct trace_event *a, history_source sa, uint64_t pa, const struct trace_event *b, history_source sb,
                    uint64_t pb) {
    if (a->timestamp != b->timestamp) return a->timestamp < b->timestamp ? -1 : 1;
    if (sa >> 8 != sb >> 8) return sa >> 8 < sb >> 8 ? -1 : 1;
    if ((sa & 255) != (sb & 255)) return (sa & 255) < (sb & 255) ? -1 : 1;
    if (a->sequence != b->sequence) return a->sequence < b->sequence ? -1 : 1;
    return (pa > pb) - (pa < pb);
}

static int in_order(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return order_of(&sorting->events[x].event, sorting->events[x].source, x, &sorting->events[y].event, sorting->events[y].source,
                    y);
}
static int in_reverse(const void *a, const void *b) { return in_order(b, a); }

/* The positions that model_select would return without a limit, in order.  Returns how many. */
static uint64_t find(const struct model *model, const struct history_query *query, uint64_t begin, uint64_t end,
                     bool newest_first, const struct history_hit *after, uint64_t *ret_positions) {
    uint64_t count = 0;

    for (uint64_t i = model->begin; i < model->end; i++) {
        const struct model_event *item = &model->events[i];
        if (i < begin || i >= end || !matches(query, item)) continue;
        if (after) {
            int side = order_of(&item->event, item->source, i, &after->event, after->source, after->position);
            if (newest_first ? side >= 0 : side <= 0) continue;
        }
        ret_positions[count++] = i;
    }
    return count;
}

static uint64_t *array_for_all(const struct model *model) {
    uint64_t *positions = malloc((model->end - model->begin + 1) * sizeof *positions);
    ck_assert_ptr_nonnull(positions);
    return positions;
}

uint64_t model_visit(const struct model *model, const struct history_query *query, uint64_t begin, uint64_t end,
                     bool newest_first, const struct history_hit *after,
                     int (*visit)(void *context, const struct trace_event *event, history_source source), void *context) {
    uint64_t *positions = array_for_all(model), count = find(model, query, begin, end, newest_first, after, positions);

    for (uint64_t i = 0; visit != NULL && i < count; i++)
        visit(context, &model->events[positions[i]].event, model->events[positions[i]].source);
    free(positions);
    return count;
}

struct history_hit *model_select(const struct model *model, const struct history_query *query, uint64_t begin, uint64_t end,
                                 size_t limit, bool newest_first, const struct history_hit *after, size_t *ret_count,
                                 bool *ret_more) {
    uint64_t *order = array_for_all(model), count = find(model, query, begin, end, newest_first, after, order);
    struct history_hit *hits;

    sorting = model;
    qsort(order, count, sizeof *order, newest_first ? in_reverse : in_order);
    *ret_more = count > limit;
    if (count > limit) count = limit;
    hits = malloc((count + 1) * sizeof *hits);
    for (uint64_t i = 0; i < count; i++)
        hits[i] = (struct history_hit){model->events[order[i]].event, model->events[order[i]].source, order[i]};
    free(order);
    *ret_count = count;
    return hits;
}

/* ---- traces ------------------------------------------------------------------------------------------------------------- */

static int by_trace_in_order(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    int order = memcmp(&sorting->events[x].event.trace_id, &sorting->events[y].event.trace_id, sizeof(struct trace_id));
    return order != 0 ? order : in_order(a, b);
}

static const char *app_of(const struct trace_event *event, uint16_t *ret_cmd) {
    if (event->kind == TRACE_KIND_APP_COMMAND) return *ret_cmd = event->data.app_command.cmd, event->data.app_command.app_id;
    if (event->kind == TRACE_KIND_APP_START) return *ret_cmd = event->data.app_start.cmd, event->data.app_start.app_id;
    if (event->kind == TRACE_KIND_APP_END) return *ret_cmd = event->data.app_end.cmd, event->data.app_end.app_id;
    return NULL;
}

static void add_node(struct history_trace *trace, uint32_t node) {
    for (uint32_t i = 0; i < trace->node_count; i++)
        if (trace->nodes[i] == node) return;
    if (trace->node_count < HISTORY_SUMMARY_NODES_MAX) trace->nodes[trace->node_count++] = node;
}

static void add_peer(struct history_trace *trace, const struct trace_node_id *peer) {
    for (uint32_t i = 0; i < trace->peer_count; i++)
        if (memcmp(&trace->peers[i], peer, sizeof *peer) == 0) return;
    if (trace->peer_count < HISTORY_SUMMARY_NODES_MAX) trace->peers[trace->peer_count++] = *peer;
}

/* The trace's events are order[0 ... count - 1], in the order of answers.  The first start without a parent counts, otherwise
 * the first start. */
static void set_outcome(const struct model *model, const uint64_t *order, uint64_t count, struct history_trace *trace) {
    const struct trace_event *decides = NULL, *decides_end = NULL;
    uint32_t source = 0, end_source = 0;

    for (uint64_t i = 0; i < count; i++) {
        const struct trace_event *start = &model->events[order[i]].event, *end = NULL;
        uint32_t at = 0;
        uint32_t node = model->events[order[i]].source >> 8;
        if (start->kind != TRACE_KIND_APP_START) continue;
        for (uint64_t j = 0; j < count && !end; j++) {
            const struct trace_event *event = &model->events[order[j]].event;
            if (event->kind == TRACE_KIND_APP_END && event->data.app_end.span_id == start->data.app_start.span_id &&
                model->events[order[j]].source >> 8 == node)
                end = event, at = model->events[order[j]].source;
        }
        if (!end) trace->unfinished = true;
        if (decides && (start->data.app_start.parent_id != 0 || decides->data.app_start.parent_id == 0)) continue;
        decides = start;
        decides_end = end;
        source = model->events[order[i]].source;
        end_source = at;
    }
    if (!decides) return;
    trace->outcome = trace->unfinished ? HISTORY_OUTCOME_OPEN : HISTORY_OUTCOME_OK;
    if (decides_end && !decides_end->data.app_end.ok)
        trace->outcome = decides_end->flags & TRACE_FLAG_EXPIRED ? HISTORY_OUTCOME_EXPIRED : HISTORY_OUTCOME_FAILED;
    if (decides->data.app_start.parent_id != 0) return;
    trace->has_root = true;
    trace->root_ns = decides->timestamp;
    trace->root_node = source >> 8;
    if (!decides_end) return;
    trace->has_end = true;
    trace->end = (struct history_span_end){decides_end->timestamp, end_source, decides_end->sequence};
    if (decides_end->timestamp < decides->timestamp) return;
    trace->has_took = true;
    trace->took_ns = decides_end->timestamp - decides->timestamp;
}

static void summarise(const struct model *model, const uint64_t *order, uint64_t count, struct history_trace *ret_trace) {
    struct history_trace *trace = ret_trace;
    bool started = false;

    memset(trace, 0, sizeof *trace);
    trace->trace_id = model->events[order[0]].event.trace_id;
    trace->events = count;
    trace->first_ns = model->events[order[0]].event.timestamp;
    trace->last_ns = model->events[order[count - 1]].event.timestamp;
    trace->truncated = model->events[order[0]].evicted_part;
    for (uint64_t i = 0; i < count; i++) {
        const struct model_event *item = &model->events[order[i]];
        uint16_t cmd = 0;
        const char *app_id = app_of(&item->event, &cmd);
        if (item->evicted_part) trace->truncated = true;
        if (item->event.kind == TRACE_KIND_PACKET_LOST && !(item->event.flags & TRACE_FLAG_PROBE)) trace->packets_lost++;
        add_node(trace, item->source >> 8);
        if (item->event.flags & TRACE_FLAG_HAS_PEER) add_peer(trace, &item->event.peer_id);
        if (!app_id || started || (trace->has_app && item->event.kind != TRACE_KIND_APP_START)) continue;
        started = item->event.kind == TRACE_KIND_APP_START;
        trace->has_app = true;
        memcpy(trace->app_id, app_id, 4);
        trace->cmd = cmd;
        trace->app_node = item->source >> 8;
    }
    set_outcome(model, order, count, trace);
}

static bool listed(const struct model *model, const uint64_t *order, uint64_t count, uint64_t from_ns, uint64_t to_ns,
                   const char *app_id) {
    bool in_window = false, of_app = !app_id;

    for (uint64_t i = 0; i < count; i++) {
        const struct trace_event *event = &model->events[order[i]].event;
        uint16_t cmd;
        const char *app = app_of(event, &cmd);
        if (event->timestamp >= from_ns && (to_ns == 0 || event->timestamp < to_ns)) in_window = true;
        if (app_id && app && memcmp(app, app_id, 4) == 0) of_app = true;
    }
    return in_window && of_app;
}

static int newest_trace_first(const void *a, const void *b) {
    const struct history_trace *x = a, *y = b;
    if (x->last_ns != y->last_ns) return x->last_ns > y->last_ns ? -1 : 1;
    return memcmp(&x->trace_id, &y->trace_id, sizeof x->trace_id);
}

struct history_trace *model_traces(const struct model *model, uint64_t from_ns, uint64_t to_ns, const char *app_id, size_t limit,
                                   size_t *ret_count, size_t *ret_total) {
    uint64_t count = model->end - model->begin;
    uint64_t *order = malloc((count + 1) * sizeof *order);
    struct history_trace *traces = NULL;
    size_t total = 0, capacity = 0;

    for (uint64_t i = 0; i < count; i++) order[i] = model->begin + i;
    sorting = model;
    qsort(order, count, sizeof *order, by_trace_in_order);
    for (uint64_t i = 0, j; i < count; i = j) {
        const struct trace_id *id = &model->events[order[i]].event.trace_id;
        for (j = i + 1; j < count && memcmp(id, &model->events[order[j]].event.trace_id, sizeof *id) == 0;) j++;
        if (!has_trace(&model->events[order[i]].event)) continue;
        if (!listed(model, order + i, j - i, from_ns, to_ns, app_id)) continue;
        if (total == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            traces = realloc(traces, capacity * sizeof *traces);
        }
        summarise(model, order + i, j - i, &traces[total++]);
    }
    free(order);
    if (total > 0) qsort(traces, total, sizeof *traces, newest_trace_first);
    *ret_total = total;
    *ret_count = total < limit ? total : limit;
    return traces;
}

/* ---- peers -------------------------------------------------------------------------------------------------------------- */

static int by_peer(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    int order = memcmp(&sorting->events[x].event.peer_id, &sorting->events[y].event.peer_id, sizeof(struct trace_node_id));
    return order != 0 ? order : (x > y) - (x < y);
}

static void insert_node(struct history_peer *peer, uint32_t node) {
    uint32_t all[HISTORY_SUMMARY_NODES_MAX + 1], count = peer->node_count;

    for (uint32_t i = 0; i < count; i++)
        if (peer->nodes[i] == node) return;
    memcpy(all, peer->nodes, count * sizeof all[0]);
    all[count++] = node;
    for (uint32_t i = count; i-- > 1;)
        if (all[i] < all[i - 1]) {
            uint32_t swap = all[i];
            all[i] = all[i - 1];
            all[i - 1] = swap;
        }
    peer->node_count = count < HISTORY_SUMMARY_NODES_MAX ? count : HISTORY_SUMMARY_NODES_MAX;
    memcpy(peer->nodes, all, peer->node_count * sizeof all[0]);
}

static bool is_received(const struct trace_event *event) {
    switch (event->kind) {
    case TRACE_KIND_PACKET_RECEIVED:
    case TRACE_KIND_MESSAGE_RECEIVED:
    case TRACE_KIND_CONN_ESTABLISHED:
    case TRACE_KIND_CONN_RESET: return true;
    case TRACE_KIND_CONN_INIT: return event->data.conn_init.by_remote;
    case TRACE_KIND_CONN_CLOSED: return event->data.conn_closed.by_remote;
    case TRACE_KIND_STREAM_DATA: return !event->data.stream_data.sent;
    default: return false;
    }
}

/* The peer's events are order[0 ... count - 1], by position. */
static void sum_up(const struct model *model, const uint64_t *order, uint64_t count, struct history_peer *ret_peer) {
    struct history_peer *peer = ret_peer;
    const struct model_event *sample = NULL;
    bool has_min = false;

    memset(peer, 0, sizeof *peer);
    peer->peer_id = model->events[order[0]].event.peer_id;
    peer->first_ns = UINT64_MAX;
    for (uint64_t i = 0; i < count; i++) {
        const struct model_event *item = &model->events[order[i]];
        const struct trace_event *event = &item->event;
        peer->events++;
        if (event->timestamp < peer->first_ns) peer->first_ns = event->timestamp;
        if (event->timestamp > peer->last_ns) peer->last_ns = event->timestamp;
        if (is_received(event) && event->timestamp > peer->heard_ns) peer->heard_ns = event->timestamp;
        if (event->kind == TRACE_KIND_PACKET_SENT) peer->packets_sent++, peer->bytes_sent += event->data.packet_sent.size;
        if (event->kind == TRACE_KIND_PACKET_RECEIVED)
            peer->packets_received++, peer->bytes_received += event->data.packet_received.size;
        if (event->kind == TRACE_KIND_PACKET_LOST && !(event->flags & TRACE_FLAG_PROBE)) peer->packets_lost++;
        if (event->kind == TRACE_KIND_MESSAGE_SENT) peer->messages_sent++;
        if (event->kind == TRACE_KIND_MESSAGE_RECEIVED) peer->messages_received++;
        insert_node(peer, item->source >> 8);
        if (event->kind == TRACE_KIND_METRICS && (!has_min || event->data.metrics.min_rtt < peer->min_rtt_ns)) {
            peer->min_rtt_ns = event->data.metrics.min_rtt;
            has_min = true;
        }
        if (event->kind != TRACE_KIND_METRICS && event->kind != TRACE_KIND_CONN_ESTABLISHED) continue;
        /* the newest; at equal times that of the greater node, within a node the later one */
        if (!sample || event->timestamp > sample->event.timestamp ||
            (event->timestamp == sample->event.timestamp && item->source >> 8 >= sample->source >> 8))
            sample = item;
    }
    peer->has_min_rtt = has_min;
    peer->has_rtt = sample != NULL;
    if (sample)
        peer->rtt_ns =
            sample->event.kind == TRACE_KIND_METRICS ? sample->event.data.metrics.rtt : sample->event.data.conn_established.rtt;
}

static int most_events_first(const void *a, const void *b) {
    const struct history_peer *x = a, *y = b;
    if (x->events != y->events) return x->events > y->events ? -1 : 1;
    return memcmp(&x->peer_id, &y->peer_id, sizeof x->peer_id);
}

struct history_peer *model_peers(const struct model *model, const uint64_t *node_set, uint32_t node_set_bits, size_t *ret_count) {
    uint64_t *order = malloc((model->end - model->begin + 1) * sizeof *order), count = 0;
    struct history_query query = {.by_node = node_set != NULL, .node_set = node_set, .node_set_bits = node_set_bits};
    struct history_peer *peers = NULL;
    size_t total = 0, capacity = 0;

    for (uint64_t i = model->begin; i < model->end; i++)
        if ((model->events[i].event.flags & TRACE_FLAG_HAS_PEER) && matches(&query, &model->events[i])) order[count++] = i;
    sorting = model;
    qsort(order, count, sizeof *order, by_peer);
    for (uint64_t i = 0, j; i < count; i = j) {
        const struct trace_node_id *id = &model->events[order[i]].event.peer_id;
        for (j = i + 1; j < count && memcmp(id, &model->events[order[j]].event.peer_id, sizeof *id) == 0;) j++;
        if (total == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            peers = realloc(peers, capacity * sizeof *peers);
        }
        sum_up(model, order + i, j - i, &peers[total++]);
    }
    free(order);
    if (total > 0) qsort(peers, total, sizeof *peers, most_events_first);
    *ret_count = total;
    return peers;
}

static bool digits_equal(const uint8_t *prefix, unsigned digits, const uint8_t *id) {
    for (unsigned i = 0; i < digits; i++) {
        unsigned shift = i % 2 == 0 ? 4 : 0;
        if ((prefix[i / 2] >> shift & 15) != (id[i / 2] >> shift & 15)) return false;
    }
    return true;
}

size_t model_find(const struct model *model, bool peers, const uint8_t *prefix, unsigned digits) {
    size_t id_bytes = peers ? sizeof(struct trace_node_id) : sizeof(struct trace_id), count = 0;
    uint8_t *found = malloc((model->end - model->begin + 1) * id_bytes);

    for (uint64_t i = model->begin; i < model->end; i++) {
        const struct trace_event *event = &model->events[i].event;
        const uint8_t *id = peers ? event->peer_id.bytes : event->trace_id.bytes;
        if (peers ? !(event->flags & TRACE_FLAG_HAS_PEER) : !has_trace(event)) continue;
        if (digits_equal(prefix, digits, id)) memcpy(found + count++ * id_bytes, id, id_bytes);
    }
    count = sort_ids(found, count, id_bytes);
    free(found);
    return count;
}

/* ---- random workloads --------------------------------------------------------------------------------------------------- */

void generator_init(struct generator *generator, const struct workload *load, uint64_t seed) {
    memset(generator, 0, sizeof *generator);
    generator->load = load;
    generator->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* splitmix64 (public domain, Vigna). */
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}
uint64_t generator_random(struct generator *generator) { return mix(generator->random += UINT64_C(0x9e3779b97f4a7c15)); }
uint64_t generator_below(struct generator *generator, uint64_t bound) { return generator_random(generator) % bound; }

struct trace_id generator_trace_id(const struct generator *generator, uint64_t number) {
    struct trace_id id;
    uint64_t words[2] = {mix(number + 1), mix(number + 1) ^ number};
    (void)generator;
    memcpy(id.bytes, words, sizeof id.bytes);
    return id;
}

struct trace_node_id generator_peer_id(uint64_t number) {
    struct trace_node_id id;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t word = mix(4 * number + i + 77);
        memcpy(id.bytes + 8 * i, &word, 8);
    }
    return id;
}

history_source generator_source(struct generator *generator) {
    return history_source_make((uint32_t)generator_below(generator, generator->load->nodes),
                               (uint32_t)generator_below(generator, generator->load->lanes));
}

static void fill_data(struct generator *generator, struct trace_event *event) {
    static const char apps[3][5] = {"DMAP", "CHAT", "SYNC"};
    const char *app_id = apps[generator_below(generator, 3)];
    uint64_t number = generator_random(generator);

    switch (event->kind) {
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED: event->data.packet_sent.size = (uint32_t)(number % 1500); break;
    case TRACE_KIND_METRICS:
        event->data.metrics.rtt = 1 + number % 1000;
        event->data.metrics.min_rtt = 1 + number / 1000 % 1000;
        break;
    case TRACE_KIND_CONN_ESTABLISHED: event->data.conn_established.rtt = 1 + number % 1000; break;
    case TRACE_KIND_APP_COMMAND:
        memcpy(event->data.app_command.app_id, app_id, 4);
        event->data.app_command.cmd = (uint16_t)(number % 5);
        break;
    case TRACE_KIND_APP_START:
        memcpy(event->data.app_start.app_id, app_id, 4);
        event->data.app_start.span_id = number % 7;
        event->data.app_start.cmd = (uint16_t)(number / 7 % 5);
        break;
    case TRACE_KIND_APP_END:
        memcpy(event->data.app_end.app_id, app_id, 4);
        event->data.app_end.span_id = number % 7;
        event->data.app_end.cmd = (uint16_t)(number / 7 % 5);
        event->data.app_end.ok = number / 64 % 2;
        if (number / 128 % 2 != 0) event->flags |= TRACE_FLAG_EXPIRED; /* without effect on one that is ok */
        break;
    default: memcpy(event->data.bytes, &number, sizeof number);
    }
}

void generator_event(struct generator *generator, history_source source, struct trace_event *ret_event) {
    const struct workload *load = generator->load;
    uint64_t number = generator->made++, shift = load->drifting ? number / 64 : 0;
    uint32_t node = history_source_node(source), lane = history_source_lane(source);
    struct trace_event *event = ret_event;

    memset(event, 0, sizeof *event);
    event->timestamp = UINT64_C(1700000000000000000) + number * load->step_ns + node * load->skew_ns;
    if (load->jitter_ns > 0) event->timestamp -= generator_below(generator, load->jitter_ns);
    if (load->traces == 0)
        event->trace_id = generator_trace_id(generator, number);
    else if (generator_below(generator, 16) != 0)
        event->trace_id = generator_trace_id(generator, shift + generator_below(generator, load->traces));
    event->sequence = generator->sequences[node % 256][lane % 8]++;
    event->kind = (uint16_t)(1 + generator_below(generator, 17));
    if (generator_below(generator, 50) == 0) event->kind = (uint16_t)(60 + generator_below(generator, 10));
    if (load->peers == 0 || generator_below(generator, 8) != 0) {
        event->flags |= TRACE_FLAG_HAS_PEER;
        event->peer_id = generator_peer_id(load->peers == 0 ? number : shift / 16 + generator_below(generator, load->peers));
    } else if (generator_below(generator, 2) != 0) {
        event->peer_id = generator_peer_id(shift); /* without effect without the flag */
    }
    fill_data(generator, event);
}

void workload_append(struct generator *generator, struct history *history, struct model *model, uint64_t count) {
    while (count > 0) {
        history_source source = generator_source(generator);
        uint32_t room, run = 1 + (uint32_t)generator_below(generator, generator->load->run_max);
        struct trace_event *place = history_reserve(history, &room);

        quick_assert(room >= 1);
        model_evict(model, history_begin_position(history));
        if (run > room) run = room;
        if (run > count) run = (uint32_t)count;
        for (uint32_t i = 0; i < run; i++) {
            generator_event(generator, source, &place[i]);
            model_append(model, &place[i], source);
        }
        history_append(history, run, source);
        count -= run;
    }
    ck_assert_uint_eq(history_end_position(history), model->end);
    ck_assert_uint_eq(history_begin_position(history), model->begin);
}
