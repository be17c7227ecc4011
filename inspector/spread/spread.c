/* SPDX-License-Identifier: MIT */
#include "spread.h"

#include "json_get.h"
#include "numbers.h"
#include "spread_internal.h"

#include <errno.h>
#include <stdlib.h>

bool *spread_traced_new(const struct facts *facts, const json_t *nodes) {
    bool *traced = calloc(intern_count(&facts->nodes) + 1, sizeof *traced);
    size_t i;
    const json_t *row;
    for (size_t k = 0; traced && k < facts->count; k++) traced[facts->items[k].node] = true;
    json_array_foreach(json_get_array(nodes, "nodes"), i, row) {
        unsigned node = intern_find(&facts->nodes, json_get_hex(row, "node_id", NODE_DIGITS));
        if (traced && node != NO_NUMBER) traced[node] = true;
    }
    return traced;
}

/* ---- which nodes were reached, and how ---- */

/* Deliveries that arrived, by time of arrival; then the others, by time of sending. */
static int compare_deliveries(const void *left, const void *right) {
    const struct delivery *a = left, *b = right;
    int order = compare_numbers(!a->received_ns, !b->received_ns);
    if (!order) order = compare_numbers(a->received_ns, b->received_ns);
    if (!order) order = compare_numbers(a->sent_ns, b->sent_ns);
    if (!order) order = compare_numbers(a->from, b->from);
    return order ? order : compare_numbers(a->to, b->to);
}

struct network {
    const struct facts *facts;
    size_t *reach; /* by node: an index in reached, or NO_POSITION */
    struct spread *spread;
};

static struct reach *add_reach(struct network *network, unsigned node, uint64_t time_ns) {
    struct spread *spread = network->spread;
    struct reach *reach = &spread->reached[spread->count];
    *reach = (struct reach){.node = node,
                            .parent = NO_POSITION,
                            .delivery = NO_POSITION,
                            .time_ns = time_ns,
                            .late = NO_POSITION,
                            .first_child = NO_POSITION,
                            .next_sibling = NO_POSITION};
    reach->stepped = spread->count && !facts_steady(network->facts, spread->start_ns, time_ns);
    reach->untimed =
        reach->stepped || (spread->count && !node_clocks_comparable(&network->facts->clocks, spread->reached->node, node, NULL));
    network->reach[node] = spread->count++;
    return reach;
}

/* The origin: the node of the first event that sends the thing, or has it without having received it. */
static void add_origin(struct network *network) {
    const struct facts *facts = network->facts;
    const struct fact *first = &facts->items[0];
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_EVENTS_LOST || fact->kind == FACT_LINK) continue;
        if (fact->trace == NO_NUMBER && !fact_is_message(fact)) continue;
        first = fact;
        break;
    }
    bool came = first->kind == FACT_MESSAGE_RECEIVED && first->peer != NO_NUMBER; /* its sender has no events */
    struct reach *origin = add_reach(network, came ? first->peer : first->node, first->time_ns);
    origin->on_tree = true;
    network->spread->start_ns = first->time_ns;
}

static void fill_step(struct reach *reach, const struct reach *parent, const struct delivery *delivery) {
    uint64_t from_ns = parent->time_ns;
    if (reach->untimed || parent->untimed) return;
    reach->sent_known = delivery->sent_ns && delivery->sent_ns >= from_ns && delivery->sent_ns <= delivery->received_ns;
    if (reach->sent_known) {
        reach->held_ns = delivery->sent_ns - from_ns;
        from_ns = delivery->sent_ns;
    }
    reach->link_ns = delivery->received_ns > from_ns ? delivery->received_ns - from_ns : 0;
}

static void take_delivery(struct network *network, size_t place) {
    struct spread *spread = network->spread;
    const struct delivery *delivery = &spread->deliveries[place];
    if (!delivery->received_ns || delivery->to == NO_NUMBER || network->reach[delivery->to] != NO_POSITION) return;
    size_t parent = delivery->from == NO_NUMBER ? NO_POSITION : network->reach[delivery->from];
    struct reach *reach = add_reach(network, delivery->to, delivery->received_ns);
    reach->delivery = place;
    reach->parent = parent;
    if (parent == NO_POSITION) return;
    reach->on_tree = spread->reached[parent].on_tree;
    reach->hops = reach->on_tree ? spread->reached[parent].hops + 1 : 0;
    if (reach->hops > spread->hops_max) spread->hops_max = reach->hops;
    fill_step(reach, &spread->reached[parent], delivery);
}

/* Adds nodes that took part although no event shows how the thing reached them. */
static void add_others(struct network *network) {
    for (size_t i = 0; i < network->facts->count; i++) {
        const struct fact *fact = &network->facts->items[i];
        if (fact->kind == FACT_EVENTS_LOST || network->reach[fact->node] != NO_POSITION) continue;
        if (fact->trace != NO_NUMBER || fact_is_message(fact)) add_reach(network, fact->node, fact->time_ns);
    }
}

