/* SPDX-License-Identifier: MIT
 *
 * The JSON form of an event (proto/event_json.h), written straight into the caller's bytes: no allocation, no format strings, no
 * locale.
 *
 * Invariants:
 *   - What is written is valid JSON and UTF-8 whatever the event's and the description's bytes are.
 *   - Nothing is read outside the event and the description: counts in them are clamped to their arrays.
 *   - At most TRACE_EVENT_JSON_MAX bytes are touched; the sum is at the end of this file.
 * Any thread; wait-free. */
#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <proto/address_id.h>
#include <proto/event_clock.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <proto/utf8.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- pieces ------------------------------------------------------------------------------------------------------------- */

/* Adds a string literal; its length is a constant, so this is a few stores. */
#define PUT(out, literal) put_bytes(out, literal, sizeof literal - 1)
static inline char *put_bytes(char *out, const char *text, size_t bytes) {
    memcpy(out, text, bytes);
    return out + bytes;
}

/* A name of the table: copies the whole array, which is fast, and advances by the name's length. */
static inline char *put_padded(char *out, const char *json, uint8_t bytes) {
    memcpy(out, json, TRACE_TABLE_JSON_BYTES);
    return out + bytes;
}

static const char decimals[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
    "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
    "9899";

static inline uint64_t two_digits(uint32_t value) {
    uint16_t pair;
    memcpy(&pair, decimals + 2 * value, sizeof pair);
    return le16toh(pair);
}

/* Exactly 8 digits, with leading zeros, the first in the lowest byte: four pairs that do not depend on each other. */
static inline uint64_t eight_digits(uint32_t value) {
    uint32_t high = value / 10000, low = value % 10000;
    return two_digits(high / 100) | two_digits(high % 100) << 16 | two_digits(low / 100) << 32 | two_digits(low % 100) << 48;
}

static inline char *put_digits(char *out, uint64_t digits, unsigned count) {
    digits = htole64(digits);
    memcpy(out, &digits, sizeof digits);
    return out + count;
}

/* At most 8 digits, without leading zeros.  Writes up to 7 bytes after them, too. */
static inline char *put_small(char *out, uint32_t value) {
    if (value < 10) {
        *out = (char)('0' + value);
        return out + 1;
    }
    uint64_t digits = eight_digits(value);
    unsigned zeros = (unsigned)__builtin_ctzll(digits & 0x0f0f0f0f0f0f0f0f) / 8;
    return put_digits(out, digits >> 8 * zeros, 8 - zeros);
}

static inline char *put_decimal(char *out, uint64_t value) {
    if (value < 100000000) return put_small(out, (uint32_t)value);
    uint64_t high = value / 100000000;
    if (high < 100000000) {
        out = put_small(out, (uint32_t)high);
    } else {
        out = put_small(out, (uint32_t)(high / 100000000));
        out = put_digits(out, eight_digits((uint32_t)(high % 100000000)), 8);
    }
    return put_digits(out, eight_digits((uint32_t)(value % 100000000)), 8);
}

/* An integer; a decimal string where a signed 64-bit reader would overflow. */
static inline char *put_unsigned(char *out, uint64_t value) {
    if (value <= INT64_MAX) return put_decimal(out, value);
    *out++ = '"';
    out = put_decimal(out, value);
    *out++ = '"';
    return out;
}

char *trace_json_unsigned(char *out, uint64_t value) { return put_unsigned(out, value); }

static inline char *put_bool(char *out, bool value) { return value ? PUT(out, "true") : PUT(out, "false"); }

static inline char *put_hex_string(char *out, const uint8_t *bytes, size_t count) {
    *out++ = '"';
    out = trace_hex_encode(out, bytes, count);
    *out++ = '"';
    return out;
}

/* A 64-bit id: its value as 16 digits, the most significant first. */
static inline char *put_id64(char *out, uint64_t id) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    return put_hex_string(out, bytes, sizeof bytes);
}

