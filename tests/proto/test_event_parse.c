/* SPDX-License-Identifier: MIT
 *
 * Events from JSON: a round trip of each kind, golden and random; and JSON that is not an event, with the field named in the
 * error.  The same events as objects, without text in between. */
#include "golden.h"
#include "run.h"

#include <errno.h>
#include <proto/event_clock.h>
#include <proto/event_object.h>
#include <proto/event_parse.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                   \
    do {                                                  \
        if (!(condition)) ck_abort_msg("%s", #condition); \
    } while (0)

static json_t *load(const char *text, size_t bytes) {
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!root) ck_abort_msg("not JSON: %.*s", (int)bytes, text);
    return root;
}

static void parse(const json_t *root, struct trace_parsed_event *ret_parsed) {
    struct trace_parse_error error;
    if (trace_event_parse(root, ret_parsed, &error)) ck_abort_msg("%s %s", error.field, error.reason);
}

/* ---- what JSON preserves ------------------------------------------------------------------------------------------------ */

/* Is all of it ASCII?  Other bytes may come back different; we also check that the JSON is the same. */
static bool is_ascii(const uint8_t *at, size_t bytes) {
    for (size_t i = 0; i < bytes && at[i]; i++)
        if (at[i] > 0x7f) return false;
    return true;
}

/* Copies what JSON preserves of a field, as the header lists it. */
static void carry_field(struct trace_event *out, const struct trace_event *in, const struct trace_parsed_event *back,
                        const struct trace_field_info *field) {
    static const uint8_t widths[] = {
        [TRACE_TYPE_u8] = 1,    [TRACE_TYPE_u16] = 2,  [TRACE_TYPE_u32] = 4,       [TRACE_TYPE_u64] = 8,
        [TRACE_TYPE_space] = 1, [TRACE_TYPE_loss] = 1, [TRACE_TYPE_transport] = 1, [TRACE_TYPE_id64] = 8};
    const uint8_t *from = in->data.bytes + field->offset;
    uint8_t *to = out->data.bytes + field->offset;
    struct trace_endpoint endpoint, carried = {0};
    size_t count;
    switch (field->type) {
    case TRACE_TYPE_bool: *to = *from != 0; return;
    case TRACE_TYPE_endpoint:
        memcpy(&endpoint, from, sizeof endpoint);
        if (endpoint.family == 4 || endpoint.family == 6) {
            memcpy(carried.address, endpoint.address, endpoint.family == 4 ? 4 : 16);
            carried.family = endpoint.family;
            carried.port = endpoint.port;
        }
        memcpy(to, &carried, sizeof carried);
        return;
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text:
        count = strnlen((const char *)from, field->length);
        memcpy(to, is_ascii(from, count) ? from : back->event.data.bytes + field->offset, field->length);
        if (is_ascii(from, count)) memset(to + count, 0, field->length - count);
        return;
    case TRACE_TYPE_payload:
        to[0] = from[0] < field->length ? from[0] : (uint8_t)field->length;
        memcpy(to + 1, from + 1, to[0]);
        return;
    default: memcpy(to, from, widths[field->type]); return;
    }
}

static void carry(struct trace_event *out, const struct trace_event *in, const struct trace_parsed_event *back) {
    const struct trace_kind_info *kind = trace_kind_info(in->kind);
    memset(out, 0, sizeof *out);
    out->timestamp = in->timestamp;
    out->trace_id = in->trace_id;
    out->sequence = in->sequence;
    out->kind = in->kind;
    out->flags = in->flags;
    trace_event_set_clock_steps(out, trace_event_clock_steps(in));
    if (in->flags & TRACE_FLAG_HAS_PEER) out->peer_id = in->peer_id;
    if (!kind) out->data = in->data;
    for (unsigned i = 0; kind && i < kind->field_count; i++) carry_field(out, in, back, &kind->fields[i]);
}

/* The object of an event equals that of its text, in the same order. */
static void check_object(const struct trace_event *event, const struct trace_event_origin *origin, const json_t *parsed) {
    json_t *object = trace_event_object_new(event, origin);
    char *text = json_dumps(object, JSON_COMPACT), *expected = json_dumps(parsed, JSON_COMPACT);
    MUST(text && expected);
    if (strcmp(text, expected) != 0) ck_abort_msg("%s\ninstead of\n%s", text, expected);
    free(text);
    free(expected);
    json_decref(object);
}

