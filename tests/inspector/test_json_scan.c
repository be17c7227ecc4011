/* SPDX-License-Identifier: MIT
 *
 * JSON read in place (inspector/base/json_scan.h), compared with jansson's reading of the same text.  Texts are copied to
 * memory of exactly their size, so that the address sanitizer notices a read beyond the end. */
#include "json_scan.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state;

static unsigned rnd(unsigned below) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % below;
}

static json_t *random_string(void) {
    static const char *const pieces[] = {"a", "key", "\"", "\\", "\\\"", "{", "]", ",", ":", "\n", "\x1b", "\xc3\xa9", " "};
    char text[64] = "";
    for (unsigned i = rnd(5); i; i--) strcat(text, pieces[rnd(sizeof pieces / sizeof *pieces)]);
    return json_string(text);
}

static json_t *random_value(unsigned depth) {
    json_t *value;
    switch (rnd(depth ? 8 : 6)) {
    case 0: return json_null();
    case 1: return json_boolean(rnd(2));
    case 2: return json_integer(rnd(2) ? (json_int_t)rnd(1000) - 500 : INT64_MAX - (json_int_t)rnd(2));
    case 3: return json_real(1.5 * rnd(100));
    case 4:
    case 5: return random_string();
    case 6:
        value = json_array();
        for (unsigned i = rnd(5); i; i--) json_array_append_new(value, random_value(depth - 1));
        return value;
    default:
        value = json_object();
        for (unsigned i = rnd(5); i; i--) {
            json_t *key = random_string();
            json_object_set_new(value, json_string_value(key), random_value(depth - 1));
            json_decref(key);
        }
        return value;
    }
}

/* The value as text, with or without space, in memory of exactly its size. */
static char *text_new(const json_t *value, size_t *ret_bytes) {
    static const size_t flags[] = {JSON_COMPACT, 0, JSON_INDENT(3), JSON_ENSURE_ASCII};
    char *text = json_dumps(value, JSON_ENCODE_ANY | flags[rnd(4)]);
    *ret_bytes = strlen(text);
    char *copy = malloc(*ret_bytes);
    memcpy(copy, text, *ret_bytes);
    free(text);
    return copy;
}

static void expect_same(struct json_span span, const json_t *value);

static void expect_same_array(struct json_span span, const json_t *value) {
    struct json_span element;
    size_t at = 0, count = 0;
    for (; json_scan_element(span, &at, &element); count++) expect_same(element, json_array_get(value, count));
    ck_assert_uint_eq(count, json_array_size(value));
    ck_assert(!json_scan_member(span, &(size_t){0}, &(struct json_member){{0}, {0}}));
}

static void expect_same_object(struct json_span span, const json_t *value) {
    struct json_member member;
    struct json_span found;
    const char *key;
    json_t *expected;
    size_t at = 0, count = 0;
    while (json_scan_member(span, &at, &member)) count++;
    ck_assert_uint_eq(count, json_object_size(value));
    json_object_foreach((json_t *)value, key, expected) {
        ck_assert(json_scan_find(span, key, &found));
        expect_same(found, expected);
        ck_assert(json_scan_path(span.text, span.bytes, &key, 1, &found));
        expect_same(found, expected);
    }
    ck_assert(!json_scan_find(span, "no such key", &found));
    ck_assert(!json_scan_element(span, &(size_t){0}, &found));
}

static void expect_same(struct json_span span, const json_t *value) {
    struct json_span text;
    int64_t integer;
    json_t *parsed = json_loadb(span.text, span.bytes, JSON_DECODE_ANY, NULL);
    ck_assert_msg(json_equal(parsed, value), "%.*s", (int)span.bytes, span.text);
    json_decref(parsed);
    if (json_is_array(value)) expect_same_array(span, value);
    if (json_is_object(value)) expect_same_object(span, value);
    ck_assert_int_eq(json_scan_integer(span, &integer), json_is_integer(value));
    if (json_is_integer(value)) ck_assert_int_eq(integer, json_integer_value(value));
    bool plain = json_scan_plain(span, &text);
    if (plain) ck_assert(json_is_string(value) && text.bytes == json_string_length(value));
    if (plain) ck_assert_mem_eq(text.text, json_string_value(value), text.bytes);
    if (!plain && json_is_string(value)) ck_assert_ptr_nonnull(memchr(span.text, '\\', span.bytes));
}

