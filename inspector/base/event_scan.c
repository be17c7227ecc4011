/* SPDX-License-Identifier: MIT
 *
 * Two ways: `quick` reads the usual form and refuses anything else; then proto/event_parse.h reads the text, or reports what is
 * wrong. */
#include "event_scan.h"

#include <errno.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <proto/json_memory.h>
#include <stdio.h>
#include <string.h>

/* ---- values ------------------------------------------------------------------------------------------------------------- */

static bool read_number(struct json_span value, uint64_t max, uint64_t *ret_number) {
    uint64_t number = 0;
    if (!value.bytes || value.bytes > 18) return false;
    if (value.text[0] == '0' && value.bytes > 1) return false;
    for (size_t i = 0; i < value.bytes; i++) {
        unsigned digit = (unsigned)(value.text[i] - '0');
        if (digit > 9) return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return number <= max;
}

static bool is_literal(struct json_span value, const char *literal) {
    return value.bytes == strlen(literal) && !memcmp(value.text, literal, value.bytes);
}

/* A string of exactly this many bytes as hex. */
static bool read_hex(struct json_span value, uint8_t *out, size_t bytes) {
    return value.bytes == 2 * bytes + 2 && *value.text == '"' && !trace_hex_decode(out, value.text + 1, bytes);
}

static bool read_id64(struct json_span value, uint64_t *ret_id) {
    uint64_t id;
    if (!read_hex(value, (uint8_t *)&id, sizeof id)) return false;
    *ret_id = __builtin_bswap64(id);
    return true;
}

/* Printable ASCII, as nearly all names are. */
static bool read_text(struct json_span value, char *out, size_t room) {
    if (value.bytes < 2 || *value.text != '"' || value.bytes - 2 > room) return false;
    for (size_t i = 1; i < value.bytes - 1; i++)
        if (value.text[i] == '\\' || value.text[i] < ' ') return false;
    memcpy(out, value.text + 1, value.bytes - 2);
    return true;
}

static bool read_payload(struct json_span value, uint8_t *out, size_t room) {
    size_t bytes = value.bytes / 2 - 1;
    if (value.bytes < 2 || bytes > room || !read_hex(value, out + 1, bytes)) return false;
    *out = (uint8_t)bytes;
    return true;
}

static bool read_endpoint(struct json_span value, uint8_t *out) {
    char text[TRACE_ENDPOINT_TEXT_MAX] = "";
    struct trace_endpoint endpoint = {0};
    bool has_port = false;
    if (!is_literal(value, "null") &&
        (!read_text(value, text, sizeof text - 1) || trace_endpoint_parse(text, &endpoint, &has_port) || !has_port))
        return false;
    memcpy(out, &endpoint, sizeof endpoint);
    return true;
}

/* A name of a short table. */
static bool read_name(struct json_span value, const char *(*name_of)(unsigned), uint8_t *out) {
    const char *name;
    for (unsigned i = 0; (name = name_of(i)); i++) {
        size_t bytes = strlen(name);
        if (value.bytes != bytes + 2 || *value.text != '"' || memcmp(value.text + 1, name, bytes) != 0) continue;
        *out = (uint8_t)i;
        return true;
    }
    return false;
}

/* ---- data --------------------------------------------------------------------------------------------------------------- */

static bool read_integer_field(struct json_span value, enum trace_type type, uint8_t *at) {
    uint64_t number;
    uint64_t max = type == TRACE_TYPE_u8    ? UINT8_MAX
                   : type == TRACE_TYPE_u16 ? UINT16_MAX
                   : type == TRACE_TYPE_u32 ? UINT32_MAX
                                            : UINT64_MAX;
    size_t bytes = type == TRACE_TYPE_u8 ? 1 : type == TRACE_TYPE_u16 ? 2 : type == TRACE_TYPE_u32 ? 4 : 8;
    if (type == TRACE_TYPE_id64 ? !read_id64(value, &number) : !read_number(value, max, &number)) return false;
    memcpy(at, &number, bytes); /* all machines that rings are read on are little-endian */
    return true;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "read_integer_field, read_id64");

static bool read_field(struct json_span value, const struct trace_field_info *field, struct trace_event *event) {
    uint8_t *at = event->data.bytes + field->offset;
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64: return read_integer_field(value, field->type, at);
    case TRACE_TYPE_bool: *at = is_literal(value, "true"); return *at || is_literal(value, "false");
    case TRACE_TYPE_space: return read_name(value, trace_space_name, at);
    case TRACE_TYPE_loss: return read_name(value, trace_loss_name, at);
    case TRACE_TYPE_transport: return read_name(value, trace_transport_name, at);
    case TRACE_TYPE_endpoint: return read_endpoint(value, at);
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return read_text(value, (char *)at, field->length);
    case TRACE_TYPE_payload: return read_payload(value, at, field->length);
    }
    return false;
}