static void link_children(struct spread *spread) {
    for (size_t i = spread->count; i-- > 0;) {
        struct reach *reach = &spread->reached[i];
        if (reach->parent == NO_POSITION) continue;
        reach->next_sibling = spread->reached[reach->parent].first_child;
        spread->reached[reach->parent].first_child = i;
    }
}

/* ---- duplicates, and what never arrived ---- */

/* The types that spread are those by which nodes were reached. */
static int find_other_sorts(struct spread *spread, const struct facts *facts) {
    unsigned count = intern_count(&facts->commands);
    bool *spreads = calloc(count + 1, sizeof *spreads); /* the last: no type */
    bool any = false;
    if (!spreads) return -ENOMEM;
    for (size_t i = 0; i < spread->count; i++) {
        if (spread->reached[i].delivery == NO_POSITION) continue;
        unsigned type = spread->deliveries[spread->reached[i].delivery].type;
        spreads[type == NO_NUMBER ? count : type] = any = true;
    }
    for (size_t i = 0; i < spread->delivery_count; i++) {
        unsigned type = spread->deliveries[i].type;
        spread->deliveries[i].other_sort = any && !spreads[type == NO_NUMBER ? count : type];
    }
    free(spreads);
    return 0;
}

static void count_deliveries(struct network *network, const bool *traced) {
    struct spread *spread = network->spread;
    for (size_t i = 0; i < spread->delivery_count; i++) {
        const struct delivery *delivery = &spread->deliveries[i];
        size_t to = delivery->to == NO_NUMBER ? NO_POSITION : network->reach[delivery->to];
        if (delivery->other_sort) {
            spread->others++;
            continue;
        }
        spread->messages += delivery->sends;
        spread->arrived += delivery->receives;
        if (!delivery->receives) {
            (*(delivery->to != NO_NUMBER && traced[delivery->to] ? &spread->lost : &spread->untraced))++;
            continue;
        }
        unsigned first = to != NO_POSITION && spread->reached[to].delivery == i;
        spread->duplicates += delivery->receives - first;
        if (to != NO_POSITION) spread->reached[to].duplicates += delivery->receives - first;
    }
}

/* ---- figures ---- */

/* The nearest rank: the least of the times that at least this percentage of them do not exceed. */
static uint64_t percentile(const uint64_t *times, size_t count, unsigned percent) {
    return count ? times[(count * percent + 99) / 100 - 1] : 0;
}

static int compare_times(const void *left, const void *right) {
    return compare_numbers(*(const uint64_t *)left, *(const uint64_t *)right);
}

static int find_percentiles(struct spread *spread) {
    uint64_t *times = calloc(spread->count + 1, sizeof *times);
    if (!times) return -ENOMEM;
    for (size_t i = 1; i < spread->count; i++)
        if (!spread->reached[i].untimed) times[spread->timed++] = spread->reached[i].time_ns - spread->start_ns;
    qsort(times, spread->timed, sizeof *times, compare_times);
    spread->p50_ns = percentile(times, spread->timed, 50);
    spread->p90_ns = percentile(times, spread->timed, 90);
    spread->last_ns = percentile(times, spread->timed, 100);
    free(times);
    return 0;
}

double spread_redundancy(const struct spread *spread) {
    size_t brought = 0;
    for (size_t i = 0; i < spread->count; i++) brought += spread->reached[i].delivery != NO_POSITION;
    return brought ? (double)spread->duplicates / (double)brought : 0;
}

/* ---- the spread ---- */

static int find_reached(struct spread *spread, const struct facts *facts, const bool *traced) {
    unsigned nodes = intern_count(&facts->nodes);
    struct network network = {.facts = facts, .spread = spread, .reach = calloc(nodes + 1, sizeof *network.reach)};
    spread->reached = calloc(nodes + 1, sizeof *spread->reached);
    int result = network.reach && spread->reached ? 0 : -ENOMEM;
    for (unsigned i = 0; !result && i < nodes; i++) network.reach[i] = NO_POSITION;
    if (!result && facts->count) {
        if (spread->delivery_count)
            qsort(spread->deliveries, spread->delivery_count, sizeof *spread->deliveries, compare_deliveries);
        add_origin(&network);
        for (size_t i = 0; i < spread->delivery_count; i++) take_delivery(&network, i);
        add_others(&network);
        result = find_other_sorts(spread, facts);
        if (!result) count_deliveries(&network, traced);
        link_children(spread);
    }
    free(network.reach);
    return result;
}

int spread_init(struct spread *spread, const struct facts *facts, const bool *traced, bool one_key) {
    *spread = (struct spread){0};
    int result = deliveries_find(spread, facts, traced, one_key);
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].kind == FACT_EVENTS_LOST) spread->events_missing += facts->items[i].missing;
    if (!result) result = find_reached(spread, facts, traced);
    if (!result) result = find_percentiles(spread);
    if (!result) result = questions_of_messages(&spread->questions, facts, traced);
    if (!result) result = culprits_find(spread, facts);
    if (result) spread_fini(spread);
    return result;
}

void spread_fini(struct spread *spread) {
    free(spread->deliveries);
    free(spread->reached);
    free(spread->culprits);
    questions_fini(&spread->questions);
    *spread = (struct spread){0};
}
