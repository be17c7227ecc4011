/* SPDX-License-Identifier: MIT
 *
 * From JSON to an event (proto/event_parse.h), driven by the same table as proto/event_json.c.
 *
 * Every function that parses a value returns 0, or -EINVAL after it has recorded the field and the reason.  Everything is checked
 * before it is used. */
#include <errno.h>
#include <inttypes.h>
#include <proto/event_clock.h>
#include <proto/event_json.h>
#include <proto/event_parse.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <proto/utf8.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A member of an object, and its name in errors. */
struct member {
    const char *prefix; /* "data." or "" */
    const char *name;
    const json_t *value; /* NULL: missing */
    struct trace_parse_error *error;
};

__attribute__((format(printf, 2, 3))) static int parse_failed(const struct member *member, const char *format, ...) {
    va_list args;
    snprintf(member->error->field, sizeof member->error->field, "%s%s", member->prefix, member->name);
    va_start(args, format);
    vsnprintf(member->error->reason, sizeof member->error->reason, format, args);
    va_end(args);
    return -EINVAL;
}

static int parse_type_failed(const struct member *member, const char *expected) {
    return member->value ? parse_failed(member, "must be %s", expected) : parse_failed(member, "is missing");
}

#define A_STRING "a string without NUL"

/* ---- numbers ------------------------------------------------------------------------------------------------------------ */

static bool number_of(const json_t *value, uint64_t *ret_number) {
    const char *digits = json_string_value(value);
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret_number = (uint64_t)json_integer_value(value);
        return true;
    }
    size_t count = digits ? strspn(digits, "0123456789") : 0;
    if (count == 0 || count > 20 || count != json_string_length(value)) return false;
    errno = 0;
    *ret_number = strtoull(digits, NULL, 10);
    return errno == 0;
}

/* A number above 2^63 - 1 is a decimal string. */
static int parse_unsigned(const struct member *member, uint64_t max, uint64_t *ret_number) {
    uint64_t number;
    if (!member->value) return parse_failed(member, "is missing");
    if (!number_of(member->value, &number) || number > max)
        return parse_failed(member, "must be an integer from 0 to %" PRIu64, max);
    *ret_number = number;
    return 0;
}

static int parse_bool(const struct member *member, uint8_t *out) {
    if (!json_is_boolean(member->value)) return parse_type_failed(member, "true or false");
    *out = json_is_true(member->value);
    return 0;
}

/* ---- strings ------------------------------------------------------------------------------------------------------------ */

static int parse_hex(const struct member *member, uint8_t *out, size_t bytes) {
    if (json_string_length(member->value) != 2 * bytes || trace_hex_decode(out, json_string_value(member->value), bytes))
        return member->value ? parse_failed(member, "must be a string of %zu hex digits", 2 * bytes)
                             : parse_failed(member, "is missing");
    return 0;
}

static int parse_id64(const struct member *member, uint64_t *ret_id) {
    uint8_t bytes[8];
    uint64_t id = 0;
    if (parse_hex(member, bytes, sizeof bytes)) return -EINVAL;
    for (int i = 0; i < 8; i++) id = id << 8 | bytes[i];
    *ret_id = id;
    return 0;
}

/* The text of a string that contains no NUL; otherwise NULL. */
static const char *text_of(const json_t *value) {
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Copies text with 0xff for each U+FFFD, which the writer puts for a byte that is not UTF-8.  Returns its length. */
static size_t copy_unreplaced(char *out, size_t room, const char *text, size_t bytes) {
    size_t length = 0;
    for (size_t i = 0; i < bytes; length++) {
        bool replaced = !strncmp(text + i, replacement, sizeof replacement - 1);
        if (length < room) out[length] = replaced ? '\xff' : text[i];
        i += replaced ? sizeof replacement - 1 : 1;
    }
    return length;
}

/* NUL-padded.  Text that is longer than its field grew when it was written: then each U+FFFD stands for a single byte. */
static int parse_text(const struct member *member, char *out, size_t room) {
    char copy[TRACE_EVENT_DATA_BYTES] = "";
    const char *text = text_of(member->value);
    size_t bytes = json_string_length(member->value);
    if (!text) return parse_type_failed(member, A_STRING);
    if (bytes <= room)
        memcpy(copy, text, bytes);
    else if (copy_unreplaced(copy, room, text, bytes) > room)
        return parse_failed(member, "must be at most %zu bytes long", room);
    memcpy(out, copy, room);
    return 0;
}

/* A count, then the bytes. */
static int parse_payload(const struct member *member, uint8_t *out, size_t room) {
    size_t digits = json_string_length(member->value);
    if (!json_is_string(member->value) || digits % 2 || digits > 2 * room ||
        trace_hex_decode(out + 1, json_string_value(member->value), digits / 2))
        return member->value ? parse_failed(member, "must be a string of hex digits, an even number up to %zu", 2 * room)
                             : parse_failed(member, "is missing");
    out[0] = (uint8_t)(digits / 2);
    return 0;
}

static int parse_endpoint(const struct member *member, uint8_t *out) {
    struct trace_endpoint endpoint = {0};
    const char *text = text_of(member->value);
    bool has_port = false;
    if (!json_is_null(member->value) && (!text || trace_endpoint_parse(text, &endpoint, &has_port) || !has_port))
        return parse_type_failed(member, "null or an address and a port, like \"192.0.2.1:443\" or \"[2001:db8::1]:443\"");
    memcpy(out, &endpoint, sizeof endpoint);
    return 0;
}

/* A name of a table, or the number if the writer's table had none. */
static int parse_name(const struct member *member, const char *(*name_of)(unsigned), const char *what, uint8_t *out) {
    const char *text = text_of(member->value);
    uint64_t number = 0;
    if (!text) {
        if (parse_unsigned(member, UINT8_MAX, &number))
            return member->value ? parse_failed(member, "must be %s, or its number", what) : -EINVAL;
        *out = (uint8_t)number;
        return 0;
    }
    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        const char *name = name_of(i);
        if (!name || strcmp(name, text) != 0) continue;
        *out = (uint8_t)i;
        return 0;
    }
    return parse_failed(member, "is not the name of %s that this version knows", what);
}

