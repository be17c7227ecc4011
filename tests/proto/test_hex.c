/* SPDX-License-Identifier: MIT
 *
 * Hex digits and id prefixes. */
#include "run.h"
#include <errno.h>
#include <proto/hex.h>
#include <stdio.h>
#include <string.h>

START_TEST(every_byte_is_two_lower_case_digits_and_comes_back) {
    uint8_t byte = (uint8_t)_i, back;
    char expected[3], digits[4] = "~~~";
    snprintf(expected, sizeof expected, "%02x", (unsigned)_i);
    ck_assert_ptr_eq(trace_hex_encode(digits, &byte, 1), digits + 2);
    ck_assert_int_eq(digits[2], '~');
    ck_assert_mem_eq(digits, expected, 2);
    ck_assert_int_eq(trace_hex_decode(&back, digits, 1), 0);
    ck_assert_uint_eq(back, byte);
}
END_TEST

/* Every value at every place of a run, in runs of every length up to the longest that an event has, and one more. */
START_TEST(a_run_of_any_length_is_the_digits_of_its_bytes) {
    uint8_t bytes[65];
    char digits[2 * sizeof bytes + 1], expected[2 * sizeof bytes + 1] = "";
    for (int first = 0; first < 256; first++) {
        for (int i = 0; i < _i; i++) {
            bytes[i] = (uint8_t)(first + 37 * i);
            snprintf(expected + 2 * i, 3, "%02x", bytes[i]);
        }
        memset(digits, '~', sizeof digits);
        ck_assert_ptr_eq(trace_hex_encode(digits, bytes, (size_t)_i), digits + 2 * _i);
        ck_assert_int_eq(digits[2 * _i], '~');
        ck_assert_mem_eq(digits, expected, (size_t)(2 * _i));
    }
}
END_TEST

START_TEST(decoding_takes_upper_case) {
    uint8_t bytes[3];
    ck_assert_int_eq(trace_hex_decode(bytes, "aBCdEF", 3), 0);
    ck_assert_mem_eq(bytes, "\xab\xcd\xef", 3);
}
END_TEST

static const char *const not_hex[] = {"0",   "0g",         "g0", "0x12", "1 ", " 1", "12:4", "",
                                      "123", "12\xff\xff", "/0", ":0",   "@0", "G0", "`0"};

START_TEST(decoding_refuses_anything_but_hex_and_writes_nothing) {
    uint8_t bytes[2] = {0xee, 0xee};
    ck_assert_int_eq(trace_hex_decode(bytes, not_hex[_i], 2), -EINVAL);
    ck_assert_mem_eq(bytes, "\xee\xee", 2);
}
END_TEST

START_TEST(decoding_takes_the_22_digits_and_no_other_byte) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t bytes[2];
        struct trace_id_prefix prefix;
        char digits[5] = "0000";
        digits[_i] = (char)byte;
        int expected = byte != 0 && strchr("0123456789abcdefABCDEF", (int)byte) != NULL ? 0 : -EINVAL;
        ck_assert_int_eq(trace_hex_decode(bytes, digits, 2), expected);
        if (byte != 0) ck_assert_int_eq(trace_id_prefix_parse(&prefix, digits, 64), expected);
    }
}
END_TEST

static const struct {
    const char *text;
    unsigned max_digits;
    int result;
    unsigned digits;
    uint8_t bytes[3];
} prefixes[] = {
    {"a", 64, 0, 1, {0xa0}},         {"ab", 64, 0, 2, {0xab}},      {"AbC", 64, 0, 3, {0xab, 0xc0}},
    {"abcd", 4, 0, 4, {0xab, 0xcd}}, {"abcde", 4, -EINVAL, 0, {0}}, {"", 64, -EINVAL, 0, {0}},
    {"ag", 64, -EINVAL, 0, {0}},     {"ab ", 64, -EINVAL, 0, {0}},  {"-1", 64, -EINVAL, 0, {0}},
    {"alice", 64, -EINVAL, 0, {0}},  {"a", 0, -EINVAL, 0, {0}},
};

START_TEST(a_prefix_is_1_to_max_digits) {
    struct trace_id_prefix prefix;
    memset(&prefix, 0xee, sizeof prefix);
    ck_assert_int_eq(trace_id_prefix_parse(&prefix, prefixes[_i].text, prefixes[_i].max_digits), prefixes[_i].result);
    if (prefixes[_i].result != 0) {
        ck_assert_uint_eq(prefix.digits, 0xeeeeeeee);
        return;
    }
    ck_assert_uint_eq(prefix.digits, prefixes[_i].digits);
    ck_assert_mem_eq(prefix.bytes, prefixes[_i].bytes, 3);
}
END_TEST

START_TEST(a_prefix_holds_a_whole_id_and_no_more) {
    char text[66] = {0};
    struct trace_id_prefix prefix;
    memset(text, 'f', 64);
    ck_assert_int_eq(trace_id_prefix_parse(&prefix, text, 64), 0);
    ck_assert_uint_eq(prefix.digits, 64);
    text[64] = 'f';
    ck_assert_int_eq(trace_id_prefix_parse(&prefix, text, 64), -EINVAL);
    ck_assert_int_eq(trace_id_prefix_parse(&prefix, text, 1000), -EINVAL);
}
END_TEST

START_TEST(an_id_matches_its_prefixes_and_none_with_a_different_digit) {
    uint8_t id[32];
    char digits[65] = {0};
    for (int i = 0; i < 32; i++) id[i] = (uint8_t)(i * 37 + 11);
    trace_hex_encode(digits, id, sizeof id);
    for (int length = 1; length <= 64; length++) {
        char text[65] = {0};
        struct trace_id_prefix prefix;
        memcpy(text, digits, (size_t)length);
        ck_assert_int_eq(trace_id_prefix_parse(&prefix, text, 64), 0);
        ck_assert_int_eq(trace_id_prefix_matches(&prefix, id), 1);
        for (int at = 0; at < length; at++) {
            char kept = text[at];
            text[at] = kept == '0' ? '1' : '0';
            ck_assert_int_eq(trace_id_prefix_parse(&prefix, text, 64), 0);
            ck_assert_int_eq(trace_id_prefix_matches(&prefix, id), 0);
            text[at] = kept;
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hex");
    TCase *digits = tcase_create("digits");
    tcase_add_loop_test(digits, every_byte_is_two_lower_case_digits_and_comes_back, 0, 256);
    tcase_add_loop_test(digits, a_run_of_any_length_is_the_digits_of_its_bytes, 0, 66);
    tcase_add_test(digits, decoding_takes_upper_case);
    tcase_add_loop_test(digits, decoding_refuses_anything_but_hex_and_writes_nothing, 0, COUNT_OF(not_hex));
    tcase_add_loop_test(digits, decoding_takes_the_22_digits_and_no_other_byte, 0, 4);
    suite_add_tcase(suite, digits);
    TCase *prefix = tcase_create("prefix");
    tcase_add_loop_test(prefix, a_prefix_is_1_to_max_digits, 0, COUNT_OF(prefixes));
    tcase_add_test(prefix, a_prefix_holds_a_whole_id_and_no_more);
    tcase_add_test(prefix, an_id_matches_its_prefixes_and_none_with_a_different_digit);
    suite_add_tcase(suite, prefix);
    return run_suite(suite);
}
