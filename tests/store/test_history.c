/* SPDX-License-Identifier: MIT
 *
 * The history against the model: random workloads, random questions. */
#include "../helpers/skip.h"
#include "history_checks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <urcu.h>

START_TEST(answers_agree_with_the_model) {
    const struct workload *load = &loads[_i];
    checks_begin(load, 1 + (uint64_t)_i, 700000);
    workload_append(&generator, history, &model, 1);
    check_everything(8);
    workload_append(&generator, history, &model, 1000);
    check_everything(48);
    for (unsigned i = 0; i < 4; i++) { /* across the end of a segment, and later through evictions */
        workload_append(&generator, history, &model, 55000 + generator_below(&generator, 60000));
        check_everything(16);
    }
    ck_assert_uint_gt(model.begin, 0);
    checks_end();
}
END_TEST

START_TEST(an_empty_history_answers_nothing) {
    struct history_query query = {0};
    struct history_trace *traces;
    struct history_stats stats;
    struct history_answer answer;
    size_t count, total;

    checks_begin(&loads[0], 1, 1);
    ck_assert_uint_eq(history_begin_position(history), 0);
    ck_assert_uint_eq(history_end_position(history), 0);
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, 10, true, NULL, &answer), 0);
    ck_assert_uint_eq(answer.count, 0);
    ck_assert(!answer.more);
    history_answer_fini(&answer);
    ck_assert_int_eq(history_traces(history, &(struct history_traces_query){.limit = 10}, &traces, &count, &total), 0);
    ck_assert_uint_eq(count + total, 0);
    free(traces);
    check_peers(NULL, 0);
    history_stats(history, &stats);
    ck_assert_uint_eq(stats.events + stats.first_ns + stats.last_ns + stats.traces + stats.peers, 0);
    checks_end();
}
END_TEST

/* Goes through an answer page by page while events arrive and are evicted. */
static void check_pages(bool newest_first) {
    struct history_query query = {0};
    struct history_hit after;
    uint64_t begin_first = history_begin_position(history), end_first = history_end_position(history), given = 0;
    uint8_t *seen = calloc(model.capacity, 1);
    bool any = false, more = true;

    while (more) {
        struct history_answer answer;
        ck_assert_int_eq(
            history_select(history, &query, begin_first, end_first, 9000, newest_first, any ? &after : NULL, &answer), 0);
        for (size_t i = 0; i < answer.count; i++) {
            quick_assert(answer.hits[i].position < end_first);
            quick_assert(seen[answer.hits[i].position]++ == 0);
            if (any) {
                int order = history_compare(&answer.hits[i], &after);
                quick_assert(newest_first ? order < 0 : order > 0);
            }
            after = answer.hits[i];
            any = true;
        }
        given += answer.count;
        more = answer.more;
        history_answer_fini(&answer);
        workload_append(&generator, history, &model, 5000);
    }
    /* whatever is still there was returned */
    for (uint64_t i = model.begin; i < end_first; i++) quick_assert(seen[i] == 1);
    ck_assert_uint_gt(given, 0);
    free(seen);
}

START_TEST(pages_give_each_event_once_while_the_history_moves_on) {
    checks_begin(&loads[_i], 7, 900000);
    workload_append(&generator, history, &model, 150000);
    check_pages(false);
    check_pages(true);
    checks_end();
}
END_TEST

START_TEST(one_trace_in_all_events_is_found_whole) {
    static const struct workload one = {"one trace", 1, 1, 1, 1, 100, 0, 0, false, 4000};
    struct history_query query = {.by_trace = true};

    checks_begin(&one, 3, 400000);
    workload_append(&generator, history, &model, 200000);
    query.trace_id = generator_trace_id(&generator, 0);
    check_select(&query, 0, UINT64_MAX, LIMIT_ALL, false, NULL);
    check_select(&query, 0, UINT64_MAX, 50, true, NULL);
    query.by_peer = true;
    query.peer_id = generator_peer_id(0);
    check_select(&query, 0, UINT64_MAX, 50, true, NULL);
    query.by_trace = false;
    check_select(&query, 0, UINT64_MAX, LIMIT_ALL, true, NULL);
    check_peers(NULL, 0);
    check_stats();
    checks_end();
}
END_TEST

/* More than the pools are designed for.  More traces shorten the history, more peers do not; and
 * it stays exact. */
START_TEST(invented_traces_shorten_the_history_and_peers_do_not) {
    static const struct workload own[] = {
        {"own traces", 0, 5, 2, 2, 100, 50, 0, false, 5000},
        {"own peers", 10, 0, 2, 2, 100, 50, 0, false, 5000},
        {"own both", 0, 0, 3, 2, 100, 50, 0, false, 100},
    };
    checks_begin(&own[_i], 5, 700000);
    for (unsigned i = 0; i < 6; i++) {
        workload_append(&generator, history, &model, 90000);
        ck_assert_uint_ge(model.end - model.begin, HISTORY_SEGMENT_EVENTS - 8192);
        check_everything(4);
    }
    if (own[_i].traces != 0) {
        struct history_stats stats;
        history_stats(history, &stats);
        ck_assert_uint_eq(stats.segments, stats.segments_max); /* as many as there is room for */
        ck_assert_uint_gt(stats.rare_peer_events, 40000);
    }
    checks_end();
}
END_TEST

