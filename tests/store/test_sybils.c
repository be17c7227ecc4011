/* SPDX-License-Identifier: MIT
 *
 * What an attacker can do to the history with invented peers, traces or nodes. docs/security.md states the promises. */
#include "store_fixture.h"

#include <stdlib.h>
#include <store/history_image.h>
#include <urcu.h>

#define HISTORY_BYTES ((size_t)120 << 20)

static struct store store;

static void setup(void) {
    store_enter_thread();
    ck_assert_int_eq(store_init(&store, HISTORY_BYTES), 0);
}

static void teardown(void) { store_fini(&store); }

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
                                .trace_id = fixture_trace_id(trace),
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

/* One event in a hundred belongs to an honest peer. */
START_TEST(peers_evict_no_event_and_change_no_answer) {
    uint32_t node = fixture_add_node(&store, 1);
    const uint64_t events = 400000;
    for (uint64_t i = 0; i < events; i++) emit(node, i / 1000, i % 100 == 0 ? HONEST : i);
    struct history_stats now = stats();
    ck_assert_uint_ge(now.events, now.events_max - HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_eq(now.events + now.evicted, events);
    ck_assert_uint_gt(now.rare_peer_events, 0); /* it is reported */
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

/* ---- nodes --------------------------------------------------------------------------------------------------------------- */

static uint64_t events_of(uint32_t node) {
    uint64_t set[NODES_SET_WORDS] = {0};
    set[node / 64] = UINT64_C(1) << node % 64;
    return count(&(struct history_query){.by_node = true, .node_set = set, .node_set_bits = NODES_MAX});
}

/* Exactly its newest `expected` events are there, each once, in order. */
static void check_newest(uint32_t node, uint64_t expected) {
    uint64_t set[NODES_SET_WORDS] = {0};
    struct history_answer answer;
    set[node / 64] = UINT64_C(1) << node % 64;
    const struct history_query query = {.by_node = true, .node_set = set, .node_set_bits = NODES_MAX};
    ck_assert_int_eq(history_select(store.history, &query, 0, UINT64_MAX, 1000000, false, NULL, &answer), 0);
    ck_assert_uint_ge(answer.count, expected);
    for (size_t i = 0; i < answer.count; i++)
        ck_assert_uint_eq(answer.hits[i].event.sequence, sequences[node] - answer.count + i);
    history_answer_fini(&answer);
}

/* A node that emits one event in a thousand of the other's. */
START_TEST(a_loud_node_evicts_no_event_of_a_quiet_one) {
    uint32_t loud = fixture_add_node(&store, 1), quiet = fixture_add_node(&store, 2);
    uint64_t events = 0;
    for (uint64_t i = 0; i < 2500000; i++, events++) {
        emit(loud, i / 20, i % 1000);
        if (i % 1000 == 0) emit(quiet, HONEST + i / 4000, HONEST), events++;
        if (i % 700000 == 0) {
            check_newest(quiet, sequences[quiet]);
            struct history_stats now = stats();
            ck_assert_uint_eq(now.events + now.evicted, events + 1);
        }
    }
    check_newest(quiet, 2500);
    struct history_stats now = stats();
    ck_assert_uint_eq(now.events + now.evicted, events);
    ck_assert_uint_ge(now.events, now.events_max - HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_ge(now.kept, 2500 - 1000);
    check_newest(loud, events_of(loud));
    /* by trace, by peer, and in summaries they are unchanged; complete traces count as complete */
    const struct trace_id id = fixture_trace_id(HONEST + 100);
    ck_assert_uint_eq(count(&(struct history_query){.by_trace = true, .trace_id = id}), 4);
    ck_assert_uint_eq(count(&(struct history_query){.by_peer = true, .peer_id = peer_of(HONEST)}), 2500);
    struct history_trace *traces;
    size_t rows, total, complete = 0, of_quiet = 0;
    ck_assert_int_eq(history_traces(store.history, &(struct history_traces_query){.order = HISTORY_TRACES_OLDEST, .limit = 625},
                                    &traces, &rows, &total),
                     0);
    for (size_t i = 0; i < rows; i++) {
        of_quiet += traces[i].nodes[0] == quiet;
        complete += traces[i].nodes[0] == quiet && traces[i].events == 4 && !traces[i].truncated;
    }
    ck_assert_uint_ge(of_quiet, 500);
    ck_assert_uint_eq(complete, of_quiet);
    free(traces);
}
END_TEST

/* A recording has each event once: an image leaves out events copied from another segment. */
START_TEST(images_have_each_event_once) {
    uint32_t loud = fixture_add_node(&store, 1), quiet = fixture_add_node(&store, 2), sequence = 0;
    uint64_t next = 0, events = 0;
    char *image = malloc(history_image_bytes_max());
    for (uint64_t i = 0; i < 800000; i++) {
        struct history_segment_info info;
        struct history_layout layout;
        emit(loud, i / 20, i % 1000);
        if (i % 100 == 0) emit(quiet, HONEST + i, HONEST);
        if (history_end_position(store.history) / HISTORY_SEGMENT_EVENTS == next) continue;
        ck_assert_int_eq(history_image_take(store.history, next++, image, &info), 0);
        ck_assert(history_image_layout(&info.shape, &layout));
        const history_source *sources = (const history_source *)(image + layout.at[HISTORY_SOURCES]);
        const struct trace_event *list = (const struct trace_event *)(image + layout.at[HISTORY_EVENTS]);
        for (uint32_t k = 0; k < info.shape.events; k++)
            if (history_source_node(sources[k]) == quiet) ck_assert_uint_eq(list[k].sequence, sequence++);
        events += info.shape.events;
    }
    ck_assert_uint_gt(stats().kept, 0);
    ck_assert_uint_eq(events, next * HISTORY_SEGMENT_EVENTS - history_kept_before(store.history, next * HISTORY_SEGMENT_EVENTS));
    free(image);
}
END_TEST

/* The share is an eighth, and unused room of a node's equal part goes to the others. */
START_TEST(each_node_keeps_its_newest_events_up_to_its_share) {
    uint32_t loud = fixture_add_node(&store, 1), quiet[10];
    for (uint32_t i = 0; i < 10; i++) quiet[i] = fixture_add_node(&store, i + 2);
    uint64_t share = stats().events_max / 8;
    /* one emits much more than its share, then nothing; one almost nothing */
    for (uint64_t i = 0; i < 200000; i++) emit(quiet[0], i / 9, 5);
    emit(quiet[1], 1, 1);
    for (uint64_t i = 0; i < 3000000; i++) {
        emit(loud, HONEST + i / 20, i % 1000);
        if (i % 1000 == 0)
            for (uint32_t k = 2; k < 10; k++) emit(quiet[k], i, k);
    }
    check_newest(quiet[1], 1);
    for (uint32_t k = 2; k < 10; k++) check_newest(quiet[k], 3000);
    uint64_t left = share - 8 * 3000 - 1; /* for the first and the loud one, which has its own events anyway */
    check_newest(quiet[0], left / 2 - 1000);
    ck_assert_uint_le(events_of(quiet[0]), left);
    check_newest(loud, events_of(loud));
    ck_assert_uint_le(stats().kept, 2 * share);
}
END_TEST

/* The maximum number of nodes, all of one user. */
START_TEST(sybil_nodes_leave_each_its_part) {
    uint32_t quiet = fixture_add_node(&store, 0), first;
    uint64_t share;
    for (uint64_t i = 0; i < 30; i++) emit(quiet, HONEST + i, HONEST);
    first = fixture_add_node(&store, 1);
    for (uint32_t i = 2; i < 4000; i++) (void)fixture_add_node(&store, i);
    for (uint64_t i = 0; i < 1500000; i++) emit(first + i % 3999, i / 3, i % 100);
    share = stats().share;
    check_newest(quiet, share);
    ck_assert_uint_ge(share, stats().events_max / 8 / 4000);
    for (uint32_t i = 0; i < 3999; i += 100) check_newest(first + i, share);
}
END_TEST

/* A new trace for each event: the directory of traces has room for a quarter. */
START_TEST(sybil_traces_leave_a_quarter_and_the_shares) {
    uint32_t loud = fixture_add_node(&store, 1), quiet = fixture_add_node(&store, 2);
    for (uint64_t i = 0; i < 1500000; i++) {
        emit(loud, i, i % 1000);
        if (i % 1000 == 0) emit(quiet, HONEST + i, HONEST);
    }
    struct history_stats now = stats();
    ck_assert_uint_ge(now.events, now.events_max / 4 - HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_eq(now.events + now.evicted, 1501500);
    ck_assert_uint_gt(now.early, 0); /* it is reported */
    check_newest(quiet, 1500);
}
END_TEST

/* A new trace and peer for each event, from 4,000 nodes: a quarter of the history and all shares remain. */
START_TEST(all_at_once_leave_a_quarter) {
    uint32_t first = fixture_add_node(&store, 0);
    for (uint32_t i = 1; i < 4000; i++) (void)fixture_add_node(&store, i);
    for (uint64_t i = 0; i < 1000000; i++) emit(first + i % 4000, i, i);
    struct history_stats now = stats();
    ck_assert_uint_ge(now.events, now.events_max / 4 - HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_eq(now.events + now.evicted, 1000000);
    for (uint32_t i = 0; i < 4000; i += 100) check_newest(first + i, now.share);
}
END_TEST

/* Dead nodes have shares, but do not reduce those of the living forever. */
START_TEST(the_nodes_that_died_last_keep_their_shares) {
    uint32_t loud = fixture_add_node(&store, 1), node, index_max = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        node = fixture_add_node(&store, i + 2);
        if (node > index_max) index_max = node;
        for (uint64_t k = 0; k < 10; k++) emit(node, HONEST + i, i);
        store_end_node(&store, node, NODE_CRASHED);
        for (uint64_t k = 0; k < 1000; k++) emit(loud, k, k);
    }
    check_newest(node, 10);
    ck_assert_uint_eq(events_of(node), 10);
    ck_assert_uint_lt(index_max, 2900); /* indices are reused: the events of nodes that died earlier are gone */
    const struct trace_id id = fixture_trace_id(HONEST + 2999 - 200), old = fixture_trace_id(HONEST + 100);
    ck_assert_uint_eq(count(&(struct history_query){.by_trace = true, .trace_id = id}), 10);
    ck_assert_uint_eq(count(&(struct history_query){.by_trace = true, .trace_id = old}), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sybils");
    TCase *tcase = tcase_create("sybils");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, peers_evict_no_event_and_change_no_answer);
    tcase_add_test(tcase, images_have_each_event_once);
    tcase_add_test(tcase, a_loud_node_evicts_no_event_of_a_quiet_one);
    tcase_add_test(tcase, each_node_keeps_its_newest_events_up_to_its_share);
    tcase_add_test(tcase, sybil_nodes_leave_each_its_part);
    tcase_add_test(tcase, sybil_traces_leave_a_quarter_and_the_shares);
    tcase_add_test(tcase, all_at_once_leave_a_quarter);
    tcase_add_test(tcase, the_nodes_that_died_last_keep_their_shares);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
