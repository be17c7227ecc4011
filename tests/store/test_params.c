/* SPDX-License-Identifier: MIT
 *
 * Params other than filters: times, and the cursors of pages. */
#include "page_cursor.h"

#include <check.h>
#include <errno.h>
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

START_TEST(a_time_is_read_as_documented) {
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
    cursor.place.after.position = cursor.place.end; /* well-formed, but impossible */
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

int main(void) {
    Suite *suite = suite_create("params");
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, a_time_is_read_as_documented, 0, (int)(sizeof times / sizeof *times));
    tcase_add_test(values, a_cursor_comes_back_as_it_was);
    tcase_add_test(values, a_cursor_that_was_touched_is_refused);
    tcase_add_test(values, a_cursor_is_bound_to_all_params_but_itself);
    suite_add_tcase(suite, values);
    return suite_run(suite);
}