/* A table's name, or the number where the table has none. */
static inline char *put_name_or_number(char *out, const char *name, unsigned number) {
    if (!name) return put_decimal(out, number);
    *out++ = '"';
    out = put_bytes(out, name, strlen(name));
    *out++ = '"';
    return out;
}

static char *put_ipv4(char *out, const uint8_t *address) {
    for (int i = 0; i < 4; i++) {
        if (i != 0) *out++ = '.';
        out = put_small(out, address[i]);
    }
    return out;
}

/* In the form of RFC 5952, with the brackets of RFC 3986. */
static char *put_ipv6(char *out, const uint8_t *address) {
    char text[INET6_ADDRSTRLEN] = "";
    const char *result = inet_ntop(AF_INET6, address, text, sizeof text);
    assert(result);
    (void)result;
    *out++ = '[';
    out = put_bytes(out, text, strlen(text));
    *out++ = ']';
    return out;
}

char *trace_endpoint_text(char *out, const struct trace_endpoint *endpoint) {
    if (endpoint->family != 4 && endpoint->family != 6) return out;
    out = endpoint->family == 4 ? put_ipv4(out, endpoint->address) : put_ipv6(out, endpoint->address);
    *out++ = ':';
    return put_decimal(out, endpoint->port);
}

int trace_endpoint_parse(const char *text, struct trace_endpoint *ret_endpoint, bool *ret_has_port) {
    char address[INET6_ADDRSTRLEN];
    const char *end = text + strlen(text), *port = NULL;
    struct trace_endpoint endpoint = {0};
    if (*text == '[') {
        end = strchr(++text, ']');
        if (!end || (end[1] && end[1] != ':')) return -EINVAL;
        port = end[1] ? end + 2 : NULL;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        end = strchr(text, ':');
        port = end + 1;
    }
    if ((size_t)(end - text) >= sizeof address) return -EINVAL;
    memcpy(address, text, (size_t)(end - text));
    address[end - text] = 0;
    endpoint.family = strchr(address, ':') ? 6 : 4;
    if (inet_pton(endpoint.family == 6 ? AF_INET6 : AF_INET, address, endpoint.address) != 1) return -EINVAL;
    if (port) {
        size_t digits = strspn(port, "0123456789");
        unsigned long number = strtoul(port, NULL, 10);
        if (!digits || digits > 5 || port[digits] || number > UINT16_MAX) return -EINVAL;
        endpoint.port = (uint16_t)number;
    }
    *ret_endpoint = endpoint;
    *ret_has_port = port != NULL;
    return 0;
}

bool trace_address_prefix_parse(struct trace_id_prefix *ret_prefix, const char *text) {
    struct trace_endpoint endpoint;
    bool has_port;
    if (trace_endpoint_parse(text, &endpoint, &has_port) || !has_port) return false;
    struct trace_node_id id = trace_address_id_make(&endpoint);
    memcpy(ret_prefix->bytes, id.bytes, sizeof id.bytes);
    ret_prefix->digits = 2 * TRACE_NODE_ID_BYTES;
    return true;
}

static char *put_endpoint(char *out, const uint8_t *bytes) {
    struct trace_endpoint endpoint;
    memcpy(&endpoint, bytes, sizeof endpoint);
    char *end = trace_endpoint_text(out + 1, &endpoint);
    if (end == out + 1) return PUT(out, "null");
    *out = '"';
    *end++ = '"';
    return end;
}

/* ---- strings ------------------------------------------------------------------------------------------------------------ */

static char *put_escape(char *out, uint8_t character) {
    *out++ = '\\';
    switch (character) {
    case '"':
    case '\\': *out++ = (char)character; return out;
    case '\n': *out++ = 'n'; return out;
    case '\r': *out++ = 'r'; return out;
    case '\t': *out++ = 't'; return out;
    default: out = PUT(out, "u00"); return trace_hex_encode(out, &character, 1);
    }
}

