/* SPDX-License-Identifier: MIT
 *
 * See proto/event_object.h.  Each function here has its counterpart in event_json.c, which explains the form of each value; a
 * test compares the results of both. */
#include <p2ptrace/app.h>
#include <proto/event_clock.h>
#include <proto/event_object.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <proto/utf8.h>
#include <stdio.h>
#include <string.h>

/* ---- values -------------------------------------------------------------------------------------------------------------- */

static json_t *unsigned_new(uint64_t value) {
    char digits[24];
    if (value <= INT64_MAX) return json_integer((json_int_t)value);
    char *end = trace_json_unsigned(digits, value);
    return json_stringn(digits + 1, (size_t)(end - digits) - 2); /* without its quotes */
}

static json_t *hex_new(const uint8_t *bytes, size_t count) {
    char text[2 * TRACE_EVENT_DATA_BYTES];
    return json_stringn(text, (size_t)(trace_hex_encode(text, bytes, count) - text));
}

static json_t *id64_new(uint64_t id) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    return hex_new(bytes, sizeof bytes);
}

static json_t *name_or_number_new(const char *name, unsigned number) {
    return name ? json_string(name) : json_integer((json_int_t)number);
}

/* Text in an array, padded with NUL; invalid UTF-8 becomes U+FFFD. */
static size_t copy_text(char *out, const char *text, size_t size) {
    size_t count = strnlen(text, size), length = 0, bad;
    for (size_t i = 0; i < count;) {
        size_t bytes = trace_utf8_length(text + i, count - i, &bad);
        memcpy(out + length, bytes ? text + i : "\xef\xbf\xbd", bytes ? bytes : 3);
        length += bytes ? bytes : 3;
        i += bytes ? bytes : bad;
    }
    out[length] = 0;
    return length;
}

#define TEXT_MAX 128 /* the longest array of text, and more */

static json_t *text_new(const char *text, size_t size) {
    char out[3 * TEXT_MAX + 1];
    return json_stringn(out, copy_text(out, text, size < TEXT_MAX ? size : TEXT_MAX));
}

static json_t *endpoint_new(const uint8_t *bytes) {
    struct trace_endpoint endpoint;
    char text[TRACE_ENDPOINT_TEXT_MAX];
    memcpy(&endpoint, bytes, sizeof endpoint);
    char *end = trace_endpoint_text(text, &endpoint);
    return end == text ? json_null() : json_stringn(text, (size_t)(end - text));
}

static size_t payload_bytes(uint8_t count_untrusted, size_t length) {
    return count_untrusted < length ? count_untrusted : length;
}

static json_t *field_new(const struct trace_event *event, const struct trace_field_info *field) {
    const uint8_t *at = event->data.bytes + field->offset;
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: return unsigned_new(trace_field_unsigned(event, field));
    case TRACE_TYPE_bool: return json_boolean(*at != 0);
    case TRACE_TYPE_id64: return id64_new(trace_field_unsigned(event, field));
    case TRACE_TYPE_space: return name_or_number_new(trace_space_name(*at), *at);
    case TRACE_TYPE_loss: return name_or_number_new(trace_loss_name(*at), *at);
    case TRACE_TYPE_transport: return name_or_number_new(trace_transport_name(*at), *at);
    case TRACE_TYPE_endpoint: return endpoint_new(at);
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return text_new((const char *)at, field->length);
    case TRACE_TYPE_payload: return hex_new(at + 1, payload_bytes(*at, field->length));
    }
    return json_null();
}

/* ---- what the application registered ------------------------------------------------------------------------------------- */

static json_t *app_value_new(const struct trace_app_field *field, const uint8_t *at) {
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    if (field->type == TRACE_APP_TEXT) return text_new((const char *)at, field->bytes);
    if (field->type == TRACE_APP_UNSIGNED) {
        switch (field->bytes) {
        case 1: return unsigned_new(*at);
        case 2: memcpy(&u16, at, sizeof u16); return unsigned_new(u16);
        case 4: memcpy(&u32, at, sizeof u32); return unsigned_new(u32);
        case 8: memcpy(&u64, at, sizeof u64); return unsigned_new(u64);
        default: break;
        }
    }
    return hex_new(at, field->bytes);
}

static json_t *app_fields_new(const struct trace_app *app, const struct trace_app_command *command) {
    size_t data_bytes = payload_bytes(command->data_bytes, sizeof command->data);
    unsigned field_count = app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
    json_t *fields = json_object();
    for (unsigned i = 0; fields && i < field_count; i++) {
        const struct trace_app_field *field = &app->fields[i];
        char name[3 * sizeof field->name + 1];
        if ((size_t)field->offset + field->bytes > data_bytes) continue;
        copy_text(name, field->name, sizeof field->name);
        if (json_object_get(fields, name)) continue;
        if (!json_object_set_new(fields, name, app_value_new(field, command->data + field->offset))) continue;
        json_decref(fields);
        return NULL;
    }
    return fields;
}

