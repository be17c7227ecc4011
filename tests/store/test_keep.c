/* SPDX-License-Identifier: MIT
 *
 * Traces kept longer than others (store/keep.h), no matter what else fills the history.  The appending thread judges them
 * itself where it would wake the judging thread, so every run is the same. */
#include "history_internal.h"
#include "store_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <store/history_image.h>
#include <store/history_keep.h>
#include <store/keep.h>
#include <urcu.h>

#define HISTORY_BYTES ((size_t)120 << 20)
#define FAILED 1000000000
#define FINE 2000000000

static struct store store;
static struct keep *keep;
static bool late; /* nobody judges */
static uint64_t clock_ns = FIXTURE_BEGIN_NS, emitted;
static uint32_t sequences[4096];

static void due(void *arg) {
    static const _Atomic bool never;
    (void)arg;
    if (!late) keep_judge(keep, &never);
}

static void setup(void) {
    struct trace_rpc_error error = {0};
    store_enter_thread();
    ck_assert_int_eq(store_init(&store, HISTORY_BYTES), 0);
    ck_assert_int_eq(keep_create(&keep, &store, "any (app_end and not ok)", due, NULL, &error), 0);
}

static void teardown(void) {
    keep_destroy(keep);
    store_fini(&store);
}

static void append(uint32_t node, uint64_t trace, struct trace_event event) {
    event.timestamp = clock_ns += 1000;
    event.sequence = sequences[node]++;
    event.trace_id = fixture_trace_id(trace);
    ck_assert_int_eq(store_append(&store, node, 0, &event, 1), 0);
    emitted++;
}

static void emit(uint32_t node, uint64_t trace) {
    append(node, trace, (struct trace_event){.kind = TRACE_KIND_PACKET_SENT, .data.packet_sent.size = 100});
}

static void start(uint32_t node, uint64_t trace) {
    append(node, trace, (struct trace_event){.kind = TRACE_KIND_APP_START, .data.app_start = {.span_id = 1, .app_id = "TEST"}});
}

static void end(uint32_t node, uint64_t trace, bool ok) {
    append(node, trace,
           (struct trace_event){.kind = TRACE_KIND_APP_END, .data.app_end = {.span_id = 1, .app_id = "TEST", .ok = ok}});
}

/* A trace of ten events. */
static void request(uint32_t node, uint32_t other, uint64_t trace, bool ok) {
    start(node, trace);
    for (unsigned i = 0; i < 4; i++) emit(node, trace), emit(other, trace);
    end(node, trace, ok);
}

/* Events of unrelated traces. */
static void flood(uint32_t node, uint64_t count) {
    static uint64_t number;
    for (uint64_t i = 0; i < count; i++, number++) emit(node, number / 20);
}

static struct history_stats stats(void) {
    struct history_stats stats;
    history_stats(store.history, &stats);
    ck_assert_uint_eq(stats.events + stats.evicted, emitted);
    return stats;
}

static struct history_keep_stats keep_stats(void) {
    struct history_keep_stats stats;
    ck_assert(history_keep_stats(store.history, &stats));
    return stats;
}

static uint64_t count_of(uint64_t trace) {
    const struct history_query query = {.by_trace = true, .trace_id = fixture_trace_id(trace)};
    return history_count(store.history, &query, 0, UINT64_MAX, false, NULL);
}

static bool is_this(void *context, const struct history_trace *trace) {
    return !memcmp(context, &trace->trace_id, sizeof trace->trace_id);
}

static void see(void *context, const struct trace_event *event, history_source source) {
    (void)context;
    (void)event;
    (void)source;
}

/* What `traces` says about it. */
static struct history_trace summary_of(uint64_t number) {
    struct trace_id id = fixture_trace_id(number);
    const struct history_trace_test test = {&id, see, is_this};
    const struct history_traces_query query = {.test = &test, .limit = 2};
    struct history_trace *traces, trace = {0};
    size_t count, total;
    ck_assert_int_eq(history_traces(store.history, &query, &traces, &count, &total), 0);
    ck_assert_uint_le(count, 1);
    if (count) trace = traces[0];
    free(traces);
    return trace;
}

static void check_whole(uint64_t trace, uint64_t events) {
    struct history_trace summary = summary_of(trace);
    ck_assert_uint_eq(count_of(trace), events);
    ck_assert_uint_eq(summary.events, events);
    ck_assert_int_eq(summary.outcome, HISTORY_OUTCOME_FAILED);
    ck_assert(!summary.truncated);
}

