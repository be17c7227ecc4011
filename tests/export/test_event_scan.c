/* SPDX-License-Identifier: MIT
 *
 * Events read in place from JSON, compared with proto/event_parse.h. */
#include "event_scan.h"
#include "random_events.h"

#include <check.h>
#include <errno.h>
#include <proto/event_json.h>
#include <stdlib.h>
#include <string.h>

/* In memory of exactly its size, so that the address sanitizer detects a read beyond it. */
static int scan_exact(const char *text, size_t bytes, struct scanned_event *ret_event, struct trace_parse_error *ret_error) {
    char *copy = malloc(bytes + !bytes);
    memcpy(copy, text, bytes);
    int result = event_scan((struct json_span){copy, bytes}, ret_event, ret_error);
    free(copy);
    return result;
}

static void expect_as_parsed(const char *text, size_t bytes) {
    struct scanned_event scanned;
    struct trace_parsed_event parsed;
    struct trace_parse_error scan_error = {{0}, {0}}, parse_error = {{0}, {0}};
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    int expected = json ? trace_event_parse(json, &parsed, &parse_error) : -EINVAL;
    ck_assert_msg(scan_exact(text, bytes, &scanned, &scan_error) == expected, "%.*s", (int)bytes, text);
    if (!expected) {
        ck_assert_mem_eq(&scanned.event, &parsed.event, sizeof scanned.event);
        ck_assert_mem_eq(&scanned.node_id, &parsed.node_id, sizeof scanned.node_id);
        ck_assert_uint_eq(scanned.lane, parsed.lane);
        ck_assert_int_eq(scanned.has_log, parsed.has_log);
        ck_assert(scanned.log == parsed.log);
        ck_assert_int_eq(scanned.fields.bytes != 0, parsed.fields != NULL);
    } else if (json) {
        ck_assert_str_eq(scan_error.field, parse_error.field);
        ck_assert_str_eq(scan_error.reason, parse_error.reason);
    }
    json_decref(json);
}

static size_t event_text(struct random_events *random, int wild, char text[TRACE_EVENT_JSON_MAX]) {
    struct trace_event event;
    uint32_t node, lane;
    random_event(random, wild, &event, &node, &lane);
    struct trace_node_id id = random_node_id(node);
    struct trace_event_origin origin = {.node_id = &id, .lane = lane, .app = &random_app};
    return (size_t)(trace_event_json(text, &event, &origin) - text);
}

START_TEST(an_event_is_read_as_the_thorough_parser_reads_it) {
    struct random_events random = {.state = (uint64_t)_i};
    char text[TRACE_EVENT_JSON_MAX];
    for (int i = 0; i < 2000; i++) {
        size_t bytes = event_text(&random, _i & 1, text);
        expect_as_parsed(text, bytes);
    }
}
END_TEST

/* Members in another order, with space, with a log; and every text with one byte changed. */
START_TEST(order_and_space_do_not_matter_and_damage_is_seen) {
    struct random_events random = {.state = 77 + (uint64_t)_i};
    char text[TRACE_EVENT_JSON_MAX];
    size_t bytes = event_text(&random, 0, text);
    json_t *json = json_loadb(text, bytes, 0, NULL);
    json_object_set_new(json, "log", json_string("00112233445566ff"));
    json_object_set_new(json, "new member", json_pack("{s:[i,s]}", "x", 1, "\""));
    char *shuffled = json_dumps(json, JSON_SORT_KEYS | JSON_INDENT(2));
    expect_as_parsed(shuffled, strlen(shuffled));
    free(shuffled);
    json_decref(json);
    for (size_t i = 0; i < bytes; i++) {
        char kept = text[i];
        const char other[] = {'0', '"', ' ', '}', ',', 'z', '\\'};
        text[i] = other[(i + (size_t)_i) % sizeof other];
        expect_as_parsed(text, bytes);
        text[i] = kept;
        expect_as_parsed(text, i);
    }
}
END_TEST

START_TEST(a_number_that_does_not_fit_is_an_error) {
    static const char text[] =
        "{\"timestamp\":1,\"ns\":2,\"node_id\":\"%064d\",\"peer_id\":null,\"trace_id\":null,\"sequence\":%s,\"lane\":0,"
        "\"kind\":\"packet_lost\",\"flags\":[],\"data\":{\"packet_num\":%s,\"space\":\"1rtt\"}}";
    static const char *const numbers[] = {"0",
                                          "4294967295",
                                          "4294967296",
                                          "-1",
                                          "1.0",
                                          "01",
                                          "1e3",
                                          "9223372036854775807",
                                          "\"18446744073709551615\"",
                                          "\"18446744073709551616\"",
                                          "999999999999999999",
                                          "true"};
    char line[1024];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int bytes = snprintf(line, sizeof line, text, 5, numbers[i], "7");
        expect_as_parsed(line, (size_t)bytes);
        bytes = snprintf(line, sizeof line, text, 5, "7", numbers[i]);
        expect_as_parsed(line, (size_t)bytes);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("event_scan");
    TCase *tcase = tcase_create("event_scan");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, an_event_is_read_as_the_thorough_parser_reads_it, 0, 8);
    tcase_add_loop_test(tcase, order_and_space_do_not_matter_and_damage_is_seen, 0, 24);
    tcase_add_test(tcase, a_number_that_does_not_fit_is_an_error);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