char *trace_json_string(char *out, const char *text, size_t count) {
    const uint8_t *in = (const uint8_t *)text;
    *out++ = '"';
    for (size_t i = 0; i < count;) {
        uint8_t character = in[i];
        size_t bad;
        if (character < 0x20 || character == '"' || character == '\\') {
            out = put_escape(out, character);
            i++;
        } else if (character < 0x80) {
            *out++ = (char)character;
            i++;
        } else {
            size_t length = trace_utf8_length(text + i, count - i, &bad);
            out = length != 0 ? put_bytes(out, text + i, length) : PUT(out, "\xef\xbf\xbd");
            i += length != 0 ? length : bad;
        }
    }
    *out++ = '"';
    return out;
}

/* Text in an array, padded with NUL. */
static char *put_text(char *out, const char *text, size_t size) { return trace_json_string(out, text, strnlen(text, size)); }

/* ---- data --------------------------------------------------------------------------------------------------------------- */

/* A payload's byte count, clamped to its array. */
static size_t payload_bytes(uint8_t count_untrusted, size_t length) {
    return count_untrusted < length ? count_untrusted : length;
}

static inline char *put_field(char *out, const struct trace_event *event, const struct trace_field_info *field) {
    const uint8_t *at = event->data.bytes + field->offset;
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: return put_unsigned(out, trace_field_unsigned(event, field));
    case TRACE_TYPE_bool: return put_bool(out, *at != 0);
    case TRACE_TYPE_id64: return put_id64(out, trace_field_unsigned(event, field));
    case TRACE_TYPE_space: return put_name_or_number(out, trace_space_name(*at), *at);
    case TRACE_TYPE_loss: return put_name_or_number(out, trace_loss_name(*at), *at);
    case TRACE_TYPE_transport: return put_name_or_number(out, trace_transport_name(*at), *at);
    case TRACE_TYPE_endpoint: return put_endpoint(out, at);
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return put_text(out, (const char *)at, field->length);
    case TRACE_TYPE_payload: return put_hex_string(out, at + 1, payload_bytes(*at, field->length));
    }
    return PUT(out, "null");
}

char *trace_field_json(char *out, const struct trace_event *event, const struct trace_field_info *field) {
    return put_field(out, event, field);
}

/* The kind's fields as an object. */
static inline char *put_fields(char *out, const struct trace_event *event, const struct trace_kind_info *kind) {
    *out++ = '{';
    for (unsigned i = 0; i < kind->field_count; i++) {
        if (i != 0) *out++ = ',';
        out = put_padded(out, kind->fields[i].json, kind->fields[i].json_bytes);
        out = put_field(out, event, &kind->fields[i]);
    }
    *out++ = '}';
    return out;
}

static char *put_unknown(char *out, const struct trace_event *event) {
    out = PUT(out, "{\"bytes\":");
    out = put_hex_string(out, event->data.bytes, sizeof event->data.bytes);
    return PUT(out, "}");
}

char *trace_event_data_json(char *out, const struct trace_event *event) {
    const struct trace_kind_info *kind = trace_kind_info(event->kind);
    return kind ? put_fields(out, event, kind) : put_unknown(out, event);
}

/* ---- what the application registered ------------------------------------------------------------------------------------ */

static char *put_app_value(char *out, const struct trace_app_field *field, const uint8_t *at) {
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    if (field->type == TRACE_APP_TEXT) return put_text(out, (const char *)at, field->bytes);
    if (field->type == TRACE_APP_UNSIGNED) {
        switch (field->bytes) {
        case 1: return put_unsigned(out, *at);
        case 2: memcpy(&u16, at, sizeof u16); return put_unsigned(out, u16);
        case 4: memcpy(&u32, at, sizeof u32); return put_unsigned(out, u32);
        case 8: memcpy(&u64, at, sizeof u64); return put_unsigned(out, u64);
        default: break;
        }
    }
    /* Bytes, hashes, and types that we do not know, from a node that is newer or broken. */
    return put_hex_string(out, at, field->bytes);
}

