/* SPDX-License-Identifier: MIT */
#include "otlp_attributes.h"

#include <proto/event_json.h>

static char *begin_attribute(char *out, const char *key, const char *type) {
    out = PUT(out, "{\"key\":\"");
    out = put_text(out, key);
    out = PUT(out, "\",\"value\":{\"");
    out = put_text(out, type);
    return PUT(out, "\":");
}

char *otlp_put_integer(char *out, const char *key, uint64_t value) {
    out = begin_attribute(out, key, value <= INT64_MAX ? "intValue" : "stringValue");
    *out++ = '"';
    return PUT(put_u64(out, value), "\"}},");
}

char *otlp_put_boolean(char *out, const char *key, bool value) {
    out = begin_attribute(out, key, "boolValue");
    return put_text(out, value ? "true}}," : "false}},");
}

char *otlp_put_string(char *out, const char *key, const char *text, size_t bytes) {
    out = begin_attribute(out, key, "stringValue");
    *out++ = '"';
    out = put_bytes(out, text, bytes);
    return PUT(out, "\"}},");
}

char *otlp_put_hex_attribute(char *out, const char *key, const void *id, size_t bytes) {
    char text[2 * 64];
    return otlp_put_string(out, key, text, (size_t)(put_hex(text, id, bytes) - text));
}

/* One field of an event's data. */
static char *put_field(char *out, const struct trace_event *event, const struct trace_field_info *field) {
    char json[TRACE_EVENT_JSON_MAX], *end;
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: return otlp_put_integer(out, field->name, trace_field_unsigned(event, field));
    case TRACE_TYPE_bool: return otlp_put_boolean(out, field->name, trace_field_unsigned(event, field) != 0);
    default:
        end = trace_field_json(json, event, field);
        if (*json == '"') return otlp_put_string(out, field->name, json + 1, (size_t)(end - json) - 2);
        return *json == 'n'
                   ? out
                   : otlp_put_string(out, field->name, json, (size_t)(end - json)); /* null, or a number without a name */
    }
}

char *otlp_put_attributes(char *out, const struct export_event *event) {
    for (unsigned i = 0; event->kind && i < event->kind->field_count; i++)
        out = put_field(out, event->event, &event->kind->fields[i]);
    if (!event->kind) out = otlp_put_integer(out, "kind_id", event->event->kind);
    if (!event->kind) out = otlp_put_hex_attribute(out, "bytes", event->event->data.bytes, sizeof event->event->data.bytes);
    if (event_has_peer(event)) out = otlp_put_hex_attribute(out, "peer_id", event->event->peer_id.bytes, 32);
    if (event->fields.bytes) {
        struct json_member member;
        for (size_t at = 0; json_scan_member(event->fields, &at, &member);) {
            out = PUT(out, "{\"key\":\"fields.");
            out = put_inner(out, member.key);
            bool text = *member.value.text == '"';
            out = put_text(out, text ? "\",\"value\":{\"stringValue\":" : "\",\"value\":{\"intValue\":\"");
            out = put_span(out, member.value);
            out = put_text(out, text ? "}}," : "\"}},");
        }
    }
    out = otlp_put_integer(out, "lane", event->lane);
    return otlp_put_integer(out, "sequence", event->event->sequence);
}
