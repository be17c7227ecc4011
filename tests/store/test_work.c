/* SPDX-License-Identifier: MIT
 *
 * The work of answers is counted and limited: nothing here is timed. */
#include "store_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <store/ask.h>
#include <store/event_filter.h>
#include <store/event_params.h>
#include <urcu.h>

#define EVENTS 100000U

static struct store *store;

/* One trace for all events, from one node; more than one segment. */
static void setup(void) {
    struct node_info info = fixture_node("aaaaaaaaaaaaaaaaaaaaaaa", 0xaa);
    uint32_t node;
    ck_assert_int_eq(store_create(&store, 0), 0);
    ck_assert_int_eq(store_add_node(store, &info, NODE_UNKNOWN, &node), 0);
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct trace_event event = fixture_event(0);
        event.timestamp += i;
        event.sequence = i;
        ck_assert_int_eq(store_append(store, node, 0, &event, 1), 0);
    }
    store_close(store, 0);
}

static void teardown(void) { store_destroy(store); }

#define TRACE "\"trace_id\":\"10000000000000000000000000000001\""
#define COSTLY "trace ~ *aab or trace ~ *aac or trace ~ *aad"

static const struct {
    const char *method, *params;
} requests[] = {
    {"query", "{\"filter\":\"" COSTLY "\"}"},
    {"query", "{" TRACE ",\"filter\":\"" COSTLY "\"}"},
    {"query", "{\"peer_id\":\"bb\",\"filter\":\"" COSTLY "\"}"},
    {"query", "{\"filter\":\"size > 3\",\"total\":true,\"limit\":1}"},
    {"count", "{\"filter\":\"" COSTLY "\"}"},
    {"count", "{\"group_by\":\"kind\"}"},
    {"traces", "{\"filter\":\"any (" COSTLY ")\"}"},
    {"traces", "{\"order\":\"slowest\"}"},
    {"traces", "{\"kind\":\"connection\"}"},
};
#define REQUESTS (sizeof requests / sizeof *requests)

/* Like a server. */
static int ask(size_t i, struct history_work work, uint64_t *ret_done) {
    json_t *params = json_loads(requests[i].params, 0, NULL);
    struct trace_text out = {0};
    struct ask one = {.store = store, .params = params, .out = &out, .work = work};
    int error = ask_find_method(requests[i].method)->answer(&one);
    if (error == -E2BIG || error == -ECANCELED) ck_assert_int_eq(one.error.code, 0);
    ck_assert_msg(error == 0 || error == -E2BIG || error == -ECANCELED, "%s: %s", requests[i].params, one.error.message);
    *ret_done = one.work.done;
    trace_rpc_error_fini(&one.error);
    trace_text_fini(&out);
    json_decref(params);
    return error;
}

START_TEST(an_answer_that_takes_more_than_it_may_ends_soon) {
    uint64_t all, part;
    ck_assert_int_eq(ask((size_t)_i, (struct history_work){0}, &all), 0);
    ck_assert_uint_ge(all, EVENTS * HISTORY_WORK_EVENT);
    ck_assert_int_eq(ask((size_t)_i, (struct history_work){.max = all}, &part), 0);
    ck_assert_uint_eq(part, all); /* it is counted, not measured */
    ck_assert_int_eq(ask((size_t)_i, (struct history_work){.max = all - 1}, &part), -E2BIG);
    ck_assert_int_eq(ask((size_t)_i, (struct history_work){.max = 1}, &part), -E2BIG);
    ck_assert_uint_le(part, 1100000); /* twice the work done under one hold of the lock */
}
END_TEST

START_TEST(an_abandoned_answer_ends_soon) {
    const _Atomic bool abandoned = true;
    uint64_t done;
    ck_assert_int_eq(ask((size_t)_i, (struct history_work){.abandoned = &abandoned}, &done), -ECANCELED);
    ck_assert_uint_le(done, 1100000);
}
END_TEST

static unsigned pauses;
static void *appender_waits(void *arg) {
    (void)arg;
    store_enter_thread();
    synchronize_rcu(); /* ends when no reader holds the lock that it held before */
    return NULL;
}

/* The lock is not held: a grace period that begins here ends. */
static void pause_here(void *arg) {
    pthread_t thread;
    (void)arg;
    if (pauses++) return;
    ck_assert_int_eq(pthread_create(&thread, NULL, appender_waits, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(the_lock_is_given_up_while_a_filter_is_costly) {
    uint64_t done;
    pauses = 0;
    ck_assert_int_eq(ask((size_t)_i, (struct history_work){.pause = pause_here}, &done), 0);
    ck_assert_uint_ge(pauses, 20);
}
END_TEST

START_TEST(a_question_can_be_interrupted) {
    json_t *params = json_loads(requests[4].params, 0, NULL);
    struct trace_text out = {0};
    struct trace_rpc_error error;
    const _Atomic bool abandoned = true;
    trace_text_puts(&out, "before");
    ck_assert_int_eq(store_ask_unless(store, "count", params, &abandoned, &out, &error), -ECANCELED);
    ck_assert_str_eq(error.message, "Internal error: interrupted");
    ck_assert_uint_eq(out.bytes, strlen("before"));
    trace_rpc_error_fini(&error);
    trace_text_fini(&out);
    json_decref(params);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("work");
    TCase *tcase = tcase_create("work");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, an_answer_that_takes_more_than_it_may_ends_soon, 0, REQUESTS);
    tcase_add_loop_test(tcase, an_abandoned_answer_ends_soon, 0, REQUESTS);
    tcase_add_loop_test(tcase, the_lock_is_given_up_while_a_filter_is_costly, 0, 3);
    tcase_add_loop_test(tcase, the_lock_is_given_up_while_a_filter_is_costly, 4, 5);
    tcase_add_loop_test(tcase, the_lock_is_given_up_while_a_filter_is_costly, 6, 7);
    tcase_add_test(tcase, a_question_can_be_interrupted);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
