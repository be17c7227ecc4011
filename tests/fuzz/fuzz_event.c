/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: events, as bytes of a slot and as JSON.
 *
 * The first byte selects.  Even: the rest is an event's bytes, and 42 bytes for the fields of an application's description;
 * its JSON is valid, reads back, and is written again byte for byte.  Odd: the rest is JSON text; both readers
 * (proto/event_parse.h and inspector/base/event_scan.h) agree about it. */
#include "event_scan.h"
#include "fuzz.h"

#include <proto/event_json.h>
#include <proto/event_parse.h>

static const struct trace_app app = {
    .app_id = {'T', 'E', 'S', 'T'},
    .name = "a test",
    .command_count = 1,
    .field_count = 200, /* more than there are: a node may claim that */
    .commands = {{7, "GO\xff"}},
    .fields = {{"hash", TRACE_APP_HASH, 0, 8, 0}, {"size", TRACE_APP_UNSIGNED, 8, 4, 0}, {"far", TRACE_APP_BYTES, 200, 200, 0}}};

static void check_same(const struct trace_parsed_event *parsed, const struct scanned_event *scanned) {
    REQUIRE(fuzz_same(&parsed->event, &scanned->event, sizeof parsed->event));
    REQUIRE(!memcmp(&parsed->node_id, &scanned->node_id, sizeof parsed->node_id));
    REQUIRE(parsed->lane == scanned->lane && parsed->has_log == scanned->has_log && parsed->log == scanned->log);
    REQUIRE((parsed->app != NULL) == (scanned->app.bytes != 0));
}

/* The tree's reader decides what is JSON; the other one reads only valid JSON. */
static void read_json(const char *text, size_t bytes) {
    struct trace_parsed_event parsed;
    struct scanned_event scanned;
    struct trace_parse_error error = {0}, scan_error = {0};
    struct json_span span;
    json_t *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!object) {
        if (json_scan_value(text, bytes, &span)) (void)event_scan(span, &scanned, &scan_error); /* must not crash */
        return;
    }
    REQUIRE(json_scan_value(text, bytes, &span));
    int result = trace_event_parse(object, &parsed, &error), scan_result = event_scan(span, &scanned, &scan_error);
    REQUIRE(result == scan_result);
    REQUIRE(result == 0 || error.reason[0]);
    if (result == 0) check_same(&parsed, &scanned);
    if (result != 0) REQUIRE(!strcmp(error.field, scan_error.field) && !strcmp(error.reason, scan_error.reason));
    json_decref(object);
}

static void write_json(const uint8_t *data, size_t bytes) {
    static char first[TRACE_EVENT_JSON_MAX], second[TRACE_EVENT_JSON_MAX];
    struct trace_node_id node_id = {{1, 2}};
    struct trace_event_origin origin = {&node_id, 3, &app};
    struct trace_event event = {0};
    struct trace_parsed_event parsed;
    struct trace_parse_error error;
    memcpy(&event, data, bytes < sizeof event ? bytes : sizeof event);
    size_t count = (size_t)(trace_event_json(first, &event, &origin) - first);
    REQUIRE(count <= sizeof first);
    json_t *object = json_loadb(first, count, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(object != NULL);
    REQUIRE(trace_event_parse(object, &parsed, &error) == 0);
    REQUIRE(parsed.event.timestamp == event.timestamp && parsed.event.kind == event.kind && parsed.lane == 3);
    size_t again = (size_t)(trace_event_json(second, &parsed.event, &origin) - second);
    REQUIRE(again == count && !memcmp(first, second, count));
    json_decref(object);
    read_json(first, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (!bytes) return 0;
    if (*data & 1)
        read_json((const char *)data + 1, bytes - 1);
    else
        write_json(data + 1, bytes - 1);
    return 0;
}
