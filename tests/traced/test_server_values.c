/* SPDX-License-Identifier: MIT
 *
 * What the socket side reads from people and clients: times, sizes, options, cursors. */
#include <check.h>
#include <errno.h>
#include <options.h>
#include <page_cursor.h>
#include <stdlib.h>
#include <store/time_param.h>
#include <string.h>

#define NOW UINT64_C(1767225600123456789)
#define S UINT64_C(1000000000)

static const struct {
    const char *json;
    int error;
    uint64_t ns;
} times[] = {
    {"0", 0, 0},
    {"1767225600123456", 0, UINT64_C(1767225600123456000)},
    {"1.5", 0, 1500},
    {"18446744073709551", 0, UINT64_C(18446744073709551000)},
    {"18446744073709552", -EINVAL, 0},
    {"1e300", -EINVAL, 0},
    {"-1", -EINVAL, 0},
    {"-0.5", -EINVAL, 0},
    {"true", -EINVAL, 0},
    {"null", -EINVAL, 0},
    {"[1]", -EINVAL, 0},
    {"\"-5s\"", 0, NOW - 5 * S},
    {"\"-0s\"", 0, NOW},
    {"\"-1ns\"", 0, NOW - 1},
    {"\"-2us\"", 0, NOW - 2000},
    {"\"-250ms\"", 0, NOW - 250000000},
    {"\"-1.5s\"", 0, NOW - 1500000000},
    {"\"-3m\"", 0, NOW - 180 * S},
    {"\"-2h\"", 0, NOW - 7200 * S},
    {"\"-0.5h\"", 0, NOW - 1800 * S},
    {"\"-1.0000000004s\"", 0, NOW - S},
    {"\"-0.33333333333333333333h\"", 0, NOW - UINT64_C(1199999999999)},
    {"\"-5\"", -EINVAL, 0},
    {"\"-s\"", -EINVAL, 0},
    {"\"-5x\"", -EINVAL, 0},
    {"\"-5 s\"", -EINVAL, 0},
    {"\"--5s\"", -EINVAL, 0},
    {"\"-.5s\"", -EINVAL, 0},
    {"\"-5.s\"", -EINVAL, 0},
    {"\"-1.2.3s\"", -EINVAL, 0},
    {"\"5s\"", -EINVAL, 0},
    {"\"\"", -EINVAL, 0},
    {"\"-\"", -EINVAL, 0},
    {"\"-999999999999h\"", -EINVAL, 0},
    {"\"-99999999999999999999s\"", -EINVAL, 0},
    {"\"1970-01-01T00:00:00Z\"", 0, 0},
    {"\"2026-01-01T00:00:00Z\"", 0, UINT64_C(1767225600) * S},
    {"\"2026-01-01T00:00:00.5Z\"", 0, UINT64_C(1767225600) * S + S / 2},
    {"\"2026-01-01T00:00:00.123456789Z\"", 0, UINT64_C(1767225600123456789)},
    {"\"2026-01-01T00:00:00.1234567899Z\"", 0, UINT64_C(1767225600123456789)},
    {"\"2024-02-29T12:00:00Z\"", 0, UINT64_C(1709208000) * S},
    {"\"2000-03-01T00:00:00Z\"", 0, UINT64_C(951868800) * S},
    {"\"2100-03-01T00:00:00Z\"", 0, UINT64_C(4107542400) * S},
    {"\"2025-02-29T12:00:00Z\"", -EINVAL, 0},
    {"\"2100-02-29T12:00:00Z\"", -EINVAL, 0},
    {"\"2026-13-01T00:00:00Z\"", -EINVAL, 0},
    {"\"2026-00-01T00:00:00Z\"", -EINVAL, 0},
    {"\"2026-01-00T00:00:00Z\"", -EINVAL, 0},
    {"\"2026-01-01T24:00:00Z\"", -EINVAL, 0},
    {"\"2026-01-01T00:60:00Z\"", -EINVAL, 0},
    {"\"1969-12-31T23:59:59Z\"", -EINVAL, 0},
    {"\"2554-01-01T00:00:00Z\"", -EINVAL, 0},
    {"\"2026-01-01T00:00:00\"", -EINVAL, 0},
    {"\"2026-01-01T00:00:00.Z\"", -EINVAL, 0},
    {"\"2026-01-01T00:00:00ZZ\"", -EINVAL, 0},
    {"\"2026-01-01 00:00:00Z\"", -EINVAL, 0},
    {"\"2026-1-1T00:00:00Z\"", -EINVAL, 0},
    {"\"2026\"", -EINVAL, 0},
};

START_TEST(a_time_is_what_the_document_says) {
    json_t *value = json_loads(times[_i].json, JSON_DECODE_ANY, NULL);
    uint64_t ns = 42;
    const char *reason = NULL;
    ck_assert_ptr_nonnull(value);
    ck_assert_msg(time_param_parse(value, NOW, &ns, &reason) == times[_i].error, "%s", times[_i].json);
    if (times[_i].error) {
        ck_assert_ptr_nonnull(reason);
        ck_assert_uint_eq(ns, 42);
    } else {
        ck_assert_msg(ns == times[_i].ns, "%s: %llu", times[_i].json, (unsigned long long)ns);
    }
    json_decref(value);
}
END_TEST