/* Byte for byte: bytes outside of fields are zero on both sides. */
static bool is_same(const void *a, const void *b, size_t bytes) { return !memcmp(a, b, bytes); }

/* There and back: the event, and its JSON. */
static void check_round_trip(const struct trace_event *event, const struct trace_event_origin *origin) {
    static char text[TRACE_EVENT_JSON_MAX], again[TRACE_EVENT_JSON_MAX];
    char *end = trace_event_json(text, event, origin);
    json_t *root = load(text, (size_t)(end - text));
    struct trace_parsed_event back;
    struct trace_event carried;
    check_object(event, origin, root);
    parse(root, &back);
    carry(&carried, event, &back);
    if (!is_same(&back.event, &carried, sizeof carried)) ck_abort_msg("another event: %.*s", (int)(end - text), text);
    MUST(!memcmp(&back.node_id, origin->node_id, sizeof back.node_id));
    MUST(back.lane == origin->lane && !back.has_log);
    MUST(!back.app == !json_object_get(root, "app"));
    MUST(!back.app || !strcmp(back.app, json_string_value(json_object_get(root, "app"))));
    MUST(!back.command == !json_is_string(json_object_get(root, "command")));
    MUST(back.fields == json_object_get(root, "fields"));
    char *again_end = trace_event_json(again, &back.event, &(struct trace_event_origin){&back.node_id, back.lane, origin->app});
    if (again_end - again != end - text || memcmp(text, again, (size_t)(end - text)) != 0)
        ck_abort_msg("%.*s\nbecame\n%.*s", (int)(end - text), text, (int)(again_end - again), again);
    json_decref(root);
}

START_TEST(a_golden_event_comes_back) {
    check_round_trip(&goldens[_i].event, &(struct trace_event_origin){&golden_node, goldens[_i].lane, goldens[_i].app});
}
END_TEST

START_TEST(a_golden_file_becomes_the_event_that_it_was_made_of) {
    const struct golden *golden = &goldens[_i];
    struct trace_parsed_event back;
    struct trace_event carried;
    char path[512];
    snprintf(path, sizeof path, "%s/%s.json", getenv("GOLDEN_DIR"), golden->name);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    parse(root, &back);
    carry(&carried, &golden->event, &back);
    ck_assert_mem_eq(&back.event, &carried, sizeof carried);
    json_decref(root);
}
END_TEST

static uint64_t random_state;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

/* Bytes that are special in text, in UTF-8, in counts and in endpoints are more frequent. */
static uint8_t random_byte(void) {
    static const uint8_t special[] = {0,   0,   1,    4,    6,    42,   43,   '"',  '\\', '\n', 'a',
                                      'b', 255, 0x7f, 0x80, 0xbf, 0xc3, 0xbd, 0xe2, 0xed, 0xf0, 0xef};
    return random_below(2) ? special[random_below(COUNT_OF(special))] : (uint8_t)random_below(256);
}

