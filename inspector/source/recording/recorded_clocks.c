/* SPDX-License-Identifier: MIT */
#include "recorded_clocks.h"

#include "machine_clocks.h"

#include <errno.h>
#include <proto/event_clock.h>
#include <stdlib.h>
#include <store/history_image.h>
#include <urcu.h>

#define SEVERAL (UINT32_MAX - 1) /* machines */

struct recorded_clocks {
    struct store *store;
    struct alias_picture *aliases; /* or NULL: a packet's ends name each other by whatever id they know */
    struct machine_clocks *machines;
    const struct clocks *clocks;
    uint64_t *first, *last;     /* by node: the orders of its first and last event; 0: it has none */
    uint32_t *segment_machines; /* by segment: all its events' one, SEVERAL, or CLOCKS_NOBODY */
    uint32_t segment_count;
};

/* ---- reading ---- */

/* Adds what was picked of a segment. */
static int add_picked(struct recorded_clocks *clocks, const struct clock_ends *picked, struct clock_ends *ends) {
    for (size_t i = 0; i < picked->count; i++) {
        struct clock_end end = picked->items[i];
        struct history_item item;
        if (!history_at(clocks->store->history, end.order - 1, &item)) continue;
        uint32_t node = history_source_node(item.source);
        const struct trace_node_id *peer =
            alias_picture_resolve(clocks->aliases, node, item.event->timestamp, &item.event->peer_id);
        if (machine_clocks_end(clocks->machines, node, peer, &end) && clock_ends_add(ends, &end)) return -ENOMEM;
    }
    return 0;
}

static int read_segment(struct recorded_clocks *clocks, struct clock_ends *picked, struct clock_ends *ends, uint32_t segment) {
    uint64_t position = (uint64_t)segment * HISTORY_SEGMENT_EVENTS, end = position + HISTORY_SEGMENT_EVENTS;
    uint32_t *machine = &clocks->segment_machines[segment];
    bool first = true;
    clock_ends_clear(picked);
    for (; position < end; position++) {
        struct clock_end one = {.order = position + 1};
        struct history_item item;
        if (!history_at(clocks->store->history, position, &item)) continue;
        uint32_t node = history_source_node(item.source), its = machine_clocks_machine(clocks->machines, node);
        if (!clocks->first[node]) clocks->first[node] = one.order;
        clocks->last[node] = one.order;
        if (first) *machine = its;
        if (*machine != its) *machine = SEVERAL;
        first = false;
        one.time_ns = item.event->timestamp;
        if (clock_end_sample(item.event, &one.sample, &one.sent) && clock_ends_add(picked, &one)) return -ENOMEM;
    }
    clock_ends_pick(picked);
    return add_picked(clocks, picked, ends);
}

static int estimate(struct recorded_clocks *clocks) {
    struct clock_ends picked = {.max = CLOCK_SEGMENT_ENDS};
    struct clock_ends ends = {.max = clock_ends_max(machine_clocks_count(clocks->machines))};
    int result = 0;
    for (uint32_t i = 0; !result && i < clocks->segment_count; i++) result = read_segment(clocks, &picked, &ends, i);
    if (!result) result = machine_clocks_estimate(clocks->machines, &ends);
    if (!result) clocks->clocks = machine_clocks_estimated(clocks->machines);
    clock_ends_fini(&picked);
    clock_ends_fini(&ends);
    return result;
}

/* ---- times ---- */

static void show_event(void *context, uint32_t node, uint64_t position, struct trace_event *event) {
    const struct recorded_clocks *clocks = context;
    uint32_t machine = machine_clocks_machine(clocks->machines, node);
    if (machine == CLOCKS_NOBODY) return;
    event->timestamp = clocks_time(clocks->clocks, machine, position + 1, event->timestamp);
    if (clocks_is_known(clocks->clocks, machine)) trace_event_set_clock_steps(event, 0);
}

static bool show_bounds(void *context, uint32_t segment, uint64_t *min_ns, uint64_t *max_ns) {
    const struct recorded_clocks *clocks = context;
    uint32_t machine = clocks->segment_machines[segment];
    uint64_t first = (uint64_t)segment * HISTORY_SEGMENT_EVENTS + 1, least = *min_ns, greatest = *max_ns;
    if (machine == CLOCKS_NOBODY) return true;
    if (machine == SEVERAL) {
        clocks_widen(clocks->clocks, CLOCKS_NOBODY, min_ns, max_ns);
        if (least < *min_ns) *min_ns = least; /* some may be of a machine that is not known */
        if (greatest > *max_ns) *max_ns = greatest;
        return false;
    }
    clocks_widen(clocks->clocks, machine, min_ns, max_ns);
    if (!clocks_is_one(clocks->clocks, machine, first, first + HISTORY_SEGMENT_EVENTS - 1)) return false;
    *min_ns = clocks_time(clocks->clocks, machine, first, least);
    *max_ns = clocks_time(clocks->clocks, machine, first, greatest);
    return true;
}

