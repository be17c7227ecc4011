/* SPDX-License-Identifier: MIT */
#include "rings_store.h"

#include "process_logs.h"
#include "rings.h"
#include "source_store.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <stdio.h>
#include <store/ring_node.h>
#include <string.h>

/* Memory for one event in a store, with its indices. */
#define STORE_BYTES_EVENT 256

struct load {
    struct rings_visit visit;
    struct store *store;
    const struct rings *rings;
    uint32_t nodes[PROCESS_LOGS_MAX]; /* by ring */
};

static int load_event(struct rings_visit *visit, struct ring *ring, unsigned lane, const struct trace_event *event) {
    struct load *load = (struct load *)visit;
    return store_append(load->store, load->nodes[ring - load->rings->rings], lane, event, 1);
}

static int add_node(struct load *load, const struct ring *ring) {
    struct machine machine;
    machine_here(&machine);
    struct node_info node = node_info_of_ring(ring->reader, &machine, rings_started_ns(load->rings, ring));
    return store_add_node(load->store, &node, NODE_LIVE, &load->nodes[ring - load->rings->rings]);
}

/* After the events, because a node can register applications as late as before their first event. */
static void end_node(struct load *load, struct ring *ring) {
    static const enum node_state states[] = {[TRACE_NODE_EXITED] = NODE_EXITED, [TRACE_NODE_CRASHED] = NODE_CRASHED};
    uint32_t node = load->nodes[ring - load->rings->rings];
    struct trace_app app;
    for (unsigned i = 0; i < TRACE_APPS_MAX && !trace_reader_app(ring->reader, i, &app); i++)
        store_add_app(load->store, node, &app);
    if (ring->state == TRACE_NODE_EXITED)
        nodes_set_closed(nodes_at(load->store->nodes, node), rings_closed_ns(load->rings, ring), trace_now_unix_ns());
    if (ring->state != TRACE_NODE_LIVE) store_end_node(load->store, node, states[ring->state]);
}

static int load_rings(struct load *load, struct rings *rings) {
    int result = 0;
    load->rings = rings;
    for (unsigned i = 0; i < rings->count && !result; i++) result = add_node(load, &rings->rings[i]);
    rings_begin(rings, 0, true);
    (void)rings_state(rings);
    if (!result) result = rings_visit_all(rings, &load->visit);
    for (unsigned i = 0; i < rings->count && !result; i++) end_node(load, &rings->rings[i]);
    struct clock_step steps[CLOCK_STEPS_MAX];
    size_t step_count = clock_steps_copy(&rings->clock_steps, steps);
    for (size_t i = 0; i < step_count; i++) clock_steps_add(nodes_clock_steps(load->store->nodes), &steps[i]);
    if (!result) store_close(load->store, trace_now_unix_ns());
    return result;
}

static size_t store_bytes(const struct rings *rings) {
    size_t events = 0;
    for (unsigned i = 0; i < rings->count; i++) {
        const struct trace_reader_info *info = trace_reader_info(rings->rings[i].reader);
        events += (size_t)info->lane_count * info->lane_events;
    }
    return HISTORY_BYTES_MIN + events * STORE_BYTES_EVENT;
}

static void close_store(void *store) { store_destroy(store); }

int rings_store_open(struct source **ret_source, pid_t pid, struct failure *failure) {
    struct process_logs logs;
    struct rings rings;
    struct load load = {.visit = {load_event}};
    char title[64];
    process_logs_find(&logs, pid);
    if (!logs.count) return process_logs_missing(&logs, failure);
    if (rings_open(&rings, &logs, failure)) return -1;
    int result = store_create(&load.store, store_bytes(&rings));
    if (!result) result = load_rings(&load, &rings);
    rings_fini(&rings);
    if (result) {
        store_destroy(load.store);
        return failure_set(failure, EXIT_FAILED, "the log of process %d cannot be read: %s", (int)pid, strerror(-result));
    }
    snprintf(title, sizeof title, "the log of process %d", (int)pid);
    return source_store_open(ret_source, load.store, (struct source_store_owner){close_store, load.store}, title, failure);
}
