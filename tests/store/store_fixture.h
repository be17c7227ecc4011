/* SPDX-License-Identifier: MIT
 *
 * A store for tests: three nodes (two of one name), two traces, one application, one loss; and requests for it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <store/store.h>
#include <string.h>

#define FIXTURE_BEGIN_NS UINT64_C(1700000000000000000)
#define FIXTURE_STEP_NS UINT64_C(1000000000)
#define FIXTURE_EVENTS 40 /* from the two nodes with events, one a second */

static inline struct node_info fixture_node(const char *name, uint8_t first_byte) {
    struct node_info info = {.log = first_byte, .started_unix_ns = FIXTURE_BEGIN_NS};
    info.node_id.bytes[0] = first_byte;
    info.node_id.bytes[31] = 1;
    snprintf(info.node_name, sizeof info.node_name, "%s", name);
    return info;
}

static inline struct trace_event fixture_event(uint32_t i) {
    struct trace_event event = {.timestamp = FIXTURE_BEGIN_NS + i * FIXTURE_STEP_NS,
                                .sequence = i,
                                .kind = TRACE_KIND_PACKET_SENT,
                                .flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER,
                                .data.packet_sent = {.packet_num = i, .size = (uint16_t)(100 + i)}};
    event.trace_id.bytes[0] = (uint8_t)(0x10 + i % 2);
    event.trace_id.bytes[15] = 1;
    event.peer_id.bytes[0] = i % 2 ? 0xaa : 0xbb;
    event.peer_id.bytes[31] = 1;
    if (i % 10 == 5) {
        event.kind = TRACE_KIND_APP_COMMAND;
        memcpy(event.data.app_command.app_id, "TEST", 4);
        event.data.app_command.cmd = 7;
    }
    return event;
}

/* Each number is a live node, or a trace. */
static inline uint32_t fixture_add_node(struct store *store, uint32_t number) {
    struct node_info info = fixture_node("node", 1);
    uint32_t node;
    memcpy(info.node_id.bytes + 8, &number, sizeof number);
    ck_assert_int_eq(store_add_node(store, &info, NODE_LIVE, &node), 0);
    return node;
}

static inline struct trace_id fixture_trace_id(uint64_t number) {
    struct trace_id id = {.bytes[0] = 0x10};
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static inline void fixture_fill(struct store *store) {
    struct node_info alice = fixture_node("alice", 0xaa), bob = fixture_node("bob", 0xbb), other = fixture_node("alice", 0xac);
    struct trace_app app = {.app_id = "TEST", .name = "a test", .command_count = 1, .commands = {{.cmd = 7, .name = "GO"}}};
    struct trace_event lost = {.timestamp = FIXTURE_BEGIN_NS + FIXTURE_EVENTS * FIXTURE_STEP_NS, .kind = TRACE_KIND_EVENTS_LOST};
    uint32_t nodes[3];
    lost.data.events_lost.count = 5;
    lost.data.events_lost.cause = TRACE_LOSS_OVERWRITTEN;
    ck_assert_int_eq(store_add_node(store, &alice, NODE_UNKNOWN, &nodes[0]), 0);
    ck_assert_int_eq(store_add_node(store, &bob, NODE_LIVE, &nodes[1]), 0);
    ck_assert_int_eq(store_add_node(store, &other, NODE_UNKNOWN, &nodes[2]), 0);
    store_add_app(store, nodes[0], &app);
    for (uint32_t i = 0; i < FIXTURE_EVENTS; i++) {
        struct trace_event event = fixture_event(i);
        ck_assert_int_eq(store_append(store, nodes[i % 2], i % 3, &event, 1), 0);
    }
    ck_assert_int_eq(store_append(store, nodes[0], 0, &lost, 1), 0);
    store_end_node(store, nodes[1], NODE_EXITED);
    store_close(store, 0);
}

/* Requests for all methods of the store: good ones, and bad ones of each kind. */
static const struct {
    const char *method, *params;
} fixture_requests[] = {
    {"nodes", NULL},
    {"nodes", "{}"},
    {"nodes", "{\"what\":1}"},
    {"apps", NULL},
    {"peers", NULL},
    {"peers", "{\"node_id\":\"bob\"}"},
    {"peers", "{\"node_id\":\"alice\"}"}, /* two have this name */
    {"peers", "{\"node_id\":\"nobody\"}"},
    {"peers", "{\"node_id\":\"a\"}"}, /* a prefix of two */
    {"peers", "{\"node_id\":\"dd\"}"},
    {"traces", NULL},
    {"traces", "{\"order\":\"slowest\",\"limit\":1}"},
    {"traces", "{\"filter\":\"events > 1\"}"},
    {"traces", "{\"filter\":\"events >\"}"},
    {"traces", "{\"order\":\"best\"}"},
    {"query", NULL},
    {"query", "{\"limit\":7}"},
    {"query", "{\"limit\":7,\"order\":\"desc\",\"total\":true,\"explain\":true}"},
    {"query", "{\"trace_id\":\"10000000000000000000000000000001\"}"}, /* small */
    {"query", "{\"trace_id\":\"1\"}"},                                /* a prefix of both */
    {"query", "{\"trace_id\":\"x\"}"},
    {"query", "{\"peer_id\":\"aa\",\"kind\":[\"app_command\",\"unknown\"]}"},
    {"query", "{\"from\":\"-5s\"}"},
    {"query", "{\"from\":\"-5s\",\"to\":\"-2s\"}"},
    {"query", "{\"to\":0}"},
    {"query", "{\"filter\":\"size > 120 and node == bob\"}"},
    {"query", "{\"filter\":\"command == GO\"}"},
    {"query", "{\"filter\":\"node == nobody\"}"},
    {"query", "{\"cursor\":\"00\"}"},
    {"query", "{\"limit\":0}"},
    {"count", NULL},
    {"count", "{\"group_by\":[\"kind\",\"peer\"],\"value\":\"size\",\"histogram\":true,\"explain\":true}"},
    {"count", "{\"group_by\":\"time.10s\",\"from\":\"-20s\"}"},
    {"count", "{\"group_by\":\"nothing\"}"},
    {"count", "{\"histogram\":true}"},
};
#define FIXTURE_REQUESTS (sizeof fixture_requests / sizeof *fixture_requests)

#endif
