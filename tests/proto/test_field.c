/* SPDX-License-Identifier: MIT
 *
 * Fields read one by one: each has the value that the event's JSON has. */
#include "filter_events.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <proto/field.h>
#include <stdlib.h>

static const struct trace_app *const apps[] = {&app_dmap};
static const struct trace_filter_names names = {.apps = apps, .app_count = 1, .complete = true};
static const struct trace_filter_options options = {.names = &names};

static uint64_t state = 88172645463325252U;

static uint64_t next_random(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

static struct trace_field *find(const char *name) {
    struct trace_field *field;
    struct trace_filter_error error;
    int status = trace_field_find(&field, name, strlen(name), &options, &error);
    ck_assert_msg(!status, "%s: %s", name, error.reason);
    return field;
}

static json_t *value_of(const char *name, const struct test_event *test) {
    struct trace_field *field = find(name);
    uint8_t value[TRACE_VALUE_BYTES_MAX];
    char text[TRACE_VALUE_JSON_MAX];
    size_t bytes = trace_field_read(field, &test->event, &test->origin, value);
    ck_assert_uint_ge(bytes, 1);
    ck_assert_uint_le(bytes, TRACE_VALUE_BYTES_MAX);
    size_t length = (size_t)(trace_value_json(text, value, bytes) - text);
    ck_assert_uint_le(length, TRACE_VALUE_JSON_MAX);
    json_t *json = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    ck_assert_msg(json != NULL, "%s: %.*s is no JSON", name, (int)length, text);
    trace_field_destroy(field);
    return json;
}

static json_t *event_of(const struct test_event *test) {
    char text[TRACE_EVENT_JSON_MAX];
    struct trace_event_origin origin = {.node_id = test->origin.node_id, .lane = test->origin.lane, .app = test->origin.app};
    json_t *json = json_loadb(text, (size_t)(trace_event_json(text, &test->event, &origin) - text), 0, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static void assert_value(const char *name, const struct test_event *test, const json_t *expected) {
    json_t *value = value_of(name, test), *null = json_null();
    ck_assert_msg(json_equal(value, expected ? expected : null), "%s of %c is %s", name, test->letter,
                  json_dumps(value, JSON_ENCODE_ANY));
    json_decref(value);
}

/* Every field of every kind, under each of its three names. */
static void assert_data(const struct test_event *test, const json_t *json) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            const char *name = kinds[k].fields[i].name;
            char dotted[64];
            const json_t *expected =
                trace_kind_info(test->event.kind) ? json_object_get(json_object_get(json, "data"), name) : NULL;
            assert_value(name, test, expected);
            snprintf(dotted, sizeof dotted, "data.%s", name);
            assert_value(dotted, test, expected);
            snprintf(dotted, sizeof dotted, "%s.%s", kinds[k].name, name);
            assert_value(dotted, test, kinds[k].id == test->event.kind ? expected : NULL);
        }
    }
}

START_TEST(a_field_is_what_the_json_of_the_event_has) {
    static const char *const both[][2] = {{"timestamp", "timestamp"}, {"time", "timestamp"},    {"node", "node_id"},
                                          {"node_id", "node_id"},     {"peer", "peer_id"},      {"peer_id", "peer_id"},
                                          {"trace", "trace_id"},      {"trace_id", "trace_id"}, {"sequence", "sequence"},
                                          {"lane", "lane"},           {"kind", "kind"}};
    struct test_event events[sizeof EVENTS_ALL];
    unsigned count = make_events(events);
    for (unsigned i = 0; i < count; i++) {
        json_t *json = event_of(&events[i]);
        for (unsigned n = 0; n < sizeof both / sizeof *both; n++)
            assert_value(both[n][0], &events[i], json_object_get(json, both[n][1]));
        assert_data(&events[i], json);
        json_decref(json);
    }
}
END_TEST

START_TEST(a_field_of_an_event_of_random_bytes_is_what_its_json_has) {
    struct test_event test;
    struct trace_filter_origin origin = {.node_id = &id_alice, .lane = 3};
    for (unsigned round = 0; round < 300; round++) {
        test = (struct test_event){.letter = '?', .origin = origin};
        uint64_t words[sizeof test.event / 8];
        for (unsigned i = 0; i < sizeof words / sizeof *words; i++) words[i] = round % 3 ? next_random() : 0;
        memcpy(&test.event, words, sizeof words);
        test.event.kind = (uint16_t)(round % 18);
        json_t *json = event_of(&test);
        assert_data(&test, json);
        json_decref(json);
    }
}
END_TEST