START_TEST(a_query_gives_up_when_it_would_look_at_too_many) {
    struct history_query query = {.by_trace = true};
    struct history_answer answer;
    size_t events;

    checks_begin(&loads[0], 9, 100000);
    workload_append(&generator, history, &model, 60000);
    query.trace_id = generator_trace_id(&generator, 100);
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), 0);
    events = answer.count;
    ck_assert_uint_gt(events, 1);
    history_answer_fini(&answer);
    query.examine_max = events;
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), 0);
    ck_assert_uint_eq(answer.count, events);
    history_answer_fini(&answer);
    query.examine_max = events - 1;
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), -E2BIG);
    ck_assert_uint_eq(history_count(history, &query, 0, UINT64_MAX, false, NULL), events);
    checks_end();
}
END_TEST

START_TEST(a_query_says_which_index_served_it) {
    struct history_query query = {0};
    uint64_t node_set[1] = {1};
    struct history_answer answer;

    checks_begin(&loads[0], 9, 100000);
    workload_append(&generator, history, &model, 60000);
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, 1, false, NULL, &answer), 0);
    ck_assert_str_eq(answer.index, "scan");
    ck_assert_uint_lt(answer.examined, 5000); /* whole blocks cannot improve the result */
    history_answer_fini(&answer);
    query = (struct history_query){.from_ns = 1};
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, 1, false, NULL, &answer), 0);
    ck_assert_str_eq(answer.index, "time");
    history_answer_fini(&answer);
    query = (struct history_query){.by_peer = true, .by_node = true, .node_set = node_set, .node_set_bits = 1};
    query.peer_id = generator_peer_id(3);
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), 0);
    ck_assert_str_eq(answer.index, "peer");
    ck_assert_uint_gt(answer.count, 0);
    ck_assert_uint_lt(answer.examined, 5000); /* only the peer's chain */
    history_answer_fini(&answer);
    query = (struct history_query){.by_trace = true, .trace_id = model.events[59999].event.trace_id};
    query.trace_id = generator_trace_id(&generator, 100);
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), 0);
    ck_assert_str_eq(answer.index, "trace");
    ck_assert_uint_gt(answer.count, 0);
    ck_assert_uint_eq(answer.examined, answer.count);
    history_answer_fini(&answer);
    checks_end();
}
END_TEST

static long resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0, resident = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

START_TEST(create_takes_and_touches_no_more_than_it_may) {
    static const size_t sizes[] = {HISTORY_BYTES_MIN, HISTORY_BYTES_MIN + 4096, (size_t)100 << 20, (size_t)200 << 20};
    struct history_stats stats;
    long before = resident_bytes(), after;

    ck_assert_int_eq(history_create(&history, sizes[_i]), 0);
    after = resident_bytes();
    history_stats(history, &stats);
    ck_assert_uint_le(stats.bytes, sizes[_i]);
    ck_assert_uint_eq(stats.bytes_max, sizes[_i]);
    ck_assert_uint_ge(stats.segments_max, 2);
    ck_assert_int_ge(after - before, (long)stats.bytes - (4 << 20)); /* touched */
    if (!SANITIZED)
        ck_assert_int_le(after - before,
                         (long)sizes[_i] + (1 << 20)); /* a thread's stack; a sanitizer's shadow is resident, too */
    history_destroy(history);
}
END_TEST

START_TEST(create_refuses_less_than_three_segments_need) {
    ck_assert_int_eq(history_create(&history, 0), -EINVAL);
    ck_assert_int_eq(history_create(&history, (size_t)40 << 20), -EINVAL);
}
END_TEST

START_TEST(destroying_nothing_is_fine) { history_destroy(NULL); }
END_TEST

static void enter(void) { rcu_register_thread(); }
static void leave(void) { rcu_unregister_thread(); }

int main(void) {
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("model");

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_loop_test(tcase, answers_agree_with_the_model, 0, LOADS);
    tcase_add_test(tcase, an_empty_history_answers_nothing);
    tcase_add_loop_test(tcase, pages_give_each_event_once_while_the_history_moves_on, 0, 4);
    tcase_add_test(tcase, one_trace_in_all_events_is_found_whole);
    tcase_add_loop_test(tcase, invented_traces_shorten_the_history_and_peers_do_not, 0, 3);
    tcase_add_test(tcase, a_query_gives_up_when_it_would_look_at_too_many);
    tcase_add_test(tcase, a_query_says_which_index_served_it);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("life");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_loop_test(tcase, create_takes_and_touches_no_more_than_it_may, 0, 4);
    tcase_add_test(tcase, create_refuses_less_than_three_segments_need);
    tcase_add_test(tcase, destroying_nothing_is_fine);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
