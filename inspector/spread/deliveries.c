/* SPDX-License-Identifier: MIT */
#include "allocation.h"
#include "numbers.h"
#include "path_edges.h"
#include "spread.h"
#include "spread_internal.h"

#include <errno.h>
#include <stdlib.h>

static struct delivery *add_delivery(struct spread *spread, size_t *capacity) {
    struct delivery *deliveries = memory_room(spread->deliveries, spread->delivery_count, capacity, sizeof *deliveries);
    if (!deliveries) return NULL;
    spread->deliveries = deliveries;
    return &spread->deliveries[spread->delivery_count++];
}

/* ---- by messages ---- */

/* An end of a message. */
struct end {
    const struct fact *fact;
    unsigned from, to, trace;
};

static int compare_ends(const void *left, const void *right) {
    const struct end *a = left, *b = right;
    int order = compare_numbers(a->fact->number, b->fact->number);
    if (!order) order = compare_numbers(a->fact->space, b->fact->space);
    if (!order) order = compare_numbers(a->trace, b->trace);
    if (!order) order = compare_numbers(a->from, b->from);
    if (!order) order = compare_numbers(a->to, b->to);
    if (!order) order = compare_numbers(a->fact->command, b->fact->command);
    return order ? order : compare_numbers((uint64_t)(uintptr_t)a->fact, (uint64_t)(uintptr_t)b->fact); /* in time order */
}

static bool is_one_message(const struct end *a, const struct end *b) {
    return a->fact->number == b->fact->number && a->fact->space == b->fact->space && a->trace == b->trace;
}

static bool is_receive(const struct end *end) { return end->fact->kind == FACT_MESSAGE_RECEIVED; }

/* An end without a peer takes it from the only other end that fits: the same message, in the other direction. */
static void find_peers(struct end *ends, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) {
        unsigned own = is_receive(&ends[i]) ? ends[i].to : ends[i].from;
        unsigned *peer = is_receive(&ends[i]) ? &ends[i].from : &ends[i].to, found = NO_NUMBER;
        bool several = false;
        if (*peer != NO_NUMBER) continue;
        for (size_t k = begin; k < end; k++) {
            if (is_receive(&ends[k]) == is_receive(&ends[i])) continue;
            unsigned theirs = is_receive(&ends[k]) ? ends[k].to : ends[k].from,
                     means = is_receive(&ends[k]) ? ends[k].from : ends[k].to;
            if (theirs == own || (means != own && means != NO_NUMBER)) continue;
            several |= found != NO_NUMBER && found != theirs;
            found = theirs;
        }
        if (!several) *peer = found;
    }
}

/* Ends of one sender and receiver, in time order, are one delivery. */
static int add_ends(struct spread *spread, size_t *capacity, const struct end *ends, size_t count) {
    struct delivery *delivery = add_delivery(spread, capacity);
    if (!delivery) return -ENOMEM;
    *delivery = (struct delivery){.from = ends->from, .to = ends->to, .type = ends->fact->command, .trace = ends->fact->trace};
    for (size_t i = 0; i < count; i++) {
        uint64_t *first_ns = is_receive(&ends[i]) ? &delivery->received_ns : &delivery->sent_ns;
        if (!*first_ns) *first_ns = ends[i].fact->time_ns;
        (*(is_receive(&ends[i]) ? &delivery->receives : &delivery->sends))++;
    }
    return 0;
}

static int group_ends(struct spread *spread, struct end *ends, size_t count) {
    size_t capacity = 0, next;
    qsort(ends, count, sizeof *ends, compare_ends);
    for (size_t i = 0; i < count; i = next) {
        for (next = i; next < count && is_one_message(&ends[next], &ends[i]);) next++;
        find_peers(ends, i, next);
    }
    qsort(ends, count, sizeof *ends, compare_ends); /* by the peers known now */
    for (size_t i = 0; i < count; i = next) {
        for (next = i; next < count && is_one_message(&ends[next], &ends[i]) && ends[next].from == ends[i].from &&
                       ends[next].to == ends[i].to && ends[next].fact->command == ends[i].fact->command;)
            next++;
        if (add_ends(spread, &capacity, ends + i, next - i)) return -ENOMEM;
    }
    return 0;
}

static int find_by_messages(struct spread *spread, const struct facts *facts, bool one_key) {
    struct end *ends = calloc(facts->count + 1, sizeof *ends);
    size_t count = 0;
    if (!ends) return -ENOMEM;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (!fact_is_message(fact)) continue;
        bool receive = fact->kind == FACT_MESSAGE_RECEIVED;
        ends[count++] = (struct end){.fact = fact,
                                     .from = receive ? fact->peer : fact->node,
                                     .to = receive ? fact->node : fact->peer,
                                     .trace = one_key ? NO_NUMBER : fact->trace};
    }
    int result = group_ends(spread, ends, count);
    free(ends);
    return result;
}

/* ---- by spans ---- */

