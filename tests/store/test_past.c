/* SPDX-License-Identifier: MIT
 *
 * What methods answer with `at`: the same as from a store that has only what was there by then. */
#include "store_fixture.h"

#include <jansson.h>
#include <stdlib.h>
#include <store/ask.h>

#define BEGIN_NS UINT64_C(1700000000000000000)
#define STEP_NS UINT64_C(1000000)
#define NODES 4
#define EVENTS 600
#define ENDS_AT 400   /* node 2: traced noticed it 3 steps later */
#define STARTS_AT 300 /* node 3 */

static struct trace_node_id id_of(uint8_t number) {
    struct trace_node_id id = {{0}};
    memset(id.bytes, number, sizeof id.bytes);
    return id;
}

static uint64_t time_of(uint32_t step) { return BEGIN_NS + step * STEP_NS; }

/* Requests that begin, are passed on, and end, each 20 steps later than the one before, and overlap; packets both ways. */
static bool event_of(uint32_t step, uint32_t *ret_node, struct trace_event *ret_event) {
    static const uint16_t kinds[] = {TRACE_KIND_APP_START,   TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_RECEIVED,
                                     TRACE_KIND_PACKET_LOST, TRACE_KIND_METRICS,     TRACE_KIND_STREAM_DATA,
                                     TRACE_KIND_APP_END,     TRACE_KIND_EVENTS_LOST};
    uint32_t turn = step * 7919 % 104729, request = step / 20 - (step >= 20 ? turn % 2 : 0), node = turn % NODES;
    struct trace_event event = {
        .timestamp = time_of(step), .sequence = step, .kind = kinds[turn / 8 % 8], .flags = TRACE_FLAG_SAMPLED};
    uint8_t peer = (uint8_t)(1 + turn / 3 % (NODES + 1)); /* one is not traced */
    if (node == 3 && step < STARTS_AT) node = 0;
    if (node == 2 && step >= ENDS_AT) node = 1;
    if (event.kind == TRACE_KIND_APP_START) event.data.app_start.span_id = 100 + request, event.data.app_start.app_id[0] = 'A';
    if (event.kind == TRACE_KIND_APP_END) event.data.app_end.span_id = 100 + request, event.data.app_end.ok = turn % 3 > 0;
    if (event.kind == TRACE_KIND_STREAM_DATA) event.data.stream_data.sent = turn % 2;
    if (event.kind == TRACE_KIND_METRICS) event.data.metrics.rtt = 1000 + turn, event.data.metrics.min_rtt = 500 + turn % 99;
    if (event.kind == TRACE_KIND_PACKET_SENT || event.kind == TRACE_KIND_PACKET_RECEIVED)
        event.data.packet_sent.size = turn % 1200;
    if (event.kind == TRACE_KIND_EVENTS_LOST)
        event.data.events_lost.count = turn % 5, event.data.events_lost.cause = TRACE_LOSS_OVERWRITTEN;
    if (event.kind != TRACE_KIND_EVENTS_LOST) {
        event.trace_id.bytes[15] = (uint8_t)(1 + request);
        event.peer_id = id_of(peer == node + 1 ? NODES + 1 : peer);
        event.flags |= TRACE_FLAG_HAS_PEER;
    }
    *ret_node = event.kind == TRACE_KIND_APP_START || event.kind == TRACE_KIND_APP_END ? 0 : node;
    *ret_event = event;
    return event.kind != TRACE_KIND_CUSTOM;
}

/* What is known at a step. */
static struct store *store_at(uint32_t end) {
    struct store *store;
    uint32_t nodes[NODES];
    ck_assert_int_eq(store_create(&store, 0), 0);
    for (uint32_t i = 0; i < NODES; i++) {
        struct node_info info = {.node_id = id_of((uint8_t)(1 + i)), .log = 1 + i, .started_unix_ns = time_of(0) - 1};
        info.node_name[0] = (char)('a' + i);
        if (i == 3) info.started_unix_ns = time_of(STARTS_AT) - 1;
        if (info.started_unix_ns < time_of(end)) ck_assert_int_eq(store_add_node(store, &info, NODE_LIVE, &nodes[i]), 0);
    }
    for (uint32_t k = 0; k < EVENTS; k++) {
        uint32_t node, step = k ^ 1; /* not in the order of their times */
        struct trace_event event;
        if (step < end && event_of(step, &node, &event)) ck_assert_int_eq(store_append(store, nodes[node], 0, &event, 1), 0);
    }
    if (end >= ENDS_AT + 3) {
        nodes_set_ended(nodes_at(store->nodes, nodes[2]), time_of(ENDS_AT), time_of(ENDS_AT + 3));
        store_end_node(store, nodes[2], NODE_CRASHED);
    }
    store_close(store, time_of(end));
    return store;
}