/* ---- data --------------------------------------------------------------------------------------------------------------- */

static uint64_t largest(enum trace_type type) {
    return type == TRACE_TYPE_u8    ? UINT8_MAX
           : type == TRACE_TYPE_u16 ? UINT16_MAX
           : type == TRACE_TYPE_u32 ? UINT32_MAX
                                    : UINT64_MAX;
}

/* Stores a number with the width of its type. */
static void store_number(uint8_t *at, enum trace_type type, uint64_t number) {
    uint16_t u16 = (uint16_t)number;
    uint32_t u32 = (uint32_t)number;
    if (type == TRACE_TYPE_u8)
        *at = (uint8_t)number;
    else if (type == TRACE_TYPE_u16)
        memcpy(at, &u16, sizeof u16);
    else if (type == TRACE_TYPE_u32)
        memcpy(at, &u32, sizeof u32);
    else
        memcpy(at, &number, sizeof number);
}

static int parse_field(const struct member *member, const struct trace_field_info *field, struct trace_event *event) {
    uint8_t *at = event->data.bytes + field->offset;
    uint64_t number;
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64:
        if (field->type == TRACE_TYPE_id64 ? parse_id64(member, &number) : parse_unsigned(member, largest(field->type), &number))
            return -EINVAL;
        store_number(at, field->type, number);
        return 0;
    case TRACE_TYPE_bool: return parse_bool(member, at);
    case TRACE_TYPE_space: return parse_name(member, trace_space_name, "a packet number space", at);
    case TRACE_TYPE_loss: return parse_name(member, trace_loss_name, "a cause of losses", at);
    case TRACE_TYPE_transport: return parse_name(member, trace_transport_name, "a transport", at);
    case TRACE_TYPE_endpoint: return parse_endpoint(member, at);
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return parse_text(member, (char *)at, field->length);
    case TRACE_TYPE_payload: return parse_payload(member, at, field->length);
    }
    return parse_failed(member, "has a type that cannot be read");
}

/* ---- the event ---------------------------------------------------------------------------------------------------------- */

/* The event that is being parsed. */
struct parse {
    const json_t *json;
    struct trace_parsed_event out;
    struct trace_parse_error *error;
};

static struct member member_of(const struct parse *parse, const char *name) {
    return (struct member){"", name, json_object_get(parse->json, name), parse->error};
}

static int parse_time(struct parse *parse) {
    struct member timestamp = member_of(parse, "timestamp"), ns = member_of(parse, "ns");
    uint64_t microseconds, rest;
    if (parse_unsigned(&timestamp, UINT64_MAX / 1000, &microseconds) ||
        parse_unsigned(&ns, microseconds == UINT64_MAX / 1000 ? UINT64_MAX % 1000 : 999, &rest))
        return -EINVAL;
    parse->out.event.timestamp = microseconds * 1000 + rest;
    return 0;
}

static int parse_ids(struct parse *parse) {
    struct trace_event *event = &parse->out.event;
    struct member node = member_of(parse, "node_id"), peer = member_of(parse, "peer_id"), trace = member_of(parse, "trace_id");
    struct member log = member_of(parse, "log"), as = member_of(parse, "peer_as");
    if (parse_hex(&node, parse->out.node_id.bytes, sizeof parse->out.node_id.bytes)) return -EINVAL;
    if (!json_is_null(peer.value)) {
        if (parse_hex(&peer, event->peer_id.bytes, sizeof event->peer_id.bytes)) return -EINVAL;
        event->flags |= TRACE_FLAG_HAS_PEER;
        if (as.value && parse_hex(&as, parse->out.peer_as.bytes, sizeof parse->out.peer_as.bytes)) return -EINVAL;
        parse->out.has_peer_as = as.value != NULL;
    }
    if (!json_is_null(trace.value) && parse_hex(&trace, event->trace_id.bytes, sizeof event->trace_id.bytes)) return -EINVAL;
    if (log.value && parse_id64(&log, &parse->out.log)) return -EINVAL;
    parse->out.has_log = log.value != NULL;
    return 0;
}