static const struct {
    const char *text;
    int error;
    uint64_t bytes;
} sizes[] = {
    {"0", 0, 0},           {"100", 0, 100},        {"1K", 0, 1024},        {"1KiB", 0, 1024},
    {"1KB", 0, 1000},      {"64M", 0, 64 << 20},   {"64MiB", 0, 64 << 20}, {"1.5MiB", 0, 3 << 19},
    {"2G", 0, 2ULL << 30}, {"1GB", 0, 1000000000}, {"7B", 0, 7},           {"", -EINVAL, 0},
    {"M", -EINVAL, 0},     {"-1", -EINVAL, 0},     {"1X", -EINVAL, 0},     {"1 M", -EINVAL, 0},
    {"0x10", -EINVAL, 0},  {"1e3", -EINVAL, 0},    {"inf", -EINVAL, 0},    {"1MM", -EINVAL, 0},
    {"1.2.3", -EINVAL, 0}, {"+1", -EINVAL, 0},     {" 1", -EINVAL, 0},     {"99999999999G", -EINVAL, 0},
};

START_TEST(a_size_is_a_number_and_a_unit) {
    uint64_t bytes = 42;
    ck_assert_msg(options_parse_bytes(sizes[_i].text, &bytes) == sizes[_i].error, "%s", sizes[_i].text);
    ck_assert_uint_eq(bytes, sizes[_i].error ? 42 : sizes[_i].bytes);
}
END_TEST

static const struct {
    const char *arguments[6];
    enum options_verdict verdict;
    const char *out, *err;
} lines[] = {
    {{NULL}, OPTIONS_RUN, "", ""},
    {{"--socket", "/s", "--history=32M", "--log-level", "debug"}, OPTIONS_RUN, "", ""},
    {{"--help"}, OPTIONS_DONE, "--history SIZE", ""},
    {{"--version"}, OPTIONS_DONE, "traced ", ""},
    {{"extra"}, OPTIONS_WRONG, "", "unexpected argument: extra"},
    {{"--socket"}, OPTIONS_WRONG, "", "needs a value: --socket"},
    {{"--history", "lots"}, OPTIONS_WRONG, "", "--history is not a size: lots"},
    {{"--keep", "outcome == failed or any node == later"}, OPTIONS_RUN, "", ""},
    {{"--keep", "outcome == faild"}, OPTIONS_WRONG, "", "--keep, at byte 11: "},
    {{"--log-level", "loud"}, OPTIONS_WRONG, "", "--log-level is not"},
    {{"--nonsense"}, OPTIONS_WRONG, "", "option: --nonsense"},
    {{"--help=yes"}, OPTIONS_WRONG, "", "option: --help=yes"},
};

START_TEST(a_command_line_is_taken_or_refused_in_words) {
    unsetenv("P2PTRACE_SHM_DIR");
    char name[] = "traced", *argv[8] = {name};
    int argc = 1;
    for (int i = 0; i < 6 && lines[_i].arguments[i]; i++) argv[argc++] = strdup(lines[_i].arguments[i]);
    char *out_text, *err_text;
    size_t out_bytes, err_bytes;
    FILE *out = open_memstream(&out_text, &out_bytes), *err = open_memstream(&err_text, &err_bytes);
    struct options options = {0};
    ck_assert_int_eq(options_parse(&options, argc, argv, out, err), lines[_i].verdict);
    fclose(out);
    fclose(err);
    ck_assert_msg(strstr(out_text, lines[_i].out), "%s", out_text);
    ck_assert_msg(strstr(err_text, lines[_i].err), "%s", err_text);
    ck_assert_int_eq(err_bytes != 0, lines[_i].verdict == OPTIONS_WRONG);
    if (_i == 0) {
        ck_assert_ptr_null(options.socket);
        ck_assert_str_eq(options.shm_dir, "/dev/shm");
        ck_assert_uint_eq(options.history_bytes, 256 << 20);
        ck_assert_int_eq(options.log_level, LOG_LEVEL_INFO);
    }
    if (_i == 1) {
        ck_assert_str_eq(options.socket, "/s");
        ck_assert_uint_eq(options.history_bytes, 32 << 20);
        ck_assert_int_eq(options.log_level, LOG_LEVEL_DEBUG);
    }
    while (argc > 1) free(argv[--argc]);
    free(out_text);
    free(err_text);
}
END_TEST