static json_t *ask(struct store *store, const char *method, json_t *params_new) {
    struct trace_text text = {0};
    struct trace_rpc_error error = {0};
    ck_assert_msg(store_ask(store, method, params_new, &text, &error) == 0, "%s: %s", method, error.message);
    json_t *result = json_loadb(text.data, text.bytes, 0, NULL);
    ck_assert_ptr_nonnull(result);
    trace_text_fini(&text);
    json_decref(params_new);
    return result;
}

static void check_same(struct store *whole, struct store *then, const char *method, json_t *params_new, uint32_t step) {
    json_t *wanted = ask(then, method, json_deep_copy(params_new));
    json_object_set_new(params_new, "at", json_integer((json_int_t)(time_of(step) / 1000)));
    json_t *got = ask(whole, method, params_new);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(got, "nodes"), i, row) json_object_del(row, "lanes"); /* as they are now */
    json_array_foreach(json_object_get(wanted, "nodes"), i, row) json_object_del(row, "lanes");
    if (!json_equal(got, wanted))
        ck_abort_msg("%s at step %u:\n%s\n%s", method, step, json_dumps(got, JSON_SORT_KEYS), json_dumps(wanted, JSON_SORT_KEYS));
    json_decref(got);
    json_decref(wanted);
}

START_TEST(a_store_answers_as_it_did_then) {
    struct store *whole = store_at(EVENTS);
    for (uint32_t step = 1; step < EVENTS; step += step % 5 ? 3 : 14) {
        struct store *then = store_at(step);
        check_same(whole, then, "nodes", json_object(), step);
        check_same(whole, then, "peers", json_object(), step);
        if (step > STARTS_AT) check_same(whole, then, "peers", json_pack("{ss}", "node_id", "d"), step);
        check_same(whole, then, "traces", json_pack("{si}", "limit", 100), step);
        check_same(whole, then, "traces", json_pack("{sisssssi}", "limit", 100, "kind", "request", "order", "slowest", "from", 0),
                   step);
        check_same(whole, then, "traces", json_pack("{siss}", "limit", 5, "filter", "age > 20ms and any packet_lost"), step);
        check_same(whole, then, "requests", json_pack("{sssb}", "group_by", "node", "histogram", 1), step);
        store_destroy(then);
    }
    store_destroy(whole);
}
END_TEST

static const char *state_of(struct store *store, size_t index, uint32_t step) {
    static char state[16];
    json_t *nodes = ask(store, "nodes", json_pack("{sI}", "at", (json_int_t)(time_of(step) / 1000)));
    const json_t *node = json_array_get(json_object_get(nodes, "nodes"), index);
    snprintf(state, sizeof state, "%s", json_string_value(json_object_get(node, "state")));
    json_decref(nodes);
    return state;
}

/* Nobody watched it: when it ended is not known. */
START_TEST(what_became_of_a_node_whose_end_nobody_saw_is_unknown) {
    struct store *store;
    uint32_t node;
    struct trace_event event;
    struct node_info info = {.node_id = id_of(1), .log = 1, .started_unix_ns = time_of(0), .node_name = "a"};
    ck_assert_int_eq(store_create(&store, 0), 0);
    ck_assert_int_eq(store_add_node(store, &info, NODE_LIVE, &node), 0);
    for (uint32_t step = 1; step < 5; step++) {
        event = (struct trace_event){.timestamp = time_of(step), .kind = TRACE_KIND_CUSTOM};
        ck_assert_int_eq(store_append(store, node, 0, &event, 1), 0);
    }
    store_end_node(store, node, NODE_CRASHED);
    store_close(store, time_of(100));
    ck_assert_str_eq(state_of(store, 0, 4), "live");
    ck_assert_str_eq(state_of(store, 0, 5), "unknown");
    store_destroy(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("past");
    TCase *tcase = tcase_create("past");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_store_answers_as_it_did_then);
    tcase_add_test(tcase, what_became_of_a_node_whose_end_nobody_saw_is_unknown);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