/* Both nodes emit much more than their shares. */
START_TEST(a_failed_trace_stays_whole_and_a_successful_one_is_evicted) {
    uint32_t one = fixture_add_node(&store, 1), other = fixture_add_node(&store, 2);
    request(one, other, FAILED, false);
    request(one, other, FINE, true);
    for (unsigned i = 0; i < 20; i++) {
        flood(one, 60000);
        flood(other, 60000);
        if (i == 10) request(one, other, FAILED + 1, false);
    }
    check_whole(FAILED, 10);
    check_whole(FAILED + 1, 10);
    ck_assert_uint_eq(count_of(FINE), 0);
    struct history_keep_stats now = keep_stats();
    ck_assert_uint_ge(now.traces, 1); /* the second may be too new to have been judged */
    ck_assert_uint_eq(now.given_up + now.unjudged + now.events_lost, 0);
    ck_assert_uint_gt(stats().evicted, 2 * stats().events_max);
}
END_TEST

/* Its events come in many segments, and it is still open when the first of them is sealed. */
START_TEST(a_trace_in_many_segments_stays_whole) {
    uint32_t node = fixture_add_node(&store, 1);
    uint64_t events = 2;
    start(node, FAILED);
    for (unsigned i = 0; i < 60; i++) {
        flood(node, stats().events_max / 100);
        emit(node, FAILED), events++;
    }
    end(node, FAILED, false);
    for (unsigned i = 0; i < 30; i++) flood(node, stats().events_max / 10);
    check_whole(FAILED, events);
    ck_assert_uint_eq(keep_stats().traces, 1);
    ck_assert_uint_eq(keep_stats().events, events);
    ck_assert_uint_eq(stats().kept, events); /* and nothing else is kept */
}
END_TEST

/* A node whose traces all fail evicts only its own. */
START_TEST(a_flood_of_failed_traces_evicts_none_of_another_node) {
    uint32_t honest = fixture_add_node(&store, 1), sybil = fixture_add_node(&store, 2);
    for (uint64_t i = 0; i < 100; i++) request(honest, honest, FAILED + i, false);
    for (unsigned i = 0; i < 20; i++) flood(honest, 20000);
    for (uint64_t i = 0; i < 100000; i++) request(sybil, sybil, FINE + i, false);
    for (uint64_t i = 0; i < 100; i++) check_whole(FAILED + i, 10);
    struct history_keep_stats now = keep_stats();
    ck_assert_uint_gt(now.given_up, 0); /* it is reported */
    ck_assert_uint_le(now.events, now.events_max);
    ck_assert_uint_gt(now.traces, 1000);
    ck_assert_uint_eq(now.unjudged + now.events_lost, 0);
    (void)stats();
}
END_TEST

/* Within a node, the traces that ended last are kept. */
START_TEST(the_oldest_traces_are_dropped_when_room_runs_out) {
    uint32_t node = fixture_add_node(&store, 1);
    uint64_t room = keep_stats().events_max / 10, traces = 4 * room, whole = 0, first = 0;
    for (uint64_t i = 0; i < traces; i++) request(node, node, FAILED + i, false);
    for (unsigned i = 0; i < 20; i++) flood(node, stats().events_max / 10);
    for (uint64_t i = 0; i < traces; i++) {
        uint64_t count = count_of(FAILED + i);
        ck_assert(count == 10 || count == 0 || i < traces - room);
        if (count == 10 && !whole++) first = i;
    }
    ck_assert_uint_eq(keep_stats().traces, whole);
    ck_assert_uint_eq(keep_stats().given_up, traces - whole);
    ck_assert_uint_eq(first, traces - whole);
    ck_assert_uint_ge(whole, HISTORY_KEEP_TRACES_MAX < room ? HISTORY_KEEP_TRACES_MAX / 2 : room / 2);
}
END_TEST

START_TEST(a_trace_that_is_too_long_is_dropped) {
    uint32_t node = fixture_add_node(&store, 1);
    start(node, FAILED);
    for (uint64_t i = 0; i <= keep_stats().events_max / 4; i++) emit(node, FAILED);
    end(node, FAILED, false);
    request(node, node, FAILED + 1, false);
    for (unsigned i = 0; i < 30; i++) flood(node, stats().events_max / 10);
    ck_assert_uint_eq(count_of(FAILED), 0);
    check_whole(FAILED + 1, 10);
    ck_assert_uint_eq(keep_stats().given_up, 1);
}
END_TEST

