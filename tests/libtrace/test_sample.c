/* SPDX-License-Identifier: MIT
 *
 * TRACE_SAMPLE and TRACE_MINIMAL, with which this file is compiled: the defaults of a log whose options are not set. */
#include "ring_fixture.h"

enum { TRACES = 10000 };

static struct trace_log *open_as_a_program_does(uint64_t control) {
    struct trace_log_options options = {.node_id = id_of(1), .control = control};
    struct trace_log *log = NULL;
    ck_assert_int_eq(trace_log_open(&log, &options), 0);
    return log;
}

/* Closes the log and reports which codes were in it, as ret_kept[code] != 0; returns the number of events. */
static uint32_t read_codes(struct trace_log *log, uint8_t *ret_kept) {
    static struct trace_event events[512];
    struct trace_reader *reader = attach_log(log);
    struct trace_read read;
    uint32_t count = 0;
    do {
        trace_reader_read(reader, 0, events, 512, false, 1, &read);
        ck_assert_uint_eq(read.lost, 0);
        for (uint32_t i = 0; i < read.count; i++) ret_kept[code_of(&events[i])] = 1;
        count += read.count;
    } while (read.more || read.count != 0);
    trace_reader_detach(reader);
    trace_log_close(log);
    return count;
}

START_TEST(one_trace_in_a_hundred_is_kept_and_every_log_keeps_the_same) {
    struct trace_log *logs[] = {open_as_a_program_does(0), open_as_a_program_does(0)};
    static uint8_t kept[2][TRACES];
    uint32_t counts[2];
    memset(kept, 0, sizeof kept);
    for (uint32_t i = 0; i < TRACES; i++) {
        struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
        TRACE_CUSTOM(logs[0], &context, NULL, 0, i, NULL, 0);
        context = trace_context_child(&context);
        TRACE_CUSTOM(logs[1], &context, NULL, 0, i, NULL, 0);
    }
    for (unsigned i = 0; i < 2; i++) counts[i] = read_codes(logs[i], kept[i]);
    /* 100 are expected; six times the standard deviation on both sides */
    ck_assert_uint_ge(counts[0], 40);
    ck_assert_uint_le(counts[0], 160);
    ck_assert_uint_eq(counts[0], counts[1]);
    ck_assert_mem_eq(kept[0], kept[1], TRACES);
}
END_TEST

START_TEST(events_without_a_trace_and_traces_for_debugging_always_stay) {
    struct trace_log *log = open_as_a_program_does(0);
    static uint8_t kept[2000];
    memset(kept, 0, sizeof kept);
    for (uint32_t i = 0; i < 1000; i++) {
        struct trace_context debug = trace_context_new(TRACE_FLAG_DEBUG), none = {.span_id = i};
        TRACE_CUSTOM(log, i % 2 ? NULL : &none, NULL, 0, i, NULL, 0);
        TRACE_CUSTOM(log, &debug, NULL, 0, 1000 + i, NULL, 0);
    }
    ck_assert_uint_eq(read_codes(log, kept), 2000);
    for (uint32_t i = 0; i < 2000; i++) ck_assert_uint_eq(kept[i], 1);
}
END_TEST

START_TEST(the_log_s_own_control_takes_precedence) {
    struct trace_log *log = open_as_a_program_does(TRACE_CONTROL_ALL);
    static uint8_t kept[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        struct trace_context context = trace_context_new(0);
        TRACE_CUSTOM(log, &context, NULL, 0, i, NULL, 0);
    }
    ck_assert_uint_eq(read_codes(log, kept), 1000);
}
END_TEST

START_TEST(a_share_is_as_wide_as_it_says) {
    ck_assert_uint_eq(TRACE_CONTROL_ONE_IN(1), TRACE_CONTROL_ALL);
    ck_assert_uint_eq(TRACE_CONTROL_SAMPLE(TRACE_CONTROL_ONE_IN(2)), UINT32_MAX / 2);
    ck_assert_uint_eq(TRACE_CONTROL_SAMPLE(TRACE_CONTROL_ONE_IN(UINT32_MAX)), 0);
    for (unsigned kind = 0; kind < 40; kind++) ck_assert(TRACE_CONTROL_ONE_IN(1000) & TRACE_CONTROL_KIND_BIT(kind));
}
END_TEST

START_TEST(kinds_that_a_log_opens_with_are_emitted_for_every_trace) {
    static uint8_t kept[TRACES];
    struct trace_log *log = open_as_a_program_does(TRACE_CONTROL_KINDS(TRACE_CONTROL_KIND_BIT(TRACE_KIND_CUSTOM)));
    for (uint32_t i = 0; i < 100; i++) {
        struct trace_context context = trace_context_new(0);
        TRACE_CUSTOM(log, &context, NULL, 0, i, NULL, 0);
        TRACE_STREAM_OPENED(log, &context, NULL, i);
    }
    ck_assert_uint_eq(read_codes(log, kept), 100); /* which has no other kind */
}
END_TEST

START_TEST(a_minimal_lane_has_4096_events) {
    struct trace_log *log = open_as_a_program_does(0);
    struct trace_reader *reader = attach_log(log);
    ck_assert_uint_eq(trace_reader_info(reader)->lane_events, TRACE_LANE_EVENTS_MINIMAL);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("libtrace/sample");
    TCase *tcase = tcase_create("sample");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_add_test(tcase, one_trace_in_a_hundred_is_kept_and_every_log_keeps_the_same);
    tcase_add_test(tcase, events_without_a_trace_and_traces_for_debugging_always_stay);
    tcase_add_test(tcase, the_log_s_own_control_takes_precedence);
    tcase_add_test(tcase, a_share_is_as_wide_as_it_says);
    tcase_add_test(tcase, kinds_that_a_log_opens_with_are_emitted_for_every_trace);
    tcase_add_test(tcase, a_minimal_lane_has_4096_events);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