START_TEST(random_events_of_each_kind_come_back) {
    random_state = (uint64_t)_i + 1;
    for (int i = 0; i < 5000; i++) {
        struct trace_event event;
        for (size_t j = 0; j < sizeof event; j++) ((uint8_t *)&event)[j] = random_byte();
        event.kind = (uint16_t)_i;
        if (i % 4 == 0) memcpy(event.data.bytes + 21, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf", 8); /* U+FFFD of its own */
        check_round_trip(&event, &(struct trace_event_origin){&golden_node, random_below(256), NULL});
    }
}
END_TEST

START_TEST(text_that_grew_when_written_returns_to_its_length) {
    struct trace_event event = {.kind = TRACE_KIND_CONN_CLOSED};
    struct trace_event_origin origin = {&golden_node, 0, NULL};
    for (size_t bad = 0; bad <= sizeof event.data.conn_closed.reason; bad++) {
        memset(event.data.conn_closed.reason, 'a', sizeof event.data.conn_closed.reason);
        memset(event.data.conn_closed.reason, 0xfe, bad);
        check_round_trip(&event, &origin);
    }
    memcpy(event.data.conn_closed.reason, "\xef\xbf\xbd\xfe\xef\xbf\xbd", 7);
    check_round_trip(&event, &origin);
}
END_TEST

/* UTF-8 text comes back unchanged, including its own U+FFFD, if it fits; otherwise each U+FFFD stands for an invalid byte. */
START_TEST(text_that_is_utf8_comes_back_as_it_was) {
    static const char text[] = "caf\xc3\xa9 \xef\xbf\xbd", grown[] = "a\xfe"
                                                                     "b\xf0\x9f\x98";
    struct trace_event event = {.kind = TRACE_KIND_CONN_CLOSED};
    struct trace_event_origin origin = {&golden_node, 0, NULL};
    char json[TRACE_EVENT_JSON_MAX], expected[sizeof event.data.conn_closed.reason];
    struct trace_parsed_event back;
    memcpy(event.data.conn_closed.reason, text, sizeof text);
    for (int i = 0; i < 2; i++) {
        json_t *root = load(json, (size_t)(trace_event_json(json, &event, &origin) - json));
        parse(root, &back);
        memcpy(expected, event.data.conn_closed.reason, sizeof expected);
        if (i) { /* six bytes became four */
            memcpy(expected,
                   "a\xff"
                   "b\xff",
                   4);
            memset(expected + 4, 'x', sizeof expected - 6);
            memset(expected + sizeof expected - 2, 0, 2);
        }
        ck_assert_mem_eq(back.event.data.conn_closed.reason, expected, sizeof expected);
        json_decref(root);
        memset(event.data.conn_closed.reason, 'x', sizeof expected);
        memcpy(event.data.conn_closed.reason, grown, sizeof grown - 1);
    }
}
END_TEST

START_TEST(the_last_time_is_not_passed) {
    struct trace_event event = {.timestamp = UINT64_MAX, .kind = TRACE_KIND_CONN_ESTABLISHED};
    struct trace_event_origin origin = {&golden_node, 0, NULL};
    struct trace_parsed_event back;
    struct trace_parse_error error;
    char json[TRACE_EVENT_JSON_MAX];
    json_t *root = load(json, (size_t)(trace_event_json(json, &event, &origin) - json));
    parse(root, &back);
    ck_assert_uint_eq(back.event.timestamp, UINT64_MAX);
    json_object_set_new(root, "ns", json_integer(616));
    ck_assert_int_eq(trace_event_parse(root, &back, &error), -EINVAL);
    ck_assert_str_eq(error.field, "ns");
    json_decref(root);
}
END_TEST

/* ---- not an event ------------------------------------------------------------------------------------------------------- */

#define Z8 "00000000"
#define Z32 Z8 Z8 Z8 Z8
#define HEAD_ "\"timestamp\":1,\"ns\":2,\"node_id\":\"" Z32 Z32 "\",\"peer_id\":null,\"trace_id\":null,\"sequence\":3,\"lane\":4,"
#define SENT_ "\"kind\":\"packet_sent\",\"flags\":[],\"data\":{\"packet_num\":5,\"size\":6,\"space\":\"1rtt\"}"

/* One event of each kind that the cases need. */
static const struct {
    const char *name, *json;
} bases[] = {
    {"sent", "{" HEAD_ SENT_ "}"},
    {"unknown", "{" HEAD_ "\"kind\":\"unknown\",\"kind_id\":77,\"flags\":[],\"data\":{\"bytes\":\"" Z32 Z32 Z32 Z32 "\"}}"},
    {"init", "{" HEAD_ "\"kind\":\"conn_init\",\"flags\":[],\"data\":{\"endpoint\":null,\"by_remote\":false}}"},
    {"closed", "{" HEAD_ "\"kind\":\"conn_closed\",\"flags\":[],\"data\":{\"code\":0,\"by_remote\":true,\"reason\":\"\"}}"},
    {"lost", "{" HEAD_ "\"kind\":\"events_lost\",\"flags\":[],\"data\":{\"count\":1,\"first\":1,\"cause\":\"contended\"}}"},
    {"start", "{" HEAD_ "\"kind\":\"app_start\",\"flags\":[],\"data\":{\"span_id\":\"" Z8 Z8 "\",\"parent_id\":\"" Z8 Z8
              "\",\"app_id\":\"DMAP\",\"cmd\":1}}"},
    {"command", "{" HEAD_ "\"kind\":\"app_command\",\"flags\":[],\"data\":{\"app_id\":\"DMAP\",\"cmd\":1,\"data\":\"0a\"}}"},
};

/* A member of one of them is replaced, or removed for NULL.  field: the one named in the error; NULL: it is still an event. */
static const struct {
    const char *base, *object, *key, *value, *field;
} changes[] = {
    /* every member is needed */
    {"sent", "", "timestamp", NULL, "timestamp"},
    {"sent", "", "ns", NULL, "ns"},
    {"sent", "", "node_id", NULL, "node_id"},
    {"sent", "", "peer_id", NULL, "peer_id"},
    {"sent", "", "trace_id", NULL, "trace_id"},
    {"sent", "", "sequence", NULL, "sequence"},
    {"sent", "", "lane", NULL, "lane"},
    {"sent", "", "kind", NULL, "kind"},
    {"sent", "", "flags", NULL, "flags"},
    {"sent", "", "data", NULL, "data"},
    {"sent", "data", "packet_num", NULL, "data.packet_num"},
    {"sent", "data", "space", NULL, "data.space"},
    {"init", "data", "endpoint", NULL, "data.endpoint"},
    {"init", "data", "by_remote", NULL, "data.by_remote"},
    {"closed", "data", "reason", NULL, "data.reason"},
    {"start", "data", "span_id", NULL, "data.span_id"},
    {"command", "data", "data", NULL, "data.data"},
    {"unknown", "", "kind_id", NULL, "kind_id"},
    {"unknown", "data", "bytes", NULL, "data.bytes"},
    /* types */
    {"sent", "", "timestamp", "1.5", "timestamp"},
    {"sent", "", "timestamp", "null", "timestamp"},
    {"sent", "", "timestamp", "true", "timestamp"},
    {"sent", "", "timestamp", "[1]", "timestamp"},
    {"sent", "", "sequence", "{}", "sequence"},
    {"sent", "", "node_id", "null", "node_id"},
    {"sent", "", "node_id", "7", "node_id"},
    {"sent", "", "kind", "7", "kind"},
    {"sent", "", "kind", "null", "kind"},
    {"sent", "", "flags", "\"sampled\"", "flags"},
    {"sent", "", "flags", "{}", "flags"},
    {"sent", "", "flags", "[7]", "flags[0]"},
    {"sent", "", "data", "[]", "data"},
    {"sent", "", "data", "null", "data"},
    {"unknown", "", "data", "null", "data"},
    {"init", "data", "by_remote", "1", "data.by_remote"},
    {"init", "data", "endpoint", "7", "data.endpoint"},
    {"closed", "data", "reason", "null", "data.reason"},
    {"command", "data", "data", "null", "data.data"},
    {"command", "data", "app_id", "1", "data.app_id"},
    {"command", "", "app", "7", "app"},
    {"command", "", "app", "null", "app"},
    {"command", "", "command", "7", "command"},
    {"command", "", "fields", "[]", "fields"},
    {"sent", "", "log", "7", "log"},
    /* ranges */
    {"sent", "", "timestamp", "-1", "timestamp"},
    {"sent", "", "timestamp", "18446744073709552", "timestamp"},
    {"sent", "", "timestamp", "18446744073709551", NULL},
    {"sent", "", "timestamp", "\"18446744073709551\"", NULL},
    {"sent", "", "ns", "1000", "ns"},
    {"sent", "", "ns", "999", NULL},
    {"sent", "", "sequence", "4294967296", "sequence"},
    {"sent", "", "sequence", "4294967295", NULL},
    {"sent", "", "lane", "4294967296", "lane"},
    {"sent", "data", "size", "4294967296", "data.size"},
    {"sent", "data", "size", "-1", "data.size"},
    {"sent", "data", "packet_num", "\"18446744073709551615\"", NULL},
    {"sent", "data", "packet_num", "\"18446744073709551616\"", "data.packet_num"},
    {"sent", "data", "packet_num", "\"99999999999999999999999\"", "data.packet_num"},
    {"sent", "data", "packet_num", "\"\"", "data.packet_num"},
    {"sent", "data", "packet_num", "\" 1\"", "data.packet_num"},
    {"sent", "data", "packet_num", "\"1\\u0000\"", "data.packet_num"},
    {"command", "data", "cmd", "65536", "data.cmd"},
    {"unknown", "", "kind_id", "65536", "kind_id"},
    {"unknown", "", "kind_id", "65535", NULL},
    {"sent", "data", "space", "256", "data.space"},
    {"sent", "data", "space", "255", NULL},
    /* ids and hex */
    {"sent", "", "node_id", "\"\"", "node_id"},
    {"sent", "", "node_id", "\"" Z32 Z8 Z8 Z8 "0000000\"", "node_id"},
    {"sent", "", "node_id", "\"" Z32 Z8 Z8 Z8 "0000000g\"", "node_id"},
    {"sent", "", "node_id", "\"" Z32 Z32 "0\"", "node_id"},
    {"sent", "", "peer_id", "\"" Z32 "\"", "peer_id"},
    {"sent", "", "trace_id", "\"" Z32 Z32 "\"", "trace_id"},
    {"sent", "", "trace_id", "\"" Z8 Z8 Z8 "0000\\u0000000\"", "trace_id"},
    {"sent", "", "log", "\"0123\"", "log"},
    {"start", "data", "span_id", "\"" Z8 "\"", "data.span_id"},
    {"start", "data", "parent_id", "0", "data.parent_id"},
    {"command", "data", "data", "\"0\"", "data.data"},
    {"command", "data", "data", "\"0x\"", "data.data"},
    {"command", "data", "data", "\"" Z32 Z32 Z8 Z8 "0000\"", NULL},
    {"command", "data", "data", "\"" Z32 Z32 Z8 Z8 "000000\"", "data.data"},
    {"unknown", "data", "bytes", "\"" Z32 Z32 Z32 "\"", "data.bytes"},
    /* names */
    {"sent", "", "kind", "\"warp_drive\"", "kind"},
    {"sent", "", "kind", "\"\"", "kind"},
    {"sent", "", "kind", "\"packet_sent\\u0000\"", "kind"},
    {"sent", "", "kind", "\"packet_received\"", NULL},
    {"sent", "", "kind", "\"packet_lost\"", NULL},
    {"sent", "", "kind", "\"metrics\"", "data.rtt"},
    {"sent", "data", "space", "\"2rtt\"", "data.space"},
    {"sent", "data", "space", "\"\"", "data.space"},
    {"lost", "data", "cause", "\"stolen\"", "data.cause"},
    {"sent", "", "flags", "[\"sampled\",\"bit7\"]", NULL},
    {"sent", "", "flags", "[\"sampled\",\"bit8\"]", "flags[1]"},
    {"sent", "", "flags", "[\"has_peer\"]", "flags[0]"},
    {"sent", "", "flags", "[\"bit3\"]", "flags[0]"},
    {"sent", "", "flags", "[\"debug\\u0000\"]", "flags[0]"},
    {"sent", "", "flags", "[\"wild\"]", "flags[0]"},
    /* text */
    {"command", "data", "app_id", "\"DMAPX\"", "data.app_id"},
    {"command", "data", "app_id", "\"D\"", NULL},
    {"command", "data", "app_id", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", NULL},
    {"command", "data", "app_id", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.\"", "data.app_id"},
    {"closed", "data", "reason", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", NULL},
    {"closed", "data", "reason", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "data.reason"},
    {"closed", "data", "reason", "\"a\\u0000b\"", "data.reason"},
    /* endpoints */
    {"init", "data", "endpoint", "\"192.0.2.1:443\"", NULL},
    {"init", "data", "endpoint", "\"[::1]:0\"", NULL},
    {"init", "data", "endpoint", "\"192.0.2.1\"", "data.endpoint"},
    {"init", "data", "endpoint", "\"::1\"", "data.endpoint"},
    {"init", "data", "endpoint", "\"192.0.2.1:65536\"", "data.endpoint"},
    {"init", "data", "endpoint", "\"192.0.2:443\"", "data.endpoint"},
    {"init", "data", "endpoint", "\"[::1:443\"", "data.endpoint"},
    {"init", "data", "endpoint", "\"example.org:443\"", "data.endpoint"},
    {"init", "data", "endpoint", "\"\"", "data.endpoint"},
    /* what readers must skip */
    {"sent", "", "novelty", "[[{}]]", NULL},
    {"sent", "data", "novelty", "7", NULL},
    {"sent", "", "app", "7", NULL},
};

static json_t *base_new(const char *name) {
    for (size_t i = 0; i < COUNT_OF(bases); i++)
        if (!strcmp(bases[i].name, name)) return load(bases[i].json, strlen(bases[i].json));
    ck_abort_msg("no base %s", name);
}

START_TEST(an_error_names_its_field_and_writes_nothing_else) {
    struct trace_parsed_event event, untouched;
    struct trace_parse_error error = {"", ""};
    json_t *root = base_new(changes[_i].base);
    json_t *object = *changes[_i].object ? json_object_get(root, changes[_i].object) : root;
    memset(&event, 0xa5, sizeof event);
    memset(&untouched, 0xa5, sizeof untouched);
    if (changes[_i].value) {
        json_error_t bad;
        json_t *value = json_loads(changes[_i].value, JSON_DECODE_ANY | JSON_ALLOW_NUL, &bad);
        ck_assert_msg(value != NULL, "%s: %s", changes[_i].value, bad.text);
        json_object_set_new(object, changes[_i].key, value);
    } else {
        ck_assert_int_eq(json_object_del(object, changes[_i].key), 0);
    }
    int status = trace_event_parse(root, &event, &error);
    if (changes[_i].field) {
        ck_assert_int_eq(status, -EINVAL);
        ck_assert_str_eq(error.field, changes[_i].field);
        ck_assert_str_ne(error.reason, "");
        ck_assert_int_eq(!strcmp(error.reason, "is missing"), !changes[_i].value || !strcmp(changes[_i].field, "data.rtt"));
        ck_assert_mem_eq(&event, &untouched, sizeof event);
    } else {
        ck_assert_msg(!status, "%s %s", error.field, error.reason);
    }
    json_decref(root);
}
END_TEST

START_TEST(anything_but_an_object_is_not_an_event) {
    static const char *const texts[] = {"null", "7", "\"packet_sent\"", "[]", "true", "{}"};
    struct trace_parsed_event event;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct trace_parse_error error = {"", ""};
        json_t *root = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        ck_assert_int_eq(trace_event_parse(root, &event, &error), -EINVAL);
        ck_assert_str_eq(error.field, i < 5 ? "" : "timestamp");
        json_decref(root);
    }
    ck_assert_int_eq(trace_event_parse(NULL, &event, &(struct trace_parse_error){""}), -EINVAL);
}
END_TEST

START_TEST(an_unchanged_base_is_an_event) {
    struct trace_parsed_event event;
    json_t *root = load(bases[_i].json, strlen(bases[_i].json));
    json_object_set_new(root, "log", json_string("0123456789abcdef"));
    parse(root, &event);
    ck_assert(event.has_log);
    ck_assert_uint_eq(event.log, UINT64_C(0x0123456789abcdef));
    ck_assert_uint_eq(event.event.timestamp, 1002);
    ck_assert_uint_eq(event.event.sequence, 3);
    ck_assert_uint_eq(event.lane, 4);
    json_decref(root);
}
END_TEST

/* Written by a version without this kind. */
START_TEST(an_unknown_kind_that_this_version_knows_is_that_kind) {
    struct trace_parsed_event event;
    json_t *root = base_new("unknown");
    json_object_set_new(root, "kind_id", json_integer(TRACE_KIND_PACKET_SENT));
    parse(root, &event);
    ck_assert_uint_eq(event.event.kind, TRACE_KIND_PACKET_SENT);
    json_decref(root);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("event_parse");
    TCase *back = tcase_create("back");
    tcase_set_timeout(back, 60);
    tcase_add_loop_test(back, a_golden_event_comes_back, 0, COUNT_OF(goldens));
    tcase_add_loop_test(back, a_golden_file_becomes_the_event_that_it_was_made_of, 0, COUNT_OF(goldens));
    tcase_add_loop_test(back, random_events_of_each_kind_come_back, 0, 20);
    tcase_add_test(back, text_that_grew_when_written_returns_to_its_length);
    tcase_add_test(back, text_that_is_utf8_comes_back_as_it_was);
    tcase_add_test(back, the_last_time_is_not_passed);
    suite_add_tcase(suite, back);
    TCase *hostile = tcase_create("hostile");
    tcase_add_loop_test(hostile, an_error_names_its_field_and_writes_nothing_else, 0, COUNT_OF(changes));
    tcase_add_test(hostile, anything_but_an_object_is_not_an_event);
    tcase_add_loop_test(hostile, an_unchanged_base_is_an_event, 0, COUNT_OF(bases));
    tcase_add_test(hostile, an_unknown_kind_that_this_version_knows_is_that_kind);
    suite_add_tcase(suite, hostile);
    return run_suite(suite);
}