/* A trace counts for the node that began it, even if another node emitted its first event. */
START_TEST(traces_count_for_the_node_of_their_root) {
    uint32_t honest = fixture_add_node(&store, 1), sybil = fixture_add_node(&store, 2);
    for (uint64_t i = 0; i < 100; i++) request(honest, honest, FAILED + i, false);
    for (unsigned i = 0; i < 20; i++) flood(honest, 20000);
    for (uint64_t i = 0; i < 100000; i++) {
        emit(honest, FINE + i);
        request(sybil, sybil, FINE + i, false);
    }
    for (uint64_t i = 0; i < 100; i++) check_whole(FAILED + i, 10);
    ck_assert_uint_gt(keep_stats().given_up, 0);
}
END_TEST

/* Like sybils: a new trace for each event, so segments are evicted early. */
START_TEST(a_flood_of_traces_evicts_no_failed_one) {
    uint32_t node = fixture_add_node(&store, 1);
    request(node, node, FAILED, false);
    for (uint64_t i = 0; i < 1500000; i++) emit(node, FINE + i);
    ck_assert_uint_gt(stats().early, 0);
    check_whole(FAILED, 10);
    ck_assert_uint_eq(keep_stats().unjudged, 0);
}
END_TEST

/* Earlier verdicts stay valid while nobody judges; unjudged traces are counted. */
START_TEST(a_late_judge_keeps_earlier_verdicts_and_is_counted) {
    uint32_t node = fixture_add_node(&store, 1);
    request(node, node, FAILED, false);
    for (unsigned i = 0; i < 30; i++) flood(node, stats().events_max / 10);
    check_whole(FAILED, 10);
    late = true;
    request(node, node, FAILED + 1, false);
    for (unsigned i = 0; i < 30; i++) flood(node, stats().events_max / 10);
    check_whole(FAILED, 10);
    ck_assert_uint_eq(count_of(FAILED + 1), 0);
    ck_assert_uint_gt(keep_stats().unjudged, 0);
    late = false;
    for (unsigned i = 0; i < 30; i++) flood(node, stats().events_max / 10);
    check_whole(FAILED, 10);
}
END_TEST

/* The index of a node that died long ago is finally reused: its traces do not keep it. */
START_TEST(traces_of_the_long_dead_go_and_are_counted) {
    uint32_t loud = fixture_add_node(&store, 1), index_max = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t node = fixture_add_node(&store, i + 2);
        if (node > index_max) index_max = node;
        request(node, node, FAILED + i, false);
        store_end_node(&store, node, NODE_CRASHED);
        flood(loud, 400);
    }
    check_whole(FAILED + 2999 - 200, 10);
    ck_assert_uint_eq(count_of(FAILED + 100), 0);
    ck_assert_uint_gt(keep_stats().events_lost, 0);
    ck_assert_uint_lt(index_max, 2900);
    ck_assert_uint_lt(keep_stats().traces, 500); /* evicted ones are no longer counted */
    (void)stats();
}
END_TEST

/* When a node's kept traces are gone, it is forgotten, and its index is free. */
START_TEST(events_that_only_their_trace_keeps_count_for_their_node) {
    uint32_t loud = fixture_add_node(&store, 1), node = fixture_add_node(&store, 2);
    request(node, node, FAILED, false);
    for (unsigned i = 0; i < 20; i++) flood(node, stats().events_max / 10);
    check_whole(FAILED, 10);
    store_end_node(&store, node, NODE_CRASHED);
    for (unsigned i = 0; i < 20; i++) flood(loud, stats().events_max / 10);
    ck_assert(history_has_node(store.history, node)); /* it has its share */
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t other = fixture_add_node(&store, i + 3);
        emit(other, FINE + i);
        store_end_node(&store, other, NODE_CRASHED);
    }
    for (unsigned i = 0; i < 30; i++) flood(loud, stats().events_max / 10);
    ck_assert_uint_eq(keep_stats().events_lost, 10);
    ck_assert_uint_eq(count_of(FAILED), 0);
    ck_assert(!history_has_node(store.history, node));
}
END_TEST