START_TEST(every_value_is_found_where_jansson_finds_it) {
    random_state = (uint64_t)_i;
    for (int i = 0; i < 100; i++) {
        json_t *value = random_value(4);
        size_t bytes;
        char *text = text_new(value, &bytes);
        struct json_span span;
        ck_assert(json_scan_value(text, bytes, &span));
        expect_same(span, value);
        free(text);
        json_decref(value);
    }
}
END_TEST

/* Looks at everything that can be found. */
static void walk(struct json_span span) {
    struct json_span element;
    struct json_member member;
    int64_t integer;
    for (size_t at = 0; json_scan_element(span, &at, &element);) walk(element);
    for (size_t at = 0; json_scan_member(span, &at, &member);) {
        (void)json_scan_is(&member, "key");
        walk(member.value);
    }
    (void)json_scan_plain(span, &element);
    (void)json_scan_integer(span, &integer);
}

START_TEST(a_text_that_is_cut_or_damaged_is_never_read_past_its_end) {
    random_state = (uint64_t)_i + 1000;
    for (int i = 0; i < 100; i++) {
        json_t *value = random_value(4);
        size_t bytes, cut;
        char *text = text_new(value, &bytes);
        const char *const path[] = {"key", "a"};
        struct json_span span;
        cut = rnd((unsigned)bytes + 1);
        char *part = malloc(cut ? cut : 1);
        memcpy(part, text, cut);
        for (unsigned damage = cut ? rnd(4) : 0; damage; damage--) part[rnd((unsigned)cut)] = "{}[]\",:\\1 "[rnd(10)];
        if (json_scan_value(part, cut, &span)) walk(span);
        walk((struct json_span){part, cut});
        (void)json_scan_path(part, cut, path, 2, &span);
        free(part);
        free(text);
        json_decref(value);
    }
}
END_TEST

START_TEST(a_path_leads_into_objects_and_looks_at_nothing_behind) {
    static const char text[] = "{\"id\":1,\"result\":{\"lost\":{\"events\":0},\"events\":[1,{\"a\":[]}],\"x\":tru";
    static const char *const path[] = {"result", "events"}, *const none[] = {"result", "cursor"},
                             *const deep[] = {"id", "events"};
    struct json_span span;
    ck_assert(json_scan_path(text, sizeof text - 1, path, 2, &span));
    ck_assert_uint_eq(span.bytes, strlen("[1,{\"a\":[]}]"));
    ck_assert(!strncmp(span.text, "[1,", 3));
    ck_assert(!json_scan_path(text, sizeof text - 1, none, 2, &span));
    ck_assert(!json_scan_path(text, sizeof text - 1, deep, 2, &span));
}
END_TEST

static const struct {
    const char *text;
    bool fits;
    int64_t value;
} integers[] = {{"0", true, 0},
                {"-1", true, -1},
                {"9223372036854775807", true, INT64_MAX},
                {"9223372036854775808", false, 0},
                {"-9223372036854775808", true, INT64_MIN},
                {"-9223372036854775809", false, 0},
                {"99999999999999999999", false, 0},
                {"1.0", false, 0},
                {"1e3", false, 0},
                {"-", false, 0},
                {"", false, 0},
                {"\"1\"", false, 0}};

START_TEST(a_whole_number_is_read_when_it_fits) {
    int64_t value = 0;
    ck_assert_int_eq(json_scan_integer((struct json_span){integers[_i].text, strlen(integers[_i].text)}, &value),
                     integers[_i].fits);
    ck_assert_int_eq(value, integers[_i].value);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_scan");
    TCase *tcase = tcase_create("json_scan");
    tcase_add_loop_test(tcase, every_value_is_found_where_jansson_finds_it, 0, 20);
    tcase_add_loop_test(tcase, a_text_that_is_cut_or_damaged_is_never_read_past_its_end, 0, 20);
    tcase_add_test(tcase, a_path_leads_into_objects_and_looks_at_nothing_behind);
    tcase_add_loop_test(tcase, a_whole_number_is_read_when_it_fits, 0, sizeof integers / sizeof *integers);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