/* Is the name in [name, name_end) one of the earlier ones?  A JSON object may have each name once. */
static bool is_repeated(const char *const *names, unsigned count, const char *name, const char *name_end) {
    size_t bytes = (size_t)(name_end - name);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(names[i], name, bytes) == 0) return true; /* the closing quote is compared too: no name is a prefix */
    return false;
}

static char *put_app_fields(char *out, const struct trace_app *app, const struct trace_app_command *command) {
    size_t data_bytes = payload_bytes(command->data_bytes, sizeof command->data);
    unsigned field_count = app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
    const char *names[TRACE_APP_FIELDS_MAX];
    unsigned shown = 0;
    out = PUT(out, ",\"fields\":{");
    for (unsigned i = 0; i < field_count; i++) {
        const struct trace_app_field *field = &app->fields[i];
        if ((size_t)field->offset + field->bytes > data_bytes) continue;
        char *name = out + (shown != 0);
        char *name_end = put_text(name, field->name, sizeof field->name);
        if (is_repeated(names, shown, name, name_end)) continue;
        if (shown != 0) *out = ',';
        names[shown++] = name;
        *name_end = ':';
        out = put_app_value(name_end + 1, field, command->data + field->offset);
    }
    *out++ = '}';
    return out;
}

static char *put_command_name(char *out, const struct trace_app *app, uint16_t cmd) {
    unsigned count = app->command_count < TRACE_APP_COMMANDS_MAX ? app->command_count : TRACE_APP_COMMANDS_MAX;
    for (unsigned i = 0; i < count; i++)
        if (app->commands[i].cmd == cmd) return put_text(out, app->commands[i].name, sizeof app->commands[i].name);
    return PUT(out, "null");
}

/* The members that only events of a known application have. */
static char *put_app(char *out, const struct trace_event *event, const struct trace_app *app) {
    uint16_t cmd;
    const char *app_id = trace_event_app(event, &cmd);
    if (!app_id || memcmp(app->app_id, app_id, sizeof app->app_id) != 0) return out;
    out = PUT(out, ",\"app\":");
    out = put_text(out, app->name, sizeof app->name);
    out = PUT(out, ",\"command\":");
    out = put_command_name(out, app, cmd);
    return event->kind == TRACE_KIND_APP_COMMAND ? put_app_fields(out, app, &event->data.app_command) : out;
}

/* ---- the event ---------------------------------------------------------------------------------------------------------- */

/* has_peer is not listed, because peer_id implies it. */
static char *put_flags(char *out, unsigned flags) {
    flags &= ~(unsigned)TRACE_FLAG_HAS_PEER;
    out = PUT(out, ",\"flags\":[");
    for (bool first = true; flags != 0; flags &= flags - 1, first = false) {
        unsigned bit = (unsigned)__builtin_ctz(flags);
        const char *name = trace_flag_name(bit);
        if (!first) *out++ = ',';
        *out++ = '"';
        if (name) {
            out = put_bytes(out, name, strlen(name));
        } else {
            out = PUT(out, "bit");
            *out++ = (char)('0' + bit);
        }
        *out++ = '"';
    }
    *out++ = ']';
    return out;
}

