/* SPDX-License-Identifier: MIT
 *
 * Parts of the history that random workloads do not reach, or not explicitly: ids with equal hashes, the outcome of a
 * trace, and more traces than are ranked at once. */
#include "history_internal.h"

#include <check.h>
#include <stdlib.h>

static struct history *history;

static void begin(void) {
    rcu_register_thread();
    ck_assert_int_eq(history_create(&history, HISTORY_BYTES_MIN), 0);
}

static void end(void) {
    history_destroy(history);
    rcu_unregister_thread();
}

static void append(const struct trace_event *event, uint32_t node) {
    uint32_t room;
    *history_reserve(history, &room) = *event;
    history_append(history, 1, history_source_make(node, 0));
}

/* ---- equal hashes ------------------------------------------------------------------------------------------------------- */

/* With these keys the hash of an id is 0 when one word of each half is. */
static void without_keys(void) { memset(history->keys, 0, sizeof history->keys); }

static struct trace_id colliding_trace(uint32_t number) {
    struct trace_id id = {{0}};
    memcpy(id.bytes + 8, &(uint64_t){number + 1}, 8);
    return id;
}

static struct trace_node_id colliding_peer(uint32_t number) {
    struct trace_node_id id = {{0}};
    memcpy(id.bytes + 8, &(uint64_t){number}, 8);
    memcpy(id.bytes + 24, &(uint64_t){number / 3}, 8);
    return id;
}

static size_t count_of(const struct history_query *query) {
    struct history_answer answer;
    size_t count;
    ck_assert_int_eq(history_select(history, query, 0, UINT64_MAX, SIZE_MAX, false, NULL, &answer), 0);
    count = answer.count;
    history_answer_fini(&answer);
    return count;
}

#define COLLIDING 700 /* more than fit into the smallest table */

START_TEST(ids_whose_hashes_are_equal_stay_apart) {
    struct trace_event event = {.timestamp = 5, .kind = TRACE_KIND_PACKET_SENT, .flags = TRACE_FLAG_HAS_PEER};
    struct history_peer *peers;
    struct history_stats stats;
    size_t count;

    without_keys();
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t number = 0; number < COLLIDING; number++) {
            event.trace_id = colliding_trace(number);
            event.peer_id = colliding_peer(number);
            event.sequence++;
            if (round < 2 || number % 2 == 0) append(&event, round);
        }
    ck_assert_uint_eq(history__hash_trace(history, &event.trace_id), 0);
    for (uint32_t number = 0; number < COLLIDING; number++) {
        struct history_query query = {.by_trace = true, .trace_id = colliding_trace(number)};
        ck_assert_uint_eq(count_of(&query), number % 2 == 0 ? 3 : 2);
        query = (struct history_query){.by_peer = true, .peer_id = colliding_peer(number)};
        ck_assert_uint_eq(count_of(&query), number % 2 == 0 ? 3 : 2);
    }
    history_stats(history, &stats);
    ck_assert_uint_eq(stats.traces, COLLIDING);
    ck_assert_uint_eq(stats.peers, COLLIDING);
    ck_assert_int_eq(history_peers(history, NULL, 0, &peers, &count), 0);
    ck_assert_uint_eq(count, COLLIDING);
    ck_assert_uint_eq(peers[0].events, 3);
    ck_assert_uint_eq(peers[0].node_count, 3);
    free(peers);
}
END_TEST

/* Tables begin small and are rebuilt several times. */
START_TEST(nothing_is_lost_when_a_table_grows) {
    struct trace_event event = {.timestamp = 5, .kind = TRACE_KIND_PACKET_SENT, .flags = TRACE_FLAG_HAS_PEER};
    const uint32_t ids = 9000, nodes = 3;

    for (uint32_t number = 0; number < ids; number++)
        for (uint32_t node = 0; node < nodes; node++) {
            event.trace_id = colliding_trace(number);
            event.peer_id = colliding_peer(number);
            event.sequence++;
            append(&event, node);
        }
    for (uint32_t number = 0; number < ids; number++) {
        struct history_query query = {.by_trace = true, .trace_id = colliding_trace(number)};
        ck_assert_uint_eq(count_of(&query), nodes);
        query = (struct history_query){.by_peer = true, .peer_id = colliding_peer(number)};
        ck_assert_uint_eq(count_of(&query), nodes);
    }
}
END_TEST