/* The smallest history: all segments except the newest are judged, and the newest only when it is full. */
START_TEST(a_small_history_keeps_them_too) {
    const uint64_t every = 10000;
    size_t bytes = (size_t)4 << 20;
    uint64_t requests = 0, expected;
    teardown();
    while (store_init(&store, bytes)) bytes += (size_t)1 << 20;
    ck_assert_int_eq(keep_create(&keep, &store, "any (app_end and not ok)", due, NULL, &(struct trace_rpc_error){0}), 0);
    uint32_t node = fixture_add_node(&store, 1);
    for (uint64_t i = 0; i < 1000000; i++) {
        if (i % every == 0) request(node, node, FAILED + requests++, false);
        flood(node, 1);
    }
    ck_assert_uint_le(stats().events_max, 2 * HISTORY_SEGMENT_EVENTS);
    expected = requests < keep_stats().events_max / 10 / 2 ? requests : keep_stats().events_max / 10 / 2;
    for (uint64_t i = requests - expected; i < requests; i++) check_whole(FAILED + i, 10);
    ck_assert_uint_eq(keep_stats().unjudged + keep_stats().given_up, 0);
}
END_TEST

/* ---- events that move while a trace is examined ------------------------------------------------------------------------- */

static struct {
    struct history_work work;
    uint64_t until; /* the pause lasts until the history begins at this position */
    uint32_t node;
    unsigned pauses;
    bool failed;
} moving;

/* Called between the trace's first event and its last: both are moved in the meantime. */
static void move(void *arg) {
    (void)arg;
    while (history_begin_position(store.history) < moving.until) flood(moving.node, 1000);
    moving.pauses++;
}

static void see_slowly(void *context, const struct trace_event *event, history_source source) {
    const struct trace_id id = fixture_trace_id(FAILED);
    (void)context;
    (void)source;
    if (memcmp(&event->trace_id, &id, sizeof id)) return;
    moving.failed |= event->kind == TRACE_KIND_APP_END && !event->data.app_end.ok;
    if (event->kind == TRACE_KIND_APP_START) moving.work.done += 1000000; /* more than under one lock */
}

static bool was_seen_to_fail(void *context, const struct history_trace *trace) {
    bool failed = moving.failed;
    (void)context;
    (void)trace;
    moving.failed = false;
    return failed;
}

/* The segment of the trace's event of that kind. */
static uint64_t segment_of(uint64_t trace, uint16_t kind) {
    const struct history_query query = {.by_trace = true, .trace_id = fixture_trace_id(trace), .kinds = UINT64_C(1) << kind};
    struct history_answer answer;
    ck_assert_int_eq(history_select(store.history, &query, 0, UINT64_MAX, 2, false, NULL, &answer), 0);
    ck_assert_uint_eq(answer.count, 1);
    uint64_t segment = answer.hits[0].position / HISTORY_SEGMENT_EVENTS;
    history_answer_fini(&answer);
    return segment;
}

START_TEST(a_trace_that_moves_while_it_is_judged_is_judged_whole) {
    const struct history_trace_test test = {NULL, see_slowly, was_seen_to_fail};
    uint64_t first;
    moving.node = fixture_add_node(&store, 1);
    moving.work.pause = move;
    start(moving.node, FAILED);
    flood(moving.node, HISTORY_SEGMENT_EVENTS);
    end(moving.node, FAILED, false);
    flood(moving.node, stats().events_max); /* it is judged, and moves */
    late = true;
    first = segment_of(FAILED, TRACE_KIND_APP_START);
    ck_assert_uint_ge(first, 2);
    ck_assert_uint_eq(segment_of(FAILED, TRACE_KIND_APP_END), first + 1);
    while (history_begin_position(store.history) < first * HISTORY_SEGMENT_EVENTS) flood(moving.node, 1000);
    moving.until = (first + 2) * HISTORY_SEGMENT_EVENTS;
    ck_assert_int_eq(history_keep_judge(store.history, &test, &moving.work), 0);
    ck_assert_uint_ge(moving.pauses, 1);
    ck_assert_uint_ge(history_begin_position(store.history), moving.until);
    flood(moving.node, 2 * stats().events_max);
    check_whole(FAILED, 2);
}
END_TEST

/* ---- a decision that comes while events are copied ---------------------------------------------------------------------- */

/* The state in which the ingest thread leaves a tally if it copied the trace's events during the decision. */
static void leave_kept(uint64_t trace, uint64_t segment) {
    struct trace_id id = fixture_trace_id(trace);
    bool whole = true;
    struct trace_tally *tally = history__find_trace(history__segment_bounds(store.history, segment), &id,
                                                    history__hash_trace(store.history, &id), &whole);
    ck_assert_ptr_nonnull(tally);
    history__kept_store(tally, TRACE_KEPT);
}

