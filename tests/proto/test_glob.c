/* SPDX-License-Identifier: MIT
 *
 * Globs: what they match, compared with the simplest possible matcher, and what they cost. */
#include "run.h"
#include <filter_internal.h>
#include <stdint.h>
#include <string.h>

/* The definition, by recursion: slow, and short enough to be obviously right. */
static bool matches(const char *pattern, const char *text, const char *end) {
    if (!*pattern) return text == end;
    if (*pattern == '*') return matches(pattern + 1, text, end) || (text < end && matches(pattern, text + 1, end));
    if (text == end) return false;
    if (*pattern == '?') {
        for (text++; text < end && ((unsigned char)*text & 0xc0) == 0x80;) text++;
        return matches(pattern + 1, text, end);
    }
    if (*pattern == '\\' && pattern[1]) pattern++;
    return *pattern == *text && matches(pattern + 1, text + 1, end);
}

static uint32_t state;
static uint32_t below(uint32_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 16) % bound;
}

/* Few letters, so that much matches and there is much backtracking. */
static size_t random_text(char *out, const char *const *letters, uint32_t count, uint32_t length) {
    *out = 0;
    for (uint32_t i = below(length + 1); i > 0; i--) strcat(out, letters[below(count)]);
    return strlen(out);
}

START_TEST(a_glob_matches_by_its_definition) {
    static const char *const text_letters[] = {"a", "a", "b", "\xc3\xa9", "\xf0\x9f\x8e\x88", "*"};
    static const char *const pattern_letters[] = {"a", "a", "b", "\xc3\xa9", "*", "*", "?", "\\*", "\xf0\x9f\x8e\x88"};
    char text[64], pattern[64];
    unsigned matched = 0;
    for (state = (uint32_t)_i; matched < 500;) {
        size_t bytes = random_text(text, text_letters, 6, 12);
        random_text(pattern, pattern_letters, 9, 9);
        bool expected = matches(pattern, text, text + bytes);
        ck_assert_msg(filter__glob(pattern, text, bytes) == expected, "%s and %s", pattern, text);
        ck_assert_msg(filter__glob_once(pattern, text, bytes) == expected, "%s and %s, once", pattern, text);
        matched += expected;
    }
}
END_TEST

/* Long texts of one letter: the backtracking matcher gives up, and the answer comes from the other one. */
START_TEST(a_glob_that_backtracks_for_long_gives_the_same_answer) {
    char text[GLOB_TEXT_MAX + 1], pattern[GLOB_TEXT_MAX + 3];
    for (unsigned bytes = 1; bytes <= GLOB_TEXT_MAX; bytes += 1 + bytes / 16) {
        memset(text, 'a', bytes);
        for (unsigned items = 1; items <= bytes + 1; items += 1 + items / 8) {
            bool fits = items <= bytes;
            pattern[0] = '*';
            memset(pattern + 1, 'a', items);
            strcpy(pattern + 1 + items, "");
            ck_assert_msg(filter__glob(pattern, text, bytes) == fits, "%u of %u", items, bytes);
            pattern[items] = 'b'; /* never there */
            ck_assert(!filter__glob(pattern, text, bytes));
            text[bytes - 1] = 'b'; /* and now it is */
            ck_assert_msg(filter__glob(pattern, text, bytes) == fits, "%u of %u, b", items, bytes);
            strcpy(pattern + 1 + items, "?"); /* one more than there is */
            ck_assert(!filter__glob(pattern, text, bytes));
            text[bytes - 1] = 'a';
        }
    }
}
END_TEST

/* The matcher that examines each byte once uses 64-bit sets: `?` matches a whole character even where a set ends. */
START_TEST(a_character_is_one_wherever_it_is) {
    char text[GLOB_TEXT_MAX], pattern[GLOB_TEXT_MAX];
    for (unsigned before = 0; before < GLOB_TEXT_MAX - 8; before++) {
        memset(text, 'a', before);
        memset(pattern, 'a', before);
        strcpy(text + before, "\xf0\x9f\x8e\x88z");
        strcpy(pattern + before, "?z");
        ck_assert_msg(filter__glob_once(pattern, text, strlen(text)), "after %u", before);
        strcpy(pattern + before, "??z");
        ck_assert_msg(!filter__glob_once(pattern, text, strlen(text)), "after %u, two", before);
    }
}
END_TEST

/* Counted, not timed: the work that the filter reports. */
static uint64_t work_of(const char *text) {
    struct trace_filter *filter;
    struct trace_filter_error error;
    const struct trace_filter_options options = {0};
    struct trace_event event = {.kind = TRACE_KIND_CONN_CLOSED};
    static const struct trace_node_id nobody;
    const struct trace_filter_origin origin = {.node_id = &nobody, .node_name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    uint64_t work = 0;
    ck_assert_msg(!trace_filter_compile(&filter, text, strlen(text), &options, &error), "%s", error.reason);
    trace_filter_match_counted(filter, &event, &origin, &work);
    trace_filter_destroy(filter);
    return work;
}

START_TEST(the_counted_work_is_the_work_done) {
    uint64_t glob = work_of("node ~ '*aab'");
    ck_assert_uint_ge(glob, 100);
    ck_assert_uint_eq(work_of("lane == 1"), 1);
    ck_assert_uint_eq(work_of("lane == 1 and node ~ '*aab'"), 1);
    ck_assert_uint_eq(work_of("lane == 0 and node ~ '*aab'"), 1 + glob);
    ck_assert_uint_eq(work_of("node ~ '*aab' or node ~ '*aab'"), 2 * glob);
}
END_TEST

START_TEST(a_glob_of_nothing_but_stars_costs_its_length) {
    char text[4000] = "node ~ '";
    memset(text + strlen(text), '*', sizeof text - strlen(text) - 2);
    text[sizeof text - 2] = '\'';
    ck_assert_uint_ge(work_of(text), sizeof text);
}
END_TEST

START_TEST(the_longest_filter_has_a_bound) {
    char text[TRACE_FILTER_TEXT_MAX + 1] = "node ~ *b";
    for (unsigned i = 1; i < TRACE_FILTER_NODES_MAX / 2; i++) strcat(text, " or node~*b");
    ck_assert_uint_ge(work_of(text), 50000);
    ck_assert_uint_le(work_of(text), 200 * TRACE_FILTER_TEXT_MAX);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("glob");
    TCase *tcase = tcase_create("glob");
    tcase_add_loop_test(tcase, a_glob_matches_by_its_definition, 1, 9);
    tcase_add_test(tcase, a_glob_that_backtracks_for_long_gives_the_same_answer);
    tcase_add_test(tcase, a_character_is_one_wherever_it_is);
    tcase_add_test(tcase, the_counted_work_is_the_work_done);
    tcase_add_test(tcase, a_glob_of_nothing_but_stars_costs_its_length);
    tcase_add_test(tcase, the_longest_filter_has_a_bound);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