static int add_span(struct spread *spread, size_t *capacity, const struct span *parent, const struct span *span, unsigned trace,
                    const struct transports *transports) {
    struct way way;
    struct delivery *delivery = add_delivery(spread, capacity);
    if (!delivery) return -ENOMEM;
    *delivery = (struct delivery){
        .from = parent->node, .to = span->node, .received_ns = span->start_ns, .receives = 1, .type = NO_NUMBER, .trace = trace};
    if (!transports) return 0;
    way_find(&way, transports, parent, span, parent->start_ns, UINT64_MAX);
    if (way.asked_known && way.asked_ns <= span->start_ns) delivery->sent_ns = way.asked_ns;
    return 0;
}

/* A span's nearest ancestor on another node: NO_POSITION if there is none. */
static size_t parent_elsewhere(const struct spans *spans, size_t i) {
    size_t parent = spans->items[i].parent;
    if (parent == NO_POSITION || spans->items[parent].node == spans->items[i].node) return NO_POSITION;
    return parent;
}

static int find_of_trace(struct spread *spread, size_t *capacity, const struct trace_events *events, unsigned trace,
                         const bool *traced) {
    struct spans spans;
    struct messages messages = {0};
    struct transports transports = {0};
    int result = spans_init(&spans, events);
    if (result) return result;
    result = messages_of_events(&messages, events, &spans);
    if (!result) result = transports_init(&transports, events, &messages);
    for (size_t i = 0; !result && spread->by != SPREAD_BY_MESSAGES && i < spans.count; i++) {
        size_t parent = parent_elsewhere(&spans, i);
        if (parent != NO_POSITION && spans.items[i].start != NO_POSITION)
            result = add_span(spread, capacity, &spans.items[parent], &spans.items[i], trace, &transports);
    }
    if (!result) result = questions_of_spans(&spread->questions, events, &spans, &transports, traced);
    transports_fini(&transports);
    messages_fini(&messages);
    spans_fini(&spans);
    return result;
}

/* The start of a span, by trace and id: a linear search, because links are few. */
static const struct fact *find_start(const struct facts *facts, unsigned trace, uint64_t span_id) {
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_APP_START && fact->trace == trace && (fact->span_id == span_id || !span_id)) return fact;
    }
    return NULL;
}

/* A span that links to a span of another node came from there. */
static int find_by_links(struct spread *spread, size_t *capacity, const struct facts *facts) {
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *link = &facts->items[i];
        if (link->kind != FACT_LINK) continue;
        const struct fact *from = find_start(facts, link->command, link->parent_id);
        const struct fact *to = find_start(facts, link->trace, link->span_id);
        if (!from || !to || from->node == to->node || from->time_ns > to->time_ns) continue;
        struct span parent = {.node = from->node}, span = {.node = to->node, .start_ns = to->time_ns};
        if (add_span(spread, capacity, &parent, &span, to->trace, NULL)) return -ENOMEM;
    }
    return 0;
}

static int compare_places(const void *left, const void *right, void *items) {
    const struct fact *facts = items;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    int order = compare_numbers(facts[a].trace, facts[b].trace);
    return order ? order : compare_numbers(a, b);
}

/* Each trace separately, because span ids and packet numbers are only unique within one. */
static int find_by_traces(struct spread *spread, const struct facts *facts, const bool *traced) {
    size_t *places = calloc(facts->count + 1, sizeof *places), capacity = 0, next;
    int result = places ? 0 : -ENOMEM;
    if (spread->by == SPREAD_BY_MESSAGES) capacity = spread->delivery_count;
    for (size_t i = 0; !result && i < facts->count; i++) places[i] = i;
    if (!result) qsort_r(places, facts->count, sizeof *places, compare_places, facts->items);
    for (size_t i = 0; !result && i < facts->count; i = next) {
        unsigned trace = facts->items[places[i]].trace;
        for (next = i; next < facts->count && facts->items[places[next]].trace == trace;) next++;
        const struct trace_events events = {.facts = facts, .places = places + i, .count = next - i};
        if (trace != NO_NUMBER) result = find_of_trace(spread, &capacity, &events, trace, traced);
    }
    if (!result && spread->by != SPREAD_BY_MESSAGES) result = find_by_links(spread, &capacity, facts);
    free(places);
    return result;
}

int deliveries_find(struct spread *spread, const struct facts *facts, const bool *traced, bool one_key) {
    for (size_t i = 0; i < facts->count && spread->by == SPREAD_BY_NOTHING; i++)
        if (fact_is_message(&facts->items[i])) spread->by = SPREAD_BY_MESSAGES;
    if (spread->by == SPREAD_BY_MESSAGES && find_by_messages(spread, facts, one_key)) return -ENOMEM;
    if (find_by_traces(spread, facts, traced)) return -ENOMEM;
    if (spread->by == SPREAD_BY_NOTHING && spread->delivery_count) spread->by = SPREAD_BY_SPANS;
    return 0;
}