static json_t *command_name_new(const struct trace_app *app, uint16_t cmd) {
    unsigned count = app->command_count < TRACE_APP_COMMANDS_MAX ? app->command_count : TRACE_APP_COMMANDS_MAX;
    for (unsigned i = 0; i < count; i++)
        if (app->commands[i].cmd == cmd) return text_new(app->commands[i].name, sizeof app->commands[i].name);
    return json_null();
}

static int set_app(json_t *object, const struct trace_event *event, const struct trace_app *app) {
    uint16_t cmd;
    const char *app_id = trace_event_app(event, &cmd);
    if (!app_id || memcmp(app->app_id, app_id, sizeof app->app_id) != 0) return 0;
    int failed = json_object_set_new(object, "app", text_new(app->name, sizeof app->name));
    failed |= json_object_set_new(object, "command", command_name_new(app, cmd));
    if (event->kind == TRACE_KIND_APP_COMMAND)
        failed |= json_object_set_new(object, "fields", app_fields_new(app, &event->data.app_command));
    return failed;
}

/* ---- the event ----------------------------------------------------------------------------------------------------------- */

static json_t *flags_new(unsigned flags) {
    json_t *names = json_array();
    char bit_name[8];
    for (flags &= ~(unsigned)TRACE_FLAG_HAS_PEER; names && flags; flags &= flags - 1) {
        unsigned bit = (unsigned)__builtin_ctz(flags);
        const char *name = trace_flag_name(bit);
        snprintf(bit_name, sizeof bit_name, "bit%u", bit % 10);
        if (!json_array_append_new(names, json_string(name ? name : bit_name))) continue;
        json_decref(names);
        return NULL;
    }
    return names;
}

static json_t *data_new(const struct trace_event *event, const struct trace_kind_info *kind) {
    json_t *data = json_object();
    int failed = !data;
    if (!kind) failed |= json_object_set_new(data, "bytes", hex_new(event->data.bytes, sizeof event->data.bytes));
    for (unsigned i = 0; kind && i < kind->field_count; i++)
        failed |= json_object_set_new(data, kind->fields[i].name, field_new(event, &kind->fields[i]));
    if (!failed) return data;
    json_decref(data);
    return NULL;
}

json_t *trace_event_object_new(const struct trace_event *event, const struct trace_event_origin *origin) {
    static const struct trace_id no_trace;
    const struct trace_kind_info *kind = trace_kind_info(event->kind);
    const struct trace_node_id *peer_id = origin->peer_id ? origin->peer_id : &event->peer_id;
    bool has_peer = event->flags & TRACE_FLAG_HAS_PEER, has_trace = memcmp(&event->trace_id, &no_trace, sizeof no_trace) != 0;
    json_t *object = json_object();
    int failed = !object;
    failed |= json_object_set_new(object, "timestamp", json_integer((json_int_t)(event->timestamp / 1000)));
    failed |= json_object_set_new(object, "ns", json_integer((json_int_t)(event->timestamp % 1000)));
    failed |= json_object_set_new(object, "node_id", hex_new(origin->node_id->bytes, sizeof origin->node_id->bytes));
    failed |= json_object_set_new(object, "peer_id", has_peer ? hex_new(peer_id->bytes, sizeof peer_id->bytes) : json_null());
    if (has_peer && memcmp(peer_id, &event->peer_id, sizeof *peer_id) != 0)
        failed |= json_object_set_new(object, "peer_as", hex_new(event->peer_id.bytes, sizeof event->peer_id.bytes));
    failed |= json_object_set_new(object, "trace_id",
                                  has_trace ? hex_new(event->trace_id.bytes, sizeof event->trace_id.bytes) : json_null());
    failed |= json_object_set_new(object, "sequence", json_integer((json_int_t)event->sequence));
    failed |= json_object_set_new(object, "lane", json_integer((json_int_t)origin->lane));
    if (trace_event_clock_steps(event))
        failed |= json_object_set_new(object, "clock_steps", json_integer(trace_event_clock_steps(event)));
    failed |= json_object_set_new(object, "kind", json_string(kind ? kind->name : TRACE_KIND_UNKNOWN_NAME));
    if (!kind) failed |= json_object_set_new(object, "kind_id", json_integer((json_int_t)event->kind));
    failed |= json_object_set_new(object, "flags", flags_new(event->flags));
    failed |= json_object_set_new(object, "data", data_new(event, kind));
    if (origin->app) failed |= set_app(object, event, origin->app);
    if (!failed) return object;
    json_decref(object);
    return NULL;
}
