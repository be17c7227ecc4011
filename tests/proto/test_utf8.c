/* SPDX-License-Identifier: MIT
 *
 * Well-formed UTF-8, and cutting it. */
#include "run.h"
#include <proto/utf8.h>
#include <stdint.h>
#include <string.h>

/* The standard encoding of a code point. */
static size_t encode(char *out, uint32_t point) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3f));
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(marks[length] | point);
    return length;
}

START_TEST(every_code_point_is_well_formed_but_surrogates_and_those_beyond_the_last) {
    unsigned wrong = 0;
    for (uint32_t point = 0; point < 0x200000; point++) {
        char text[4];
        size_t bad, length = encode(text, point);
        size_t expected = (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff ? 0 : length;
        wrong += trace_utf8_length(text, length, &bad) != expected;
        if (length > 1) wrong += trace_utf8_length(text, length - 1, &bad) != 0;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(each_sequence_of_two_bytes_is_judged_as_the_shortest_form) {
    unsigned good = 0;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char text[2] = {(char)(pair >> 8), (char)pair};
        size_t bad;
        good += trace_utf8_length(text, 2, &bad) == 2;
    }
    ck_assert_uint_eq(good, 0x800 - 0x80);
}
END_TEST

static const struct {
    const char *text;
    size_t max, cut;
} cuts[] = {
    {"", 4, 0},
    {"abc", 3, 3},
    {"abc", 2, 2},
    {"abc", 0, 0},
    {"a\xc3\xa9", 3, 3},
    {"a\xc3\xa9", 2, 1},
    {"\xe2\x82\xac", 2, 0},
    {"\xe2\x82\xac!", 3, 3},
    {"a\xf0\x9f\x98\x80", 4, 1},
    {"\x80\x80\x80\x80\x80\x80", 5, 5},
    {"\xc3\xa9\xc3\xa9", 3, 2},
};

START_TEST(a_cut_is_not_inside_a_character) {
    ck_assert_uint_eq(trace_utf8_cut(cuts[_i].text, strlen(cuts[_i].text), cuts[_i].max), cuts[_i].cut);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("utf8");
    TCase *utf8 = tcase_create("utf8");
    tcase_add_test(utf8, every_code_point_is_well_formed_but_surrogates_and_those_beyond_the_last);
    tcase_add_test(utf8, each_sequence_of_two_bytes_is_judged_as_the_shortest_form);
    tcase_add_loop_test(utf8, a_cut_is_not_inside_a_character, 0, COUNT_OF(cuts));
    suite_add_tcase(suite, utf8);
    return run_suite(suite);
}