/* Does nothing but the bracket follow the last member or element?  json_scan stops at whatever it does not expect. */
static bool ends_at(struct json_span span, size_t at, char bracket) {
    const char *end = span.text + span.bytes - 1;
    if (!at) at = 1; /* there were none */
    if (at >= span.bytes || *end != bracket) return false;
    for (const char *space = span.text + at; space < end; space++)
        if (*space != ' ' && *space != '\n' && *space != '\r' && *space != '\t') return false;
    return true;
}

/* Is this the member's key, with its quotes and without escapes? */
static bool key_is(const struct json_member *member, const char *name, size_t bytes) {
    return member->key.bytes == bytes + 2 && !memcmp(member->key.text + 1, name, bytes);
}

/* All fields of the kind, each once. */
static bool read_data(struct json_span data, const struct trace_kind_info *kind, struct trace_event *event) {
    struct json_member member;
    size_t at = 0;
    unsigned seen = 0, expected = 0;
    while (json_scan_member(data, &at, &member)) {
        /* Usually they come in the table's order. */
        unsigned i = expected, tries = kind->field_count;
        for (; tries; tries--, i = i + 1 < kind->field_count ? i + 1 : 0)
            if (i < kind->field_count && key_is(&member, kind->fields[i].name, kind->fields[i].json_bytes - 3U)) break;
        if (!tries) continue;
        if (seen >> i & 1 || !read_field(member.value, &kind->fields[i], event)) return false;
        seen |= 1U << i;
        expected = i + 1 < kind->field_count ? i + 1 : 0;
    }
    return seen == (1U << kind->field_count) - 1 && ends_at(data, at, '}');
}

/* ---- the event ---------------------------------------------------------------------------------------------------------- */

enum part { TIMESTAMP, NS, NODE_ID, PEER_ID, TRACE_ID, SEQUENCE, LANE, KIND, FLAGS, DATA, LOG, APP, COMMAND, FIELDS, PARTS };
static const struct {
    const char *name;
    size_t bytes;
} parts[PARTS] = {
#define PART(number, name) [number] = {name, sizeof name - 1}
    PART(TIMESTAMP, "timestamp"),
    PART(NS, "ns"),
    PART(NODE_ID, "node_id"),
    PART(PEER_ID, "peer_id"),
    PART(TRACE_ID, "trace_id"),
    PART(SEQUENCE, "sequence"),
    PART(LANE, "lane"),
    PART(KIND, "kind"),
    PART(FLAGS, "flags"),
    PART(DATA, "data"),
    PART(LOG, "log"),
    PART(APP, "app"),
    PART(COMMAND, "command"),
    PART(FIELDS, "fields"),
#undef PART
};
#define NEEDED ((1U << LOG) - 1)

static bool find_parts(struct json_span text, struct json_span found[PARTS]) {
    struct json_member member;
    size_t at = 0;
    unsigned seen = 0, expected = 0;
    while (json_scan_member(text, &at, &member)) {
        unsigned i = expected, tries = PARTS;
        for (; tries && !key_is(&member, parts[i].name, parts[i].bytes); tries--) i = i + 1 < PARTS ? i + 1 : 0;
        if (!tries || seen >> i & 1) return false;
        seen |= 1U << i;
        found[i] = member.value;
        expected = i + 1 < PARTS ? i + 1 : 0;
    }
    return (seen & NEEDED) == NEEDED && ends_at(text, at, '}');
}

static bool read_flags(struct json_span flags, uint8_t *out) {
    struct json_span element;
    size_t at = 0;
    if (!flags.bytes || *flags.text != '[') return false;
    while (json_scan_element(flags, &at, &element)) {
        uint8_t bit;
        if (!read_name(element, trace_flag_name, &bit) || 1U << bit == TRACE_FLAG_HAS_PEER) return false;
        *out |= (uint8_t)(1U << bit);
    }
    return ends_at(flags, at, ']');
}