START_TEST(two_histories_hash_one_id_differently) {
    struct trace_id id = colliding_trace(1);
    uint64_t hash = history__hash_trace(history, &id);
    struct history *other;
    ck_assert_int_eq(history_create(&other, HISTORY_BYTES_MIN), 0);
    ck_assert_uint_ne(history__hash_trace(other, &id), hash);
    history_destroy(other);
}
END_TEST

/* ---- outcomes ----------------------------------------------------------------------------------------------------------- */

/* Steps: s/e/f + digit: start, good end, failed end of a span; t: a start with a parent; S/E: as s and e, of another node; c:
 * a command; p: a packet.  Each a moment after the one before. */
struct outcome_case {
    const char *name, *steps;
    enum history_outcome outcome;
    bool has_app;
    uint16_t cmd; /* a step's place in the text */
};

static const struct outcome_case outcomes[] = {
    {"no application event", "pp", HISTORY_OUTCOME_NONE, false, 0},
    {"commands alone are no span", "pcc", HISTORY_OUTCOME_NONE, true, 1},
    {"one good span", "s1e1", HISTORY_OUTCOME_OK, true, 0},
    {"a span within a span", "s1s2e2e1", HISTORY_OUTCOME_OK, true, 0},
    {"the first span failed", "s1s2e2f1", HISTORY_OUTCOME_FAILED, true, 0},
    {"a failure further down that was made good", "s1s2f2s3e3e1", HISTORY_OUTCOME_OK, true, 0},
    {"the first span is open", "s1s2e2", HISTORY_OUTCOME_OPEN, true, 0},
    {"another span is open", "s1s2e1", HISTORY_OUTCOME_OPEN, true, 0},
    {"failed, though another is open", "s1s2f1", HISTORY_OUTCOME_FAILED, true, 0},
    {"an end whose start has left the history", "e1", HISTORY_OUTCOME_NONE, true, 0},
    {"the command is that of the first start", "cps1e1", HISTORY_OUTCOME_OK, true, 2},
    {"the first of two ends counts", "s1f1e1", HISTORY_OUTCOME_FAILED, true, 0},
    {"another node's span of the same id is another span", "s1S1E1f1", HISTORY_OUTCOME_FAILED, true, 0},
    {"a part that came before the root's start", "t2s1e1f2", HISTORY_OUTCOME_OK, true, 0},
};

static void append_step(char step, char digit, uint16_t place, uint64_t time_ns) {
    struct trace_event event = {.timestamp = time_ns, .trace_id = {{1}}, .kind = TRACE_KIND_PACKET_SENT};

    switch (step) {
    case 'c':
        event.kind = TRACE_KIND_APP_COMMAND;
        memcpy(event.data.app_command.app_id, "DMAP", 4);
        event.data.app_command.cmd = place;
        break;
    case 't': event.data.app_start.parent_id = 99; /* fall through */
    case 'S':
    case 's':
        event.kind = TRACE_KIND_APP_START;
        memcpy(event.data.app_start.app_id, "DMAP", 4);
        event.data.app_start.span_id = (uint64_t)digit;
        event.data.app_start.cmd = place;
        break;
    case 'E':
    case 'e':
    case 'f':
        event.kind = TRACE_KIND_APP_END;
        memcpy(event.data.app_end.app_id, "DMAP", 4);
        event.data.app_end.span_id = (uint64_t)digit;
        event.data.app_end.cmd = place;
        event.data.app_end.ok = step != 'f';
        break;
    default: break;
    }
    append(&event, step == 'S' || step == 'E');
}

