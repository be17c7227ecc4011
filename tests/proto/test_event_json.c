/* SPDX-License-Identifier: MIT
 *
 * The JSON form of events: compares each kind with its golden file; reads every event, golden or random, with jansson and
 * compares it with the table member by member; and checks the maximum length. */
#include "golden.h"
#include "run.h"
#include <arpa/inet.h>
#include <jansson.h>
#include <proto/event_clock.h>
#include <proto/event_table.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses text like a client of the socket. */
static json_t *load(const char *text, size_t bytes) {
    json_error_t error;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!root) ck_abort_msg("%s at %d: %.*s", error.text, error.position, (int)bytes, text);
    return root;
}

/* ---- the same event by other means ------------------------------------------------------------------------------------- */

/* Check reports each assertion that holds through a pipe: too slow for the millions below. */
#define MUST(condition)                                   \
    do {                                                  \
        if (!(condition)) ck_abort_msg("%s", #condition); \
    } while (0)

static bool is_text(const json_t *value, const char *text) {
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static void check_hex(const json_t *value, const uint8_t *bytes, size_t count) {
    char digits[2 * TRACE_EVENT_DATA_BYTES + 1] = "";
    for (size_t i = 0; i < count; i++) snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    MUST(json_is_string(value));
    MUST(is_text(value, digits));
}

static void check_unsigned(const json_t *value, uint64_t expected) {
    if (expected > INT64_MAX) {
        char digits[24];
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)expected);
        MUST(is_text(value, digits));
    } else {
        MUST(json_is_integer(value));
        MUST(json_integer_value(value) == (int64_t)expected);
    }
}

static void check_name(const json_t *value, const char *name, uint64_t number) {
    if (name) {
        MUST(is_text(value, name));
    } else {
        check_unsigned(value, number);
    }
}

/* Printable ASCII must come back unchanged; for other text we only check here that it is a string. */
static void check_text(const json_t *value, const char *text, size_t size) {
    size_t bytes = strnlen(text, size);
    MUST(json_is_string(value));
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < 0x20 || text[i] > 0x7e) return;
    MUST(json_string_length(value) == bytes);
    MUST(memcmp(json_string_value(value), text, bytes) == 0);
}

static void check_endpoint(const json_t *value, const uint8_t *at) {
    struct trace_endpoint endpoint;
    memcpy(&endpoint, at, sizeof endpoint);
    char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 10];
    if (endpoint.family == 4) {
        inet_ntop(AF_INET, endpoint.address, address, sizeof address);
        snprintf(text, sizeof text, "%s:%u", address, endpoint.port);
    } else if (endpoint.family == 6) {
        inet_ntop(AF_INET6, endpoint.address, address, sizeof address);
        snprintf(text, sizeof text, "[%s]:%u", address, endpoint.port);
    } else {
        MUST(json_is_null(value));
        return;
    }
    MUST(is_text(value, text));
}

static void check_field(const json_t *value, const struct trace_event *event, const struct trace_field_info *field) {
    const uint8_t *at = (const uint8_t *)event + 64 + field->offset;
    uint64_t number = 0; /* little-endian, like every machine that runs this */
    switch (field->type) {
    case TRACE_TYPE_u8: check_unsigned(value, *at); return;
    case TRACE_TYPE_u16:
        memcpy(&number, at, 2);
        check_unsigned(value, number);
        return;
    case TRACE_TYPE_u32:
        memcpy(&number, at, 4);
        check_unsigned(value, number);
        return;
    case TRACE_TYPE_u64:
        memcpy(&number, at, 8);
        check_unsigned(value, number);
        return;
    case TRACE_TYPE_bool:
        MUST(json_is_boolean(value));
        MUST(json_is_true(value) == (*at != 0));
        return;
    case TRACE_TYPE_id64: {
        uint8_t reversed[8];
        for (int i = 0; i < 8; i++) reversed[i] = at[7 - i];
        check_hex(value, reversed, 8);
        return;
    }
    case TRACE_TYPE_space: check_name(value, trace_space_name(*at), *at); return;
    case TRACE_TYPE_loss: check_name(value, trace_loss_name(*at), *at); return;
    case TRACE_TYPE_transport: check_name(value, trace_transport_name(*at), *at); return;
    case TRACE_TYPE_endpoint: check_endpoint(value, at); return;
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: check_text(value, (const char *)at, field->length); return;
    case TRACE_TYPE_payload: check_hex(value, at + 1, *at < field->length ? *at : field->length); return;
    }
    ck_abort_msg("an unknown type");
}

