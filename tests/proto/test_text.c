/* SPDX-License-Identifier: MIT
 *
 * Text that grows. */
#include "run.h"
#include <proto/text.h>
#include <stdint.h>
#include <string.h>

START_TEST(items_keep_the_order_in_which_they_were_added) {
    struct trace_text text = {0};
    char expected[10000];
    for (size_t i = 0; i < sizeof expected; i++) {
        expected[i] = (char)('a' + i % 26);
        trace_text_add(&text, &expected[i], 1);
    }
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.bytes, sizeof expected);
    ck_assert_mem_eq(text.data, expected, sizeof expected);
    trace_text_puts(&text, "");
    trace_text_puts(&text, "end");
    ck_assert_mem_eq(text.data + sizeof expected, "end", 3);
    trace_text_fini(&text);
    ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(reserved_room_is_text_only_once_it_is_counted) {
    struct trace_text text = {0};
    char *room = trace_text_reserve(&text, 5000);
    ck_assert_ptr_nonnull(room);
    memset(room, 'x', 5000);
    ck_assert_uint_eq(text.bytes, 0);
    text.bytes += 2;
    trace_text_puts(&text, "y");
    ck_assert_uint_eq(text.bytes, 3);
    ck_assert_mem_eq(text.data, "xxy", 3);
    trace_text_fini(&text);
}
END_TEST

START_TEST(more_than_the_limit_fails_and_stays_failed_until_cleared) {
    struct trace_text text = {.bytes_max = 4};
    trace_text_puts(&text, "1234");
    ck_assert(!text.failed);
    trace_text_puts(&text, "5");
    ck_assert(text.failed);
    trace_text_puts(&text, "");
    ck_assert_uint_eq(text.bytes, 4);
    ck_assert_ptr_null(trace_text_reserve(&text, 0));
    trace_text_clear(&text);
    trace_text_puts(&text, "ab");
    ck_assert(!text.failed);
    ck_assert_mem_eq(text.data, "ab", 2);
    trace_text_fini(&text);
    ck_assert_uint_eq(text.bytes_max, 4);
}
END_TEST

START_TEST(an_impossible_size_fails_and_does_not_wrap) {
    struct trace_text text = {0};
    trace_text_puts(&text, "x");
    ck_assert_ptr_null(trace_text_reserve(&text, SIZE_MAX));
    ck_assert(text.failed);
    trace_text_fini(&text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("text");
    TCase *text = tcase_create("text");
    tcase_add_test(text, items_keep_the_order_in_which_they_were_added);
    tcase_add_test(text, reserved_room_is_text_only_once_it_is_counted);
    tcase_add_test(text, more_than_the_limit_fails_and_stays_failed_until_cleared);
    tcase_add_test(text, an_impossible_size_fails_and_does_not_wrap);
    suite_add_tcase(suite, text);
    return run_suite(suite);
}