static void assert_text(const char *name, const struct test_event *test, const char *expected) {
    json_t *json = expected ? json_string(expected) : json_null();
    assert_value(name, test, json);
    json_decref(json);
}

static void assert_integer(const char *name, const struct test_event *test, uint64_t expected) {
    json_t *json = json_integer((json_int_t)expected);
    assert_value(name, test, json);
    json_decref(json);
}

static void assert_number(const char *name, const struct test_event *test, uint64_t expected) {
    struct trace_field *field = find(name);
    uint64_t number;
    assert_integer(name, test, expected);
    ck_assert(trace_field_number(field, &test->event, &test->origin, &number));
    ck_assert_uint_eq(number, expected);
    trace_field_destroy(field);
}

static void assert_no_number(const char *name, const struct test_event *test) {
    struct trace_field *field = find(name);
    uint64_t number;
    ck_assert(!trace_field_number(field, &test->event, &test->origin, &number));
    trace_field_destroy(field);
}

START_TEST(an_applications_fields_are_read_by_its_description) {
    struct test_event events[sizeof EVENTS_ALL];
    make_events(events);
    const struct test_event *command = &events[7], *start = &events[8], *end = &events[9], *stranger = &events[10];
    assert_text("app", command, "DataMap");
    assert_text("command", command, "GET_CHUNK");
    assert_text("command", start, "GET_CHUNK");
    assert_integer("command", end, 9); /* without a name */
    assert_text("app", stranger, "NOPE");
    assert_integer("command", stranger, 2);
    assert_text("app", &events[0], NULL);
    assert_number("DMAP.size", command, 2 << 20);
    assert_number("DataMap.size", command, 2 << 20);
    assert_number("fields.size", command, 2 << 20);
    assert_text("DMAP.hash", command, "deadbeef01020304");
    assert_text("DMAP.path", command, "/a/b.txt");
    assert_text("DMAP.key", command, "09080706");
    assert_text("DMAP.size", stranger, NULL);
    assert_text("DMAP.size", start, NULL);
    assert_no_number("DMAP.hash", command);
    assert_no_number("DMAP.size", start);
}
END_TEST

START_TEST(only_numbers_can_be_measured) {
    struct test_event events[sizeof EVENTS_ALL];
    make_events(events);
    assert_number("rtt", &events[2], 150000000);
    assert_number("sequence", &events[2], 102);
    assert_number("lane", &events[1], 1);
    assert_number("kind_id", &events[11], 77);
    assert_no_number("rtt", &events[0]);
    assert_no_number("conn_established.rtt", &events[2]);
    assert_no_number("fin", &events[3]);
    assert_no_number("span_id", &events[8]);
    assert_no_number("space", &events[0]);
    assert_no_number("time", &events[0]);
    static const struct {
        const char *name, *unit;
        bool is_number;
        unsigned uses;
    } cases[] = {{"rtt", "ns", true, 0},
                 {"size", "bytes", true, 0},
                 {"packet_num", "", true, 0},
                 {"lane", "", true, TRACE_FILTER_USES_LANE},
                 {"DMAP.size", "", true, TRACE_FILTER_USES_APP},
                 {"kind", "", false, 0},
                 {"node", "", false, TRACE_FILTER_USES_NODE},
                 {"command", "", false, TRACE_FILTER_USES_APP},
                 {"app", "", false, TRACE_FILTER_USES_APP},
                 {"ok", "", false, 0},
                 {"time", "", false, 0}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_field *field = find(cases[i].name);
        ck_assert_str_eq(trace_field_unit(field), cases[i].unit);
        ck_assert_msg(trace_field_is_number(field) == cases[i].is_number, "%s", cases[i].name);
        ck_assert_uint_eq(trace_field_uses(field), cases[i].uses);
        ck_assert(trace_field_is_time(field) == !strcmp(cases[i].name, "time"));
        trace_field_destroy(field);
    }
}
END_TEST

START_TEST(flags_are_one_text) {
    struct test_event events[sizeof EVENTS_ALL];
    make_events(events);
    assert_text("flags", &events[0], "sampled");
    assert_text("flags", &events[1], "debug");
    events[0].event.flags = 0;
    assert_text("flags", &events[0], "");
    events[0].event.flags = 0xff;
    assert_text("flags", &events[0], "sampled,debug,app_initiated,future,retransmission,expired,probe");
}
END_TEST