static void check_flags(const json_t *flags, uint8_t bits) {
    size_t expected = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        if (bit == 3 || !(bits >> bit & 1)) continue;
        char stranger[8];
        snprintf(stranger, sizeof stranger, "bit%u", bit);
        const char *name = trace_flag_name(bit) != NULL ? trace_flag_name(bit) : stranger;
        MUST(is_text(json_array_get(flags, expected++), name));
    }
    MUST(json_array_size(flags) == expected);
}

/* Compares every member except those of the application.  Returns how many there must be. */
static size_t check_members(const json_t *root, const struct trace_event *event, const struct trace_event_origin *origin) {
    check_unsigned(json_object_get(root, "timestamp"), event->timestamp / 1000);
    check_unsigned(json_object_get(root, "ns"), event->timestamp % 1000);
    check_hex(json_object_get(root, "node_id"), origin->node_id->bytes, 32);
    if (event->flags & TRACE_FLAG_HAS_PEER) {
        check_hex(json_object_get(root, "peer_id"), event->peer_id.bytes, 32);
    } else {
        MUST(json_is_null(json_object_get(root, "peer_id")));
    }
    if (memcmp(&event->trace_id, &(struct trace_id){0}, sizeof event->trace_id) != 0) {
        check_hex(json_object_get(root, "trace_id"), event->trace_id.bytes, 16);
    } else {
        MUST(json_is_null(json_object_get(root, "trace_id")));
    }
    check_unsigned(json_object_get(root, "sequence"), event->sequence);
    check_unsigned(json_object_get(root, "lane"), origin->lane);
    check_flags(json_object_get(root, "flags"), event->flags);

    const struct trace_kind_info *kind = trace_kind_info(event->kind);
    const json_t *data = json_object_get(root, "data");
    if (!kind) {
        MUST(is_text(json_object_get(root, "kind"), "unknown"));
        check_unsigned(json_object_get(root, "kind_id"), event->kind);
        check_hex(json_object_get(data, "bytes"), event->data.bytes, sizeof event->data.bytes);
        MUST(json_object_size(data) == 1);
        return 11;
    }
    MUST(is_text(json_object_get(root, "kind"), kind->name));
    for (unsigned i = 0; i < kind->field_count; i++)
        check_field(json_object_get(data, kind->fields[i].name), event, &kind->fields[i]);
    MUST(json_object_size(data) == kind->field_count);
    return 10;
}

/* ---- golden files ------------------------------------------------------------------------------------------------------- */

START_TEST(an_event_has_the_text_of_its_golden_file) {
    const struct golden *golden = &goldens[_i];
    char path[512], expected[TRACE_EVENT_JSON_MAX], text[TRACE_EVENT_JSON_MAX];
    snprintf(path, sizeof path, "%s/%s.json", getenv("GOLDEN_DIR"), golden->name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    size_t expected_bytes = fread(expected, 1, sizeof expected, file);
    fclose(file);

    struct trace_event_origin origin = {&golden_node, golden->lane, golden->app};
    char *end = trace_event_json(text, &golden->event, &origin);
    *end++ = '\n';
    ck_assert_msg((size_t)(end - text) == expected_bytes && memcmp(text, expected, expected_bytes) == 0,
                  "%s\nis      %.*sexpected %.*s", golden->name, (int)(end - text), text, (int)expected_bytes, expected);
}
END_TEST

START_TEST(a_golden_event_reads_back_as_the_table_says) {
    const struct golden *golden = &goldens[_i];
    char text[TRACE_EVENT_JSON_MAX];
    struct trace_event_origin origin = {&golden_node, golden->lane, golden->app};
    char *end = trace_event_json(text, &golden->event, &origin);
    json_t *root = load(text, (size_t)(end - text));
    size_t members = check_members(root, &golden->event, &origin);
    if (json_object_get(root, "app") != NULL) members += golden->event.kind == TRACE_KIND_APP_COMMAND ? 3 : 2;
    ck_assert_uint_eq(json_object_size(root), members);
    json_decref(root);
}
END_TEST

START_TEST(every_kind_has_a_golden_file_of_its_name) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    for (unsigned i = 0; i < count; i++) {
        bool found = false;
        for (size_t j = 0; j < COUNT_OF(goldens); j++)
            if (goldens[j].event.kind == table[i].id && strcmp(goldens[j].name, table[i].name) == 0) found = true;
        ck_assert_msg(found, "no golden event of kind %s", table[i].name);
    }
}
END_TEST