static int parse_place(struct parse *parse) {
    struct member sequence = member_of(parse, "sequence"), lane = member_of(parse, "lane"),
                  steps = member_of(parse, "clock_steps");
    uint64_t number;
    if (parse_unsigned(&sequence, UINT32_MAX, &number)) return -EINVAL;
    parse->out.event.sequence = (uint32_t)number;
    if (parse_unsigned(&lane, UINT32_MAX, &number)) return -EINVAL;
    parse->out.lane = (uint32_t)number;
    if (steps.value && parse_unsigned(&steps, UINT8_MAX, &number)) return -EINVAL;
    if (steps.value) trace_event_set_clock_steps(&parse->out.event, number);
    return 0;
}

/* The flag of that name, or 0.  "bit4" is a flag that its writer had no name for.  has_peer is not accepted, because peer_id
 * implies it. */
static unsigned flag_by_name(const char *text) {
    for (unsigned bit = 0; bit < 8; bit++) {
        const char *name = trace_flag_name(bit);
        if (1U << bit == TRACE_FLAG_HAS_PEER) continue;
        if (name && !strcmp(text, name)) return 1U << bit;
        if (!strncmp(text, "bit", 3) && text[3] == (char)('0' + bit) && !text[4]) return 1U << bit;
    }
    return 0;
}

static int parse_flags(struct parse *parse) {
    struct member flags = member_of(parse, "flags");
    if (!json_is_array(flags.value)) return parse_type_failed(&flags, "an array of flags");
    for (size_t i = 0; i < json_array_size(flags.value); i++) {
        char name[32];
        snprintf(name, sizeof name, "flags[%zu]", i);
        struct member member = {"", name, json_array_get(flags.value, i), parse->error};
        const char *text = text_of(member.value);
        unsigned flag = text ? flag_by_name(text) : 0;
        if (!flag)
            return text ? parse_failed(&member, "is not a flag that this version knows") : parse_type_failed(&member, A_STRING);
        parse->out.event.flags |= (uint8_t)flag;
    }
    return 0;
}

/* The fields of a kind that the writer knew. */
static int parse_known(struct parse *parse, const struct trace_kind_info *kind, const json_t *data) {
    for (unsigned i = 0; i < kind->field_count; i++) {
        const struct trace_field_info *field = &kind->fields[i];
        struct member member = {"data.", field->name, json_object_get(data, field->name), parse->error};
        if (parse_field(&member, field, &parse->out.event)) return -EINVAL;
    }
    return 0;
}

static int parse_unknown(struct parse *parse, const json_t *data) {
    struct member id = member_of(parse, "kind_id"), bytes = {"data.", "bytes", json_object_get(data, "bytes"), parse->error};
    uint64_t number;
    if (parse_unsigned(&id, UINT16_MAX, &number)) return -EINVAL;
    parse->out.event.kind = (uint16_t)number;
    return parse_hex(&bytes, parse->out.event.data.bytes, sizeof parse->out.event.data.bytes);
}

static int parse_kind(struct parse *parse) {
    struct member kind = member_of(parse, "kind"), data = member_of(parse, "data");
    const char *name = text_of(kind.value);
    if (!name) return parse_type_failed(&kind, A_STRING);
    parse->out.event.kind = trace_kind_by_name(name);
    bool unknown = !strcmp(name, TRACE_KIND_UNKNOWN_NAME);
    if (!parse->out.event.kind && !unknown) return parse_failed(&kind, "is not a kind that this version knows");
    if (!json_is_object(data.value)) return parse_type_failed(&data, "an object");
    return unknown ? parse_unknown(parse, data.value) : parse_known(parse, trace_kind_info(parse->out.event.kind), data.value);
}

/* The members that the application's description added. */
static int parse_app(struct parse *parse) {
    struct member app = member_of(parse, "app"), command = member_of(parse, "command"), fields = member_of(parse, "fields");
    uint16_t kind = parse->out.event.kind;
    if (kind != TRACE_KIND_APP_COMMAND && kind != TRACE_KIND_APP_START && kind != TRACE_KIND_APP_END) return 0;
    if (app.value && !text_of(app.value)) return parse_type_failed(&app, A_STRING);
    if (command.value && !json_is_null(command.value) && !text_of(command.value))
        return parse_type_failed(&command, A_STRING " or null");
    if (fields.value && !json_is_object(fields.value)) return parse_type_failed(&fields, "an object");
    parse->out.app = json_string_value(app.value);
    parse->out.command = json_string_value(command.value);
    parse->out.fields = kind == TRACE_KIND_APP_COMMAND ? fields.value : NULL;
    return 0;
}

int trace_event_parse(const json_t *json, struct trace_parsed_event *ret_event, struct trace_parse_error *ret_error) {
    struct parse parse = {.json = json, .error = ret_error};
    struct member whole = {"", "", json, ret_error};
    if (!json_is_object(json)) return parse_type_failed(&whole, "an object");
    if (parse_time(&parse) || parse_ids(&parse) || parse_place(&parse) || parse_flags(&parse) || parse_kind(&parse) ||
        parse_app(&parse))
        return -EINVAL;
    *ret_event = parse.out;
    return 0;
}