/* When nodes began, said the last, and ended. */
static void show_nodes(const struct recorded_clocks *clocks) {
    for (uint32_t i = 0; i < nodes_count(clocks->store->nodes); i++) {
        struct node *node = nodes_at(clocks->store->nodes, i);
        uint32_t machine = machine_clocks_machine(clocks->machines, i);
        if (!node || machine == CLOCKS_NOBODY) continue;
        uint64_t last_ns = atomic_load_explicit(&node->last_unix_ns, memory_order_relaxed); /* relaxed: one thread */
        if (node->info.started_unix_ns)
            node->info.started_unix_ns = clocks_time(clocks->clocks, machine, clocks->first[i], node->info.started_unix_ns);
        uint64_t order = clocks->last[i] ? clocks->last[i] : UINT64_MAX;
        if (last_ns) last_ns = clocks_time(clocks->clocks, machine, order, last_ns);
        atomic_store_explicit(&node->last_unix_ns, last_ns, memory_order_relaxed);             /* relaxed: likewise */
        uint64_t after_ns = atomic_load_explicit(&node->ended_after_ns, memory_order_relaxed); /* relaxed: likewise */
        uint64_t by_ns = atomic_load_explicit(&node->ended_by_ns, memory_order_relaxed);       /* relaxed: likewise */
        if (after_ns) after_ns = clocks_time(clocks->clocks, machine, order, after_ns);
        if (by_ns)
            nodes_set_ended(node, after_ns, clocks_time(clocks->clocks, machine, order, by_ns));
        else if (after_ns)
            nodes_set_alive(node, after_ns);
    }
}

/* Most were said before the recording began. */
static void show_aliases(const struct recorded_clocks *clocks) {
    for (size_t i = 0; i < clocks->store->told_count; i++) {
        struct alias *said = &clocks->store->told[i];
        uint32_t machine = machine_clocks_machine(clocks->machines, said->node);
        if (machine != CLOCKS_NOBODY) said->time_ns = clocks_time(clocks->clocks, machine, 0, said->time_ns);
    }
}

static void show_all(struct recorded_clocks *clocks) {
    struct history_times times = {.event = show_event, .bounds = show_bounds, .context = clocks};
    struct history_stats stats;
    history_backed_set_times(clocks->store->history, &times);
    show_nodes(clocks);
    show_aliases(clocks);
    history_stats(clocks->store->history, &stats);
    atomic_store_explicit(&clocks->store->closed_ns, stats.last_ns + 1, memory_order_relaxed); /* relaxed: one thread */
}

/* ---- life ---- */

static int find_machines(struct recorded_clocks *clocks) {
    const struct nodes *nodes = clocks->store->nodes;
    uint32_t count = nodes_count(nodes);
    const struct node_info **infos = calloc((size_t)count + 1, sizeof *infos);
    if (!infos) return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(nodes, i);
        infos[i] = node ? &node->info : NULL;
    }
    int result = machine_clocks_create(&clocks->machines, infos, count);
    free(infos);
    return result;
}

int recorded_clocks_open(struct recorded_clocks **ret_clocks, struct store *store) {
    struct recorded_clocks *clocks = calloc(1, sizeof *clocks);
    *ret_clocks = NULL;
    if (!clocks) return -ENOMEM;
    clocks->store = store;
    clocks->aliases = alias_picture_take(store->aliases);
    int result = find_machines(clocks);
    if (!result && !clocks->machines) {
        recorded_clocks_close(clocks);
        return 0;
    }
    clocks->segment_count =
        (uint32_t)((history_end_position(store->history) + HISTORY_SEGMENT_EVENTS - 1) / HISTORY_SEGMENT_EVENTS);
    clocks->segment_machines = calloc((size_t)clocks->segment_count + 1, sizeof *clocks->segment_machines);
    clocks->first = calloc((size_t)nodes_count(store->nodes) + 1, sizeof *clocks->first);
    clocks->last = calloc((size_t)nodes_count(store->nodes) + 1, sizeof *clocks->last);
    if (!clocks->segment_machines || !clocks->first || !clocks->last) result = -ENOMEM;
    if (!result) result = estimate(clocks);
    if (result) {
        recorded_clocks_close(clocks);
        return result;
    }
    show_all(clocks);
    *ret_clocks = clocks;
    return 0;
}

void recorded_clocks_close(struct recorded_clocks *clocks) {
    if (!clocks) return;
    alias_picture_release(clocks->aliases);
    machine_clocks_destroy(clocks->machines);
    free(clocks->first);
    free(clocks->last);
    free(clocks->segment_machines);
    free(clocks);
}

void recorded_clocks_annotate(const struct recorded_clocks *clocks, const char *method, json_t *result) {
    machine_clocks_annotate(clocks->machines, method, result);
}