static inline bool is_zero_id(const struct trace_id *id) {
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

/* Is the peer's id in the event different from the one that it stands for? */
static bool is_under_alias(const struct trace_event *event, const struct trace_event_origin *origin) {
    return origin->peer_id && (event->flags & TRACE_FLAG_HAS_PEER) &&
           memcmp(origin->peer_id, &event->peer_id, sizeof event->peer_id) != 0;
}

/* Everything before the kind: who and when. */
static inline char *put_head(char *out, const struct trace_event *event, const struct trace_event_origin *origin) {
    out = PUT(out, "{\"timestamp\":");
    out = put_decimal(out, event->timestamp / 1000);
    out = PUT(out, ",\"ns\":");
    out = put_small(out, (uint32_t)(event->timestamp % 1000));
    out = PUT(out, ",\"node_id\":");
    out = put_hex_string(out, origin->node_id->bytes, sizeof origin->node_id->bytes);
    out = PUT(out, ",\"peer_id\":");
    if (__builtin_expect(is_under_alias(event, origin), 0)) {
        out = put_hex_string(out, origin->peer_id->bytes, sizeof origin->peer_id->bytes);
        out = PUT(out, ",\"peer_as\":");
        out = put_hex_string(out, event->peer_id.bytes, sizeof event->peer_id.bytes);
    } else if (event->flags & TRACE_FLAG_HAS_PEER) {
        out = put_hex_string(out, event->peer_id.bytes, sizeof event->peer_id.bytes);
    } else {
        out = PUT(out, "null");
    }
    out = PUT(out, ",\"trace_id\":");
    if (!is_zero_id(&event->trace_id)) {
        out = put_hex_string(out, event->trace_id.bytes, sizeof event->trace_id.bytes);
    } else {
        out = PUT(out, "null");
    }
    out = PUT(out, ",\"sequence\":");
    out = put_decimal(out, event->sequence);
    out = PUT(out, ",\"lane\":");
    out = put_decimal(out, origin->lane);
    if (trace_event_clock_steps(event)) {
        out = PUT(out, ",\"clock_steps\":");
        out = put_small(out, trace_event_clock_steps(event));
    }
    return PUT(out, ",\"kind\":");
}

char *trace_event_json(char *out, const struct trace_event *event, const struct trace_event_origin *origin) {
    const struct trace_kind_info *kind = trace_kind_info(event->kind);
    out = put_head(out, event, origin);
    if (!kind) {
        out = PUT(out, "\"" TRACE_KIND_UNKNOWN_NAME "\",\"kind_id\":");
        out = put_decimal(out, event->kind);
        out = put_flags(out, event->flags);
        out = PUT(out, ",\"data\":");
        out = put_unknown(out, event);
        return PUT(out, "}");
    }
    out = put_padded(out, kind->json, kind->json_bytes);
    out = put_flags(out, event->flags);
    out = PUT(out, ",\"data\":");
    out = put_fields(out, event, kind);
    if (origin->app) out = put_app(out, event, origin->app);
    *out++ = '}';
    return out;
}

/* ---- how long it can get ------------------------------------------------------------------------------------------------ */

#define STRING_MAX(bytes) (6 * (bytes) + 2)
#define HEX_MAX(bytes) (2 * (bytes) + 2)
#define FIELDS_OF_A_KIND_MAX 8 /* event_table.c */

enum {
    /* Every literal of put_head, and 17 + 3 + 10 + 10 + 3 digits. */
    HEAD_MAX = 13 + 6 + 11 + 11 + 11 + 12 + 12 + 8 + 15 + 8 + 43 + 3 * HEX_MAX(TRACE_NODE_ID_BYTES) + HEX_MAX(TRACE_ID_BYTES),
    FLAGS_MAX = 11 + 8 * 16,
    /* Each field its name, a comma and two quotes; then either at most 22 bytes, or at most 6 for each data byte. */
    DATA_MAX = 10 + FIELDS_OF_A_KIND_MAX * (TRACE_TABLE_JSON_BYTES + 3 + 22) + STRING_MAX(TRACE_EVENT_DATA_BYTES),
    APP_FIELD_MAX = 2 + STRING_MAX(sizeof((struct trace_app_field *)0)->name) + STRING_MAX(TRACE_APP_DATA_BYTES),
    APP_MAX = 7 + STRING_MAX(TRACE_APP_NAME_BYTES) + 11 + STRING_MAX(sizeof((struct trace_app_command_name *)0)->name) + 12 +
              TRACE_APP_FIELDS_MAX * APP_FIELD_MAX,
};
_Static_assert(HEAD_MAX + TRACE_TABLE_JSON_BYTES + FLAGS_MAX + DATA_MAX + APP_MAX + 1 <= TRACE_EVENT_JSON_MAX, "any event fits");