START_TEST(a_time_is_cut_to_whole_durations) {
    struct test_event events[sizeof EVENTS_ALL];
    make_events(events);
    assert_integer("time/1s", &events[0], 1767225600000000);
    assert_integer("time/100ms", &events[0], 1767225600100000);
    assert_integer("timestamp/1m", &events[1], 1767225540000000);
    assert_integer("time/10us", &events[0], 1767225600123450);
    assert_integer("time/1us", &events[0], 1767225600123456); /* a value is whole microseconds */
}
END_TEST

static void assert_range(const char *name, const struct test_event *test, uint64_t from_ns, uint64_t to_ns) {
    struct trace_field *field = find(name);
    uint8_t value[TRACE_VALUE_BYTES_MAX];
    uint64_t low_ns = 0, high_ns = 0;
    trace_field_read(field, &test->event, &test->origin, value);
    ck_assert(trace_field_time_range(field, value, &low_ns, &high_ns));
    ck_assert_uint_eq(low_ns, from_ns);
    ck_assert_uint_eq(high_ns, to_ns);
    trace_field_destroy(field);
}

START_TEST(a_cut_time_says_from_when_to_when_it_is) {
    struct test_event events[sizeof EVENTS_ALL];
    const uint64_t second = EVENTS_NOW / 1000000000 * 1000000000;
    uint64_t low_ns, high_ns;
    make_events(events);
    assert_range("time/1s", &events[0], second, second + 1000000000);
    assert_range("time/1m", &events[0], second, second + UINT64_C(60000000000));
    assert_range("time/1500ns", &events[0], EVENTS_NOW / 1500 * 1500, EVENTS_NOW / 1500 * 1500 + 1500);
    assert_range("time/1us", &events[0], EVENTS_NOW / 1000 * 1000, EVENTS_NOW / 1000 * 1000 + 1000);
    assert_range("time", &events[0], EVENTS_NOW / 1000 * 1000, EVENTS_NOW / 1000 * 1000);
    struct trace_field *field = find("sequence");
    ck_assert(!trace_field_time_range(field, (const uint8_t *)"n01234567", &low_ns, &high_ns));
    trace_field_destroy(field);
}
END_TEST

/* Texts that differ, but may be the same in an event's JSON. */
START_TEST(labels_of_different_texts_differ) {
    static const struct {
        const char *text, *label;
    } cases[] = {{"idle", "\"idle\""},
                 {"\xc3\xa9", "\"\xc3\xa9\""},
                 {"\xff", "\"\xef\xbf\xbd"
                          "ff\""},
                 {"\xfe", "\"\xef\xbf\xbd"
                          "fe\""},
                 {"a\xe2\x82", "\"a\xef\xbf\xbd"
                               "e2\xef\xbf\xbd"
                               "82\""},
                 {"a\xe2", "\"a\xef\xbf\xbd"
                           "e2\""},
                 {"\xef\xbf\xbd", "\"\xef\xbf\xbd\""},
                 {"\xef\xbf\xbd"
                  "ff",
                  "\"\xef\xbf\xbd"
                  "ef\xef\xbf\xbd"
                  "bf\xef\xbf\xbd"
                  "bdff\""},
                 {"\xef\xbf\xbd"
                  "f",
                  "\"\xef\xbf\xbd"
                  "f\""},
                 {"\"\x01", "\"\\\"\\u0001\""}};
    struct trace_field *field = find("reason");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_event event = {.kind = TRACE_KIND_CONN_CLOSED};
        struct trace_filter_origin origin = {.node_id = &id_alice};
        uint8_t value[TRACE_VALUE_BYTES_MAX];
        char label[TRACE_VALUE_JSON_MAX + 1];
        memcpy(event.data.conn_closed.reason, cases[i].text, strlen(cases[i].text));
        size_t bytes = trace_field_read(field, &event, &origin, value);
        *trace_value_label(label, value, bytes) = 0;
        ck_assert_str_eq(label, cases[i].label);
    }
    trace_field_destroy(field);
}
END_TEST