static const struct trace_kind_info *kind_of(struct json_span name) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    for (unsigned i = 0; i < count; i++)
        if (table[i].json_bytes == name.bytes && !memcmp(table[i].json, name.text, name.bytes)) return &table[i];
    return NULL;
}

static bool is_plain(struct json_span value) {
    struct json_span text;
    int64_t number;
    return is_literal(value, "null") || json_scan_plain(value, &text) || json_scan_integer(value, &number);
}

/* The members that are passed on unparsed. */
static bool is_plain_object(struct json_span object) {
    struct json_member member;
    size_t at = 0;
    while (json_scan_member(object, &at, &member))
        if (!is_plain(member.key) || !is_plain(member.value)) return false;
    return ends_at(object, at, '}');
}

static bool quick(struct json_span text, struct scanned_event *out) {
    struct json_span found[PARTS] = {{NULL, 0}};
    struct trace_event *event = &out->event;
    uint64_t microseconds, ns, sequence, lane;
    if (!find_parts(text, found)) return false;
    const struct trace_kind_info *kind = kind_of(found[KIND]);
    if (!kind || !read_number(found[TIMESTAMP], UINT64_MAX / 1000 - 1, &microseconds) || !read_number(found[NS], 999, &ns))
        return false;
    event->timestamp = microseconds * 1000 + ns;
    event->kind = kind->id;
    if (!read_hex(found[NODE_ID], out->node_id.bytes, sizeof out->node_id.bytes)) return false;
    if (!is_literal(found[PEER_ID], "null")) {
        if (!read_hex(found[PEER_ID], event->peer_id.bytes, sizeof event->peer_id.bytes)) return false;
        event->flags |= TRACE_FLAG_HAS_PEER;
    }
    if (!is_literal(found[TRACE_ID], "null") && !read_hex(found[TRACE_ID], event->trace_id.bytes, sizeof event->trace_id.bytes))
        return false;
    if (!read_number(found[SEQUENCE], UINT32_MAX, &sequence) || !read_number(found[LANE], UINT32_MAX, &lane)) return false;
    event->sequence = (uint32_t)sequence;
    out->lane = (uint32_t)lane;
    if (!read_flags(found[FLAGS], &event->flags) || !read_data(found[DATA], kind, event)) return false;
    if (found[LOG].bytes && !(out->has_log = read_id64(found[LOG], &out->log))) return false;
    if (found[APP].bytes && !is_plain(found[APP])) return false;
    if (found[COMMAND].bytes && !is_plain(found[COMMAND])) return false;
    if (found[FIELDS].bytes && !is_plain_object(found[FIELDS])) return false;
    out->app = found[APP];
    out->command = found[COMMAND];
    out->fields = found[FIELDS];
    return true;
}

/* A member, unparsed, if there is one. */
static struct json_span member_of(struct json_span text, const char *name) {
    struct json_span value = {NULL, 0};
    return json_scan_find(text, name, &value) ? value : (struct json_span){NULL, 0};
}

static int thorough(struct json_span text, struct scanned_event *ret_event, struct trace_parse_error *ret_error) {
    json_error_t error;
    json_t *json = trace_json_loadb(text.text, text.bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    struct trace_parsed_event parsed;
    if (!json) {
        if (json_error_code(&error) == json_error_out_of_memory) return -ENOMEM;
        *ret_error = (struct trace_parse_error){"", "is not JSON"};
        return -EINVAL;
    }
    int result = trace_event_parse(json, &parsed, ret_error);
    if (!result)
        *ret_event = (struct scanned_event){.event = parsed.event,
                                            .node_id = parsed.node_id,
                                            .lane = parsed.lane,
                                            .has_log = parsed.has_log,
                                            .log = parsed.log,
                                            .app = member_of(text, "app"),
                                            .command = member_of(text, "command"),
                                            .fields = member_of(text, "fields")};
    json_decref(json);
    return result;
}

int event_scan(struct json_span text, struct scanned_event *ret_event, struct trace_parse_error *ret_error) {
    struct scanned_event scanned = {.lane = 0};
    if (!quick(text, &scanned)) return thorough(text, ret_event, ret_error);
    *ret_event = scanned;
    return 0;
}