static struct page_cursor sample(void) {
    struct page_cursor cursor = {.place = {.end = 1000, .begin = 65536, .left = 31, .total = PAGE_UNKNOWN},
                                 .now_ns = 4,
                                 .from_ns = 5,
                                 .to_ns = UINT64_MAX,
                                 .names = 6,
                                 .by_trace = true,
                                 .by_node = true};
    memset(&cursor.trace_id, 0xab, sizeof cursor.trace_id);
    memset(&cursor.node_id, 0xcd, sizeof cursor.node_id);
    cursor.place.after.event.timestamp = 77;
    cursor.place.after.event.sequence = 0xfedcba98;
    cursor.place.after.source = history_source_make(3, 2);
    cursor.place.after.position = 999;
    return cursor;
}

START_TEST(a_cursor_comes_back_as_it_was) {
    struct page_cursor before = sample(), after = {0};
    char text[PAGE_CURSOR_DIGITS + 1];
    page_cursor_encode(&before, 7, text);
    ck_assert_uint_eq(strlen(text), PAGE_CURSOR_DIGITS);
    ck_assert_int_eq(page_cursor_decode(&after, 7, text), 0);
    ck_assert_uint_eq(after.place.end, 1000);
    ck_assert_uint_eq(after.place.begin, 65536);
    ck_assert_uint_eq(after.place.left, 31);
    ck_assert_uint_eq(after.place.total, PAGE_UNKNOWN);
    ck_assert_uint_eq(after.now_ns, 4);
    ck_assert_uint_eq(after.from_ns, 5);
    ck_assert_uint_eq(after.to_ns, UINT64_MAX);
    ck_assert(after.by_trace && after.by_node && !after.by_peer);
    ck_assert_mem_eq(&after.trace_id, &before.trace_id, sizeof after.trace_id);
    ck_assert_mem_eq(&after.node_id, &before.node_id, sizeof after.node_id);
    ck_assert_uint_eq(after.place.after.event.timestamp, 77);
    ck_assert_uint_eq(after.place.after.event.sequence, 0xfedcba98);
    ck_assert_uint_eq(after.place.after.source, before.place.after.source);
    ck_assert_uint_eq(after.place.after.position, 999);
    ck_assert_uint_eq(after.names, 6);
}
END_TEST

START_TEST(a_cursor_that_was_touched_is_refused) {
    struct page_cursor cursor = sample(), out;
    char text[PAGE_CURSOR_DIGITS + 2];
    page_cursor_encode(&cursor, 7, text);
    ck_assert_int_eq(page_cursor_decode(&out, 8, text), -EINVAL); /* other params, or another traced */
    for (size_t i = 0; i < PAGE_CURSOR_DIGITS; i++) {
        char digit = text[i];
        text[i] = digit == '0' ? '1' : '0';
        ck_assert_int_eq(page_cursor_decode(&out, 7, text), -EINVAL);
        text[i] = 'x';
        ck_assert_int_eq(page_cursor_decode(&out, 7, text), -EINVAL);
        text[i] = digit;
    }
    text[PAGE_CURSOR_DIGITS - 1] = 0;
    ck_assert_int_eq(page_cursor_decode(&out, 7, text), -EINVAL);
    ck_assert_int_eq(page_cursor_decode(&out, 7, ""), -EINVAL);
    cursor.place.after.position = cursor.place.end; /* well made, and impossible */
    page_cursor_encode(&cursor, 7, text);
    ck_assert_int_eq(page_cursor_decode(&out, 7, text), -EINVAL);
}
END_TEST

START_TEST(a_cursor_is_bound_to_all_params_but_itself) {
    json_t *one = json_loads("{\"limit\":5,\"kind\":\"metrics\"}", 0, NULL);
    json_t *same = json_loads("{\"cursor\":\"ab\",\"kind\":\"metrics\",\"limit\":5}", 0, NULL);
    json_t *other = json_loads("{\"limit\":6,\"kind\":\"metrics\"}", 0, NULL);
    ck_assert_uint_eq(page_cursor_binding(1, one), page_cursor_binding(1, same));
    ck_assert_uint_ne(page_cursor_binding(1, one), page_cursor_binding(1, other));
    ck_assert_uint_ne(page_cursor_binding(1, one), page_cursor_binding(2, one));
    ck_assert_uint_ne(page_cursor_binding(1, one), page_cursor_binding(1, NULL));
    ck_assert_ptr_nonnull(json_object_get(same, "cursor"));
    json_decref(one);
    json_decref(same);
    json_decref(other);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void) {
    Suite *suite = suite_create("server_values");
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, a_time_is_what_the_document_says, 0, COUNT(times));
    tcase_add_loop_test(values, a_size_is_a_number_and_a_unit, 0, COUNT(sizes));
    tcase_add_loop_test(values, a_command_line_is_taken_or_refused_in_words, 0, COUNT(lines));
    tcase_add_test(values, a_cursor_comes_back_as_it_was);
    tcase_add_test(values, a_cursor_that_was_touched_is_refused);
    tcase_add_test(values, a_cursor_is_bound_to_all_params_but_itself);
    suite_add_tcase(suite, values);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
