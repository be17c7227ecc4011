/* SPDX-License-Identifier: MIT */
#include "small_store.h"

#include "fuzz.h"

#include <proto/event_table.h>

#define BEGIN_NS UINT64_C(1700000000000000000)
#define OF_EACH_KIND 5

/* Bytes that look like data: small numbers, large ones, and text now and then. */
static void fill(struct trace_event *event, unsigned number) {
    uint32_t noise = 2654435761U * (number + 1);
    for (size_t i = 0; i < sizeof event->data.bytes; i++) {
        noise = noise * 1664525U + 1013904223U;
        event->data.bytes[i] = noise >> 30 ? (uint8_t)(noise >> 28) : (uint8_t)('a' + number % 26);
    }
}

static struct trace_event make(uint16_t kind, unsigned number) {
    struct trace_event event = {.timestamp = BEGIN_NS + number * UINT64_C(1000000), .sequence = number / 2, .kind = kind};
    uint16_t cmd;
    fill(&event, number);
    event.trace_id.bytes[0] = (uint8_t)(0x10 + number % OF_EACH_KIND);
    event.flags = number % 3 ? TRACE_FLAG_HAS_PEER | TRACE_FLAG_SAMPLED : 0;
    event.peer_id.bytes[0] = number % 3 ? (uint8_t)(0xaa + number % 3) : 0;
    if (trace_event_app(&event, &cmd)) {
        memcpy((char *)trace_event_app(&event, &cmd), "TEST", 4);
        event.data.app_start.span_id = 1 + number % OF_EACH_KIND;
    }
    if (kind == TRACE_KIND_EVENTS_LOST) event.data.events_lost.count = 1 + number % 7;
    return event;
}

struct store *small_store_create(void) {
    static const struct trace_app app = {
        .app_id = "TEST",
        .name = "a test",
        .command_count = 1,
        .field_count = 3,
        .commands = {{7, "GO"}},
        .fields = {{"hash", TRACE_APP_HASH, 0, 8, 0}, {"size", TRACE_APP_UNSIGNED, 8, 4, 0}, {"path", TRACE_APP_TEXT, 12, 8, 0}}};
    struct node_info alice = {.node_id = {{0xaa, 1}}, .node_name = "alice", .log = 1, .lane_count = 2},
                     bob = {.node_id = {{0xbb, 2}}, .node_name = "bob", .log = 2, .lane_count = 2};
    struct store *store;
    unsigned kind_count, number = 0;
    uint32_t nodes[2];
    const struct trace_kind_info *kinds = trace_kind_table(&kind_count);
    REQUIRE(store_create(&store, HISTORY_BYTES_MIN) == 0);
    REQUIRE(store_add_node(store, &alice, NODE_UNKNOWN, &nodes[0]) == 0 &&
            store_add_node(store, &bob, NODE_UNKNOWN, &nodes[1]) == 0);
    store_add_app(store, nodes[0], &app);
    for (unsigned round = 0; round < OF_EACH_KIND; round++) {
        for (unsigned kind = 0; kind <= kind_count; kind++, number++) {
            struct trace_event event = make(kind < kind_count ? kinds[kind].id : 999, number);
            REQUIRE(store_append(store, nodes[number % 2], number % 4 / 2, &event, 1) == 0);
        }
    }
    store_close(store, 0);
    return store;
}