/* ---- numbers and strings ------------------------------------------------------------------------------------------------ */

/* Around every power of ten and of two, where the number of digits changes. */
START_TEST(integers_are_printed_as_they_are) {
    struct trace_event event = {.kind = TRACE_KIND_CONN_ESTABLISHED};
    struct trace_event_origin origin = {&golden_node, 0, NULL};
    uint64_t base = 1;
    for (int power = 0; power < 84; power++) {
        for (int delta = -1; delta <= 1; delta++) {
            char text[TRACE_EVENT_JSON_MAX], expected[64];
            uint64_t value = base + (uint64_t)(int64_t)delta;
            event.data.conn_established.rtt = value;
            snprintf(expected, sizeof expected, value > INT64_MAX ? "{\"rtt\":\"%llu\"}}" : "{\"rtt\":%llu}}",
                     (unsigned long long)value);
            char *end = trace_event_json(text, &event, &origin);
            *end = 0;
            ck_assert_str_eq(end - strlen(expected), expected);
        }
        base = power < 19 ? base * 10 : power == 19 ? 1 : base * 2;
    }
}
END_TEST

#define BAD "\xef\xbf\xbd"

static const struct {
    const char *text;
    size_t bytes;
    const char *json;
} strings[] = {
    {"", 0, "\"\""},
    {"plain", 5, "\"plain\""},
    {"/ \x7f", 3, "\"/ \x7f\""},
    {"\"\\", 2, "\"\\\"\\\\\""},
    {"\n\r\t\b\f\x1f", 6, "\"\\n\\r\\t\\u0008\\u000c\\u001f\""},
    {"a\0b", 3, "\"a\\u0000b\""},
    {"\xc2\x80\xdf\xbf", 4, "\"\xc2\x80\xdf\xbf\""},                                 /* U+0080, U+07FF */
    {"\xe0\xa0\x80\xef\xbf\xbf", 6, "\"\xe0\xa0\x80\xef\xbf\xbf\""},                 /* U+0800, U+FFFF */
    {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8, "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""}, /* U+10000, U+10FFFF */
    {"\x80", 1, "\"" BAD "\""},
    {"\xc0\x80", 2, "\"" BAD BAD "\""},                 /* U+0000, too long */
    {"\xc1\xbf", 2, "\"" BAD BAD "\""},                 /* U+007F, too long */
    {"\xe0\x9f\xbf", 3, "\"" BAD BAD BAD "\""},         /* U+07FF, too long */
    {"\xf0\x8f\xbf\xbf", 4, "\"" BAD BAD BAD BAD "\""}, /* U+FFFF, too long */
    {"\xed\x9f\xbf", 3, "\"\xed\x9f\xbf\""},            /* the last before the surrogates */
    {"\xed\xa0\x80", 3, "\"" BAD BAD BAD "\""},         /* a surrogate */
    {"\xee\x80\x80", 3, "\"\xee\x80\x80\""},            /* the first behind them */
    {"\xf4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\""}, /* U+110000 */
    {"\xf5\x80\x80\x80", 4, "\"" BAD BAD BAD BAD "\""},
    {"\xff\xfe", 2, "\"" BAD BAD "\""},
    {"\xe2\x82", 2, "\"" BAD "\""}, /* cut: one for what is there of the character */
    {"\xf0\x9f\x98", 3, "\"" BAD "\""},
    {"\xe2\x82"
     "a",
     3, "\"" BAD "a\""},
    {"\xf0\x9f\"", 3, "\"" BAD "\\\"\""},
    {"\xc3", 1, "\"" BAD "\""},
    {"\xc3\xc3\xa9", 3, "\"" BAD "\xc3\xa9\""},
};

START_TEST(a_string_is_escaped_and_made_utf8) {
    /* In a block of its exact size, so that a sanitizer detects a read beyond it. */
    char *text = malloc(strings[_i].bytes + (strings[_i].bytes == 0));
    char out[64];
    memcpy(text, strings[_i].text, strings[_i].bytes);
    char *end = trace_json_string(out, text, strings[_i].bytes);
    *end = 0;
    ck_assert_str_eq(out, strings[_i].json);
    free(text);
}
END_TEST

START_TEST(a_string_takes_at_most_6_bytes_for_each) {
    char text[256], out[6 * sizeof text + 2 + 1];
    for (int byte = 0; byte < 256; byte++) {
        memset(text, byte, sizeof text);
        out[6 * sizeof text + 2] = '~';
        char *end = trace_json_string(out, text, sizeof text);
        ck_assert_uint_le((size_t)(end - out), 6 * sizeof text + 2);
        ck_assert_int_eq(out[6 * sizeof text + 2], '~');
        json_t *string = json_loadb(out, (size_t)(end - out), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        ck_assert_ptr_nonnull(string);
        json_decref(string);
    }
}
END_TEST

/* ---- arbitrary bytes ---------------------------------------------------------------------------------------------------- */

/* An app description with arbitrary contents. */
static const struct trace_app *broken_app(struct trace_app *app) {
    *app = golden_app;
    app->field_count = 65535;
    app->command_count = 65535;
    return app;
}

START_TEST(a_description_that_overstates_its_counts_is_read_to_its_end) {
    struct trace_app *app = malloc(sizeof *app);
    struct trace_event event = {.kind = TRACE_KIND_APP_COMMAND};
    char text[TRACE_EVENT_JSON_MAX];
    memcpy(event.data.app_command.app_id, "DMAP", 4);
    event.data.app_command.cmd = 9;
    event.data.app_command.data_bytes = 42;
    struct trace_event_origin origin = {&golden_node, 0, broken_app(app)};
    for (int i = 0; i < TRACE_APP_COMMANDS_MAX; i++) app->commands[i].cmd = 1;
    char *end = trace_event_json(text, &event, &origin);
    json_t *root = load(text, (size_t)(end - text));
    ck_assert(json_is_null(json_object_get(root, "command")));
    json_decref(root);
    free(app);
}
END_TEST

START_TEST(a_field_name_that_comes_twice_is_shown_once) {
    struct trace_app app = golden_app;
    struct trace_event event = {.kind = TRACE_KIND_APP_COMMAND};
    char text[TRACE_EVENT_JSON_MAX];
    memcpy(event.data.app_command.app_id, "DMAP", 4);
    event.data.app_command.data_bytes = 4;
    memcpy(event.data.app_command.data, "\1\2\3\4", 4);
    /* The second and third have different bytes and the same text; the fourth begins like the first. */
    app.field_count = 5;
    static const char *const names[] = {"one", "\xff", "\xfe", "on", "one"};
    for (uint8_t i = 0; i < 5; i++) {
        app.fields[i] = (struct trace_app_field){.type = TRACE_APP_UNSIGNED, .offset = i < 4 ? i : 0, .bytes = 1};
        memcpy(app.fields[i].name, names[i], strlen(names[i]));
    }
    *trace_event_json(text, &event, &(struct trace_event_origin){&golden_node, 0, &app}) = 0;
    ck_assert_ptr_nonnull(strstr(text, "\"fields\":{\"one\":1,\"" BAD "\":2,\"on\":4}}"));
}
END_TEST

START_TEST(a_field_is_shown_only_when_all_of_it_was_sent) {
    struct trace_app app = golden_app;
    struct trace_event event = {.kind = TRACE_KIND_APP_COMMAND};
    char text[TRACE_EVENT_JSON_MAX];
    memcpy(event.data.app_command.app_id, "DMAP", 4);
    struct trace_event_origin origin = {&golden_node, 0, &app};
    for (int data_bytes = 0; data_bytes < 256; data_bytes++) {
        event.data.app_command.data_bytes = (uint8_t)data_bytes;
        char *end = trace_event_json(text, &event, &origin);
        json_t *root = load(text, (size_t)(end - text));
        const json_t *fields = json_object_get(root, "fields");
        ck_assert_int_eq(json_object_get(fields, "hash") != NULL, data_bytes >= 32);
        ck_assert_int_eq(json_object_get(fields, "size") != NULL, data_bytes >= 36);
        json_decref(root);
    }
    app.fields[1].offset = 255; /* beyond the event itself */
    app.fields[0].offset = 11;  /* ends at byte 43 of 42 */
    *trace_event_json(text, &event, &origin) = 0;
    ck_assert_ptr_nonnull(strstr(text, "\"fields\":{}}"));
    app.fields[0].offset = 10;
    *trace_event_json(text, &event, &origin) = 0;
    ck_assert_ptr_nonnull(strstr(text, "\"fields\":{\"hash\":"));
}
END_TEST

/* Writes the event before a row of marks; returns how long it was. */
static size_t length_of(const struct trace_event *event, const struct trace_event_origin *origin) {
    static char text[TRACE_EVENT_JSON_MAX + 64];
    memset(text + TRACE_EVENT_JSON_MAX, 0x5a, 64);
    char *end = trace_event_json(text, event, origin);
    size_t bytes = (size_t)(end - text);
    ck_assert_uint_le(bytes, TRACE_EVENT_JSON_MAX);
    for (int i = 0; i < 64; i++) ck_assert_int_eq(text[TRACE_EVENT_JSON_MAX + i], 0x5a);
    json_decref(load(text, bytes));
    return bytes;
}

START_TEST(the_longest_event_of_any_kind_fits) {
    struct trace_app app = {.command_count = 1, .field_count = TRACE_APP_FIELDS_MAX};
    struct trace_event event;
    memset(&event, 1, sizeof event); /* every text byte takes \u0001; every integer is large */
    event.timestamp = UINT64_MAX;
    event.sequence = UINT32_MAX;
    event.flags = 0xff;
    memset(app.app_id, 1, sizeof app.app_id);
    memset(app.name, 1, sizeof app.name);
    memset(app.commands[0].name, 1, sizeof app.commands[0].name);
    app.commands[0].cmd = 0x0101;
    for (int i = 0; i < TRACE_APP_FIELDS_MAX; i++) {
        app.fields[i] = (struct trace_app_field){.type = TRACE_APP_TEXT, .offset = 0, .bytes = TRACE_APP_DATA_BYTES};
        memset(app.fields[i].name, 1, sizeof app.fields[i].name);
        app.fields[i].name[19] = (char)(14 + i); /* different names, each of the longest kind */
    }
    struct trace_event_origin origin = {&golden_node, UINT32_MAX, &app};
    for (unsigned kind = 0; kind < 32; kind++) {
        event.kind = (uint16_t)kind;
        if (kind == TRACE_KIND_APP_COMMAND) event.data.app_command.data_bytes = TRACE_APP_DATA_BYTES;
        size_t bytes = length_of(&event, &origin);
        /* 16 x (20 x 6 + 42 x 6 + 6): the maximum does occur, so the limit is not a guess. */
        if (kind == TRACE_KIND_APP_COMMAND) ck_assert_uint_gt(bytes, 6000);
        memset(&event.data, 1, sizeof event.data);
    }
}
END_TEST

static uint64_t random_state;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

/* Any byte; bytes that are special in text and in counts are more frequent. */
static uint8_t random_byte(void) {
    static const uint8_t special[] = {0,   0,   1,    4,    6,    42,   43,   '"',  '\\', '\n',
                                      'a', 'b', 0x7f, 0x80, 0xbf, 0xc3, 0xe2, 0xed, 0xf0, 0xff};
    return random_below(2) ? special[random_below(COUNT_OF(special))] : (uint8_t)random_below(256);
}

static void random_fill(void *memory, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) ((uint8_t *)memory)[i] = random_byte();
}

/* 10 000 a run, with the run's number as the seed. */
START_TEST(random_bytes_are_a_valid_event_of_at_most_the_longest_length) {
    static char text[TRACE_EVENT_JSON_MAX];
    random_state = (uint64_t)_i + 1;
    /* Blocks of their exact size, so that a sanitizer detects a read beyond them. */
    struct trace_event *event = malloc(sizeof *event);
    struct trace_app *app = malloc(sizeof *app);
    for (int i = 0; i < 10000; i++) {
        random_fill(event, sizeof *event);
        if (random_below(8) != 0) event->kind = (uint16_t)random_below(20);
        if (i % 10 == 0) random_fill(app, sizeof *app);
        if (random_below(2)) {
            /* The description belongs to this event's application, and its fields are within the data. */
            size_t at = event->kind == TRACE_KIND_APP_COMMAND ? 0 : event->kind == TRACE_KIND_APP_START ? 16 : 8;
            memcpy(app->app_id, event->data.bytes + at, 4);
            for (int j = 0; j < TRACE_APP_FIELDS_MAX; j++) {
                app->fields[j].type = (uint8_t)random_below(6);
                app->fields[j].offset = (uint8_t)random_below(48);
                app->fields[j].bytes = (uint8_t)random_below(12);
            }
        }
        struct trace_event_origin origin = {&golden_node, random_below(256), random_below(8) ? app : NULL};
        char *end = trace_event_json(text, event, &origin);
        MUST((size_t)(end - text) <= TRACE_EVENT_JSON_MAX);
        json_t *root = load(text, (size_t)(end - text));
        size_t members = check_members(root, event, &origin);
        if (json_object_get(root, "app") != NULL) members += event->kind == TRACE_KIND_APP_COMMAND ? 3 : 2;
        MUST(json_integer_value(json_object_get(root, "clock_steps")) == trace_event_clock_steps(event)); /* none: 0 */
        MUST(json_object_size(root) == members + (trace_event_clock_steps(event) != 0));
        json_decref(root);
    }
    free(app);
    free(event);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("event_json");
    TCase *golden = tcase_create("golden");
    tcase_add_loop_test(golden, an_event_has_the_text_of_its_golden_file, 0, COUNT_OF(goldens));
    tcase_add_loop_test(golden, a_golden_event_reads_back_as_the_table_says, 0, COUNT_OF(goldens));
    tcase_add_test(golden, every_kind_has_a_golden_file_of_its_name);
    suite_add_tcase(suite, golden);
    TCase *pieces = tcase_create("pieces");
    tcase_add_test(pieces, integers_are_printed_as_they_are);
    tcase_add_loop_test(pieces, a_string_is_escaped_and_made_utf8, 0, COUNT_OF(strings));
    tcase_add_test(pieces, a_string_takes_at_most_6_bytes_for_each);
    suite_add_tcase(suite, pieces);
    TCase *hostile = tcase_create("hostile");
    tcase_set_timeout(hostile, 60);
    tcase_add_test(hostile, a_description_that_overstates_its_counts_is_read_to_its_end);
    tcase_add_test(hostile, a_field_name_that_comes_twice_is_shown_once);
    tcase_add_test(hostile, a_field_is_shown_only_when_all_of_it_was_sent);
    tcase_add_test(hostile, the_longest_event_of_any_kind_fits);
    tcase_add_loop_test(hostile, random_bytes_are_a_valid_event_of_at_most_the_longest_length, 0, 10);
    suite_add_tcase(suite, hostile);
    return run_suite(suite);
}