START_TEST(events_no_longer_kept_are_evicted_eventually) {
    uint32_t node = fixture_add_node(&store, 1);
    request(node, node, FINE, true);
    start(node, FINE + 1);
    flood(node, HISTORY_SEGMENT_EVENTS);
    end(node, FINE + 1, false);
    leave_kept(FINE, 0);
    leave_kept(FINE + 1, 1); /* and not its first event: it will be truncated */
    late = true;
    while (history_begin_position(store.history) == 0) flood(node, 1000);
    late = false;
    ck_assert_uint_eq(count_of(FINE), 10);
    ck_assert_uint_eq(count_of(FINE + 1), 1);
    flood(node, 3 * stats().events_max);
    ck_assert_uint_eq(count_of(FINE), 0);
    ck_assert_uint_eq(count_of(FINE + 1), 0);
    ck_assert_uint_eq(stats().kept, 0);
}
END_TEST

/* A recording has each event of a kept trace once. */
START_TEST(images_have_each_event_once) {
    uint32_t node = fixture_add_node(&store, 1);
    uint64_t next = 0, failed = 0, in_images = 0;
    char *image = malloc(history_image_bytes_max());
    ck_assert_ptr_nonnull(image);
    for (uint64_t i = 0; i < 1500000; i++) {
        struct history_segment_info info;
        struct history_layout layout;
        struct trace_id id;
        if (i % 1000 == 0) request(node, node, FAILED, false), failed += 10;
        flood(node, 1);
        if (history_end_position(store.history) / HISTORY_SEGMENT_EVENTS == next) continue;
        int error = history_image_take(store.history, next++, image, &info);
        if (error == -ENODATA) continue;
        ck_assert_int_eq(error, 0);
        ck_assert(history_image_layout(&info.shape, &layout));
        const struct trace_event *list = (const struct trace_event *)(image + layout.at[HISTORY_EVENTS]);
        id = fixture_trace_id(FAILED);
        for (uint32_t k = 0; k < info.shape.events; k++) in_images += !memcmp(&list[k].trace_id, &id, sizeof id);
    }
    ck_assert_uint_gt(stats().kept, 0);
    ck_assert_uint_eq(count_of(FAILED), failed);
    for (uint64_t at = next * HISTORY_SEGMENT_EVENTS; at < history_end_position(store.history); at++) {
        struct trace_id id = fixture_trace_id(FAILED);
        struct history_item item;
        ck_assert(history_at(store.history, at, &item));
        in_images += !item.kept && !memcmp(&item.event->trace_id, &id, sizeof id);
    }
    ck_assert_uint_eq(in_images, failed);
    free(image);
}
END_TEST

START_TEST(a_wrong_filter_says_where) {
    struct trace_rpc_error error = {0};
    struct keep *other;
    ck_assert_int_eq(keep_create(&other, &store, "any not okay", due, NULL, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "at byte 8"));
    trace_rpc_error_fini(&error);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("keep");
    TCase *tcase = tcase_create("keep");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_failed_trace_stays_whole_and_a_successful_one_is_evicted);
    tcase_add_test(tcase, a_trace_in_many_segments_stays_whole);
    tcase_add_test(tcase, a_flood_of_failed_traces_evicts_none_of_another_node);
    tcase_add_test(tcase, the_oldest_traces_are_dropped_when_room_runs_out);
    tcase_add_test(tcase, a_trace_that_is_too_long_is_dropped);
    tcase_add_test(tcase, traces_count_for_the_node_of_their_root);
    tcase_add_test(tcase, a_flood_of_traces_evicts_no_failed_one);
    tcase_add_test(tcase, a_late_judge_keeps_earlier_verdicts_and_is_counted);
    tcase_add_test(tcase, traces_of_the_long_dead_go_and_are_counted);
    tcase_add_test(tcase, events_that_only_their_trace_keeps_count_for_their_node);
    tcase_add_test(tcase, a_small_history_keeps_them_too);
    tcase_add_test(tcase, a_trace_that_moves_while_it_is_judged_is_judged_whole);
    tcase_add_test(tcase, events_no_longer_kept_are_evicted_eventually);
    tcase_add_test(tcase, images_have_each_event_once);
    tcase_add_test(tcase, a_wrong_filter_says_where);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