/* Equal bytes exactly when the values are equal. */
START_TEST(values_are_ordered_and_equal_by_their_bytes) {
    struct test_event events[sizeof EVENTS_ALL];
    struct trace_field *field = find("sequence");
    uint8_t a[TRACE_VALUE_BYTES_MAX], b[TRACE_VALUE_BYTES_MAX];
    make_events(events);
    events[0].event.sequence = 255;
    events[1].event.sequence = 256; /* the lesser first byte */
    size_t a_bytes = trace_field_read(field, &events[0].event, &events[0].origin, a);
    size_t b_bytes = trace_field_read(field, &events[1].event, &events[1].origin, b);
    ck_assert_int_lt(trace_value_compare(a, a_bytes, b, b_bytes), 0);
    ck_assert_int_gt(trace_value_compare(b, b_bytes, a, a_bytes), 0);
    ck_assert_int_eq(trace_value_compare(a, a_bytes, a, a_bytes), 0);
    trace_field_destroy(field);
    field = find("reason");
    strcpy(events[6].event.data.conn_closed.reason, "idle");
    a_bytes = trace_field_read(field, &events[6].event, &events[6].origin, a);
    memset(events[6].event.data.conn_closed.reason + 5, 'x', 10); /* after the NUL */
    b_bytes = trace_field_read(field, &events[6].event, &events[6].origin, b);
    ck_assert_uint_eq(a_bytes, b_bytes);
    ck_assert_mem_eq(a, b, a_bytes);
    strcpy(events[6].event.data.conn_closed.reason, "idle timeout");
    b_bytes = trace_field_read(field, &events[6].event, &events[6].origin, b);
    ck_assert_int_lt(trace_value_compare(a, a_bytes, b, b_bytes), 0);
    ck_assert_int_gt(trace_value_compare(b, b_bytes, a, a_bytes), 0);
    trace_field_destroy(field);
}
END_TEST

START_TEST(an_unknown_field_is_refused_with_its_place) {
    static const struct {
        const char *text;
        size_t position, length;
        const char *suggestion;
    } cases[] = {{"rrt", 0, 3, "rtt"},
                 {"packet_sent.sise", 12, 4, "size"},
                 {"", 0, 0, ""},
                 {"rtt size", 4, 4, ""},
                 {"rtt/1s", 0, 6, ""},
                 {"time/1KiB", 6, 3, ""},
                 {"time/0s", 5, 2, ""},
                 {"time/999", 5, 3, ""},
                 {"time/999ns", 5, 5, ""},
                 {"time/", 5, 0, ""},
                 {"DMAP.sizes", 5, 5, "size"},
                 {"(", 0, 1, ""},
                 {"packet_lost", 0, 11, ""}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_field *field = NULL;
        struct trace_filter_error error;
        ck_assert_msg(trace_field_find(&field, cases[i].text, strlen(cases[i].text), &options, &error) == -EINVAL, "%s",
                      cases[i].text);
        ck_assert_msg(error.position == cases[i].position && error.length == cases[i].length, "%s: %zu, %zu", cases[i].text,
                      error.position, error.length);
        ck_assert_str_eq(error.suggestion, cases[i].suggestion);
        ck_assert(error.reason[0]);
        ck_assert_ptr_null(field);
    }
    char *long_text = malloc(TRACE_FILTER_TEXT_MAX + 1);
    struct trace_field *field;
    struct trace_filter_error error;
    memset(long_text, 'a', TRACE_FILTER_TEXT_MAX + 1);
    ck_assert_int_eq(trace_field_find(&field, long_text, TRACE_FILTER_TEXT_MAX + 1, &options, &error), -EINVAL);
    ck_assert_int_eq(trace_field_find(&field, long_text, TRACE_FILTER_TEXT_MAX, &options, &error), -EINVAL);
    free(long_text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("field");
    TCase *tcase = tcase_create("field");
    tcase_add_test(tcase, a_field_is_what_the_json_of_the_event_has);
    tcase_add_test(tcase, a_field_of_an_event_of_random_bytes_is_what_its_json_has);
    tcase_add_test(tcase, an_applications_fields_are_read_by_its_description);
    tcase_add_test(tcase, only_numbers_can_be_measured);
    tcase_add_test(tcase, flags_are_one_text);
    tcase_add_test(tcase, a_time_is_cut_to_whole_durations);
    tcase_add_test(tcase, a_cut_time_says_from_when_to_when_it_is);
    tcase_add_test(tcase, labels_of_different_texts_differ);
    tcase_add_test(tcase, values_are_ordered_and_equal_by_their_bytes);
    tcase_add_test(tcase, an_unknown_field_is_refused_with_its_place);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