/* In the order of the steps, or reversed: only times matter. */
static void check_outcome(const struct outcome_case *expected, bool backwards) {
    struct history_trace *traces;
    size_t count, total, length = strlen(expected->steps);

    for (size_t i = 0; i < length; i++) {
        size_t at = backwards ? length - 1 - i : i;
        char step = expected->steps[at];
        if (step >= '0' && step <= '9') continue;
        append_step(step, expected->steps[at + 1], (uint16_t)at, 1000 + at);
    }
    ck_assert_int_eq(history_traces(history, &(struct history_traces_query){.limit = 10}, &traces, &count, &total), 0);
    ck_assert_uint_eq(count, 1);
    ck_assert_msg(traces[0].outcome == expected->outcome, "%s: outcome %d", expected->name, traces[0].outcome);
    ck_assert_msg(traces[0].has_app == expected->has_app, "%s: has_app", expected->name);
    if (expected->has_app) {
        ck_assert_mem_eq(traces[0].app_id, "DMAP", 4);
        ck_assert_msg(traces[0].cmd == expected->cmd, "%s: cmd %u", expected->name, traces[0].cmd);
        ck_assert_uint_eq(traces[0].app_node, 0);
    }
    ck_assert_uint_eq(traces[0].nodes[0], 0); /* of the first event in time */
    ck_assert(!traces[0].truncated);
    free(traces);
}

START_TEST(a_trace_has_the_outcome_of_its_first_span) { check_outcome(&outcomes[_i], false); }
END_TEST
START_TEST(the_outcome_does_not_depend_on_the_order_of_arrival) { check_outcome(&outcomes[_i], true); }
END_TEST

/* More than are collected before some are dropped. */
#define MANY_TRACES 50000
#define MANY_INVERSE 17679 /* of 7919, modulo MANY_TRACES */

static bool keep_thirds(void *context, const struct history_trace *trace) {
    (void)context;
    return trace->first_ns % 3 == 0;
}

static void see_nothing(void *context, const struct trace_event *event, history_source source) {
    (void)context;
    (void)event;
    (void)source;
}

/* Trace i lasts from 1000 + i for (7919 * i) % MANY_TRACES, in two segments. */
static void append_many_traces(void) {
    for (unsigned half = 0; half < 2; half++) {
        for (uint64_t i = 0; i < MANY_TRACES; i++) {
            struct trace_event event = {.kind = TRACE_KIND_PACKET_SENT, .timestamp = 1000 + i + half * (7919 * i % MANY_TRACES)};
            memcpy(event.trace_id.bytes, &(uint64_t){i + 1}, sizeof(uint64_t));
            append(&event, 0);
        }
    }
}

START_TEST(the_slowest_matching_traces_of_many_are_found) {
    const struct history_trace_test test = {NULL, see_nothing, keep_thirds};
    struct history_trace *traces;
    size_t count, total, of_limit_0;

    append_many_traces();
    ck_assert_int_eq(history_traces(history,
                                    &(struct history_traces_query){.test = &test, .order = HISTORY_TRACES_SLOWEST, .limit = 5},
                                    &traces, &count, &total),
                     0);
    ck_assert_uint_eq(count, 5);
    ck_assert_uint_eq(total, MANY_TRACES / 3);
    for (uint64_t duration = MANY_TRACES, at = 0; at < count; at++) {
        do duration--;
        while ((1000 + duration * MANY_INVERSE % MANY_TRACES) % 3 != 0);
        ck_assert_uint_eq(traces[at].last_ns - traces[at].first_ns, duration);
        ck_assert_uint_eq(traces[at].events, 2);
    }
    free(traces);
    ck_assert_int_eq(history_traces(history, &(struct history_traces_query){.test = &test}, &traces, &count, &of_limit_0), 0);
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(of_limit_0, total);
    free(traces);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("history parts");
    TCase *tcase = tcase_create("parts");
    int count = (int)(sizeof outcomes / sizeof outcomes[0]);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, ids_whose_hashes_are_equal_stay_apart);
    tcase_add_test(tcase, nothing_is_lost_when_a_table_grows);
    tcase_add_test(tcase, two_histories_hash_one_id_differently);
    tcase_add_test(tcase, the_slowest_matching_traces_of_many_are_found);
    tcase_add_loop_test(tcase, a_trace_has_the_outcome_of_its_first_span, 0, count);
    tcase_add_loop_test(tcase, the_outcome_does_not_depend_on_the_order_of_arrival, 0, count);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
