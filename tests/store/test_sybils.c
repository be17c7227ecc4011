/* SPDX-License-Identifier: MIT
 *
 * What somebody can do to the history who makes up ids: as many peers, traces or nodes as he likes.  docs/security.md states what
 * is promised. */
#include <stdlib.h>
#include <urcu.h>

#include "store_fixture.h"
#include <store/ask.h>

#define HISTORY_BYTES ((size_t)120 << 20)

static struct store store;

static void setup(void) {
    store_enter_thread();
    ck_assert_int_eq(store_init(&store, HISTORY_BYTES), 0);
}

static void teardown(void) { store_fini(&store); }

static uint32_t add_node(uint32_t number) {
    struct node_info info = fixture_node("node", 1);
    uint32_t node;
    memcpy(info.node_id.bytes + 8, &number, sizeof number);
    ck_assert_int_eq(store_add_node(&store, &info, NODE_LIVE, &node), 0);
    return node;
}

static struct trace_id trace_of(uint64_t number) {
    struct trace_id id = {.bytes[0] = 0x10};
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static struct trace_node_id peer_of(uint64_t number) {
    struct trace_node_id id = {.bytes[0] = 0x20};
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static uint64_t clock_ns = FIXTURE_BEGIN_NS;
static uint32_t sequences[4096];

static void emit(uint32_t node, uint64_t trace, uint64_t peer) {
    struct trace_event event = {.timestamp = clock_ns += 1000,
                                .sequence = sequences[node]++,
                                .kind = TRACE_KIND_PACKET_SENT,
                                .flags = TRACE_FLAG_HAS_PEER,
                                .trace_id = trace_of(trace),
                                .peer_id = peer_of(peer),
                                .data.packet_sent.size = 100};
    ck_assert_int_eq(store_append(&store, node, 0, &event, 1), 0);
}

static struct history_stats stats(void) {
    struct history_stats stats;
    history_stats(store.history, &stats);
    return stats;
}

static uint64_t count(const struct history_query *query) {
    return history_count(store.history, query, 0, UINT64_MAX, false, NULL);
}

/* ---- peers --------------------------------------------------------------------------------------------------------------- */

#define HONEST 1000000000

/* One event in a hundred is of an honest peer. */
START_TEST(peers_push_out_no_event_and_change_no_answer) {
    uint32_t node = add_node(1);
    uint64_t honest = 0;
    const uint64_t events = 400000;
    for (uint64_t i = 0; i < events; i++) {
        bool other = i % 100 == 0;
        honest += other;
        emit(node, i / 1000, other ? HONEST : i);
    }
    struct history_stats now = stats();
    ck_assert_uint_ge(now.events, now.events_max - HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_eq(now.events + now.evicted, events);
    ck_assert_uint_gt(now.rare_peer_events, 0); /* it is said */
    struct history_query query = {.by_peer = true, .peer_id = peer_of(HONEST)};
    ck_assert_uint_eq(count(&query), (events - now.evicted + 99) / 100 - (now.evicted % 100 != 0));
    query.peer_id = peer_of(events - 1);
    ck_assert_uint_eq(count(&query), 1);
    query.peer_id = peer_of(events - 20000);
    ck_assert_uint_eq(count(&query), events - 20000 >= now.evicted && (events - 20000) % 100 ? 1 : 0);

    struct history_peer *peers;
    size_t rows, total;
    const struct history_peers_query first = {.limit = 10};
    ck_assert_int_eq(history_peers_first(store.history, &first, &peers, &rows, &total), 0);
    ck_assert_uint_eq(rows, 10);
    ck_assert_uint_eq(total, now.events - count(&(struct history_query){.by_peer = true, .peer_id = peer_of(HONEST)}) + 1);
    query.peer_id = peer_of(HONEST);
    ck_assert_mem_eq(&peers[0].peer_id, &query.peer_id, sizeof query.peer_id);
    ck_assert_uint_eq(peers[0].packets_sent, count(&(struct history_query){.by_peer = true, .peer_id = peer_of(HONEST)}));
    ck_assert_uint_eq(peers[1].events, 1);
    free(peers);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sybils");
    TCase *tcase = tcase_create("sybils");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, peers_push_out_no_event_and_change_no_answer);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
