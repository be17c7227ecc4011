/* SPDX-License-Identifier: MIT
 *
 * The event table at run time: descriptors that JSON, filters, printing and docs loop over.  Pure, constant data. */
#ifndef PROTO_EVENT_TABLE_H
#define PROTO_EVENT_TABLE_H

#include <assert.h>
#include <p2ptrace/event.h>
#include <string.h>

enum trace_type {
    TRACE_TYPE_u8,
    TRACE_TYPE_u16,
    TRACE_TYPE_u32,
    TRACE_TYPE_u64,
    TRACE_TYPE_bool,
    TRACE_TYPE_id64,
    TRACE_TYPE_space,
    TRACE_TYPE_loss,
    TRACE_TYPE_transport,
    TRACE_TYPE_endpoint,
    TRACE_TYPE_code4,
    TRACE_TYPE_text,
    TRACE_TYPE_payload, /* offset is that of the count byte; the bytes follow it */
};

/* Room for a name as JSON. */
#define TRACE_TABLE_JSON_BYTES 24

struct trace_field_info {
    const char *name;
    enum trace_type type;
    uint16_t offset;  /* in the event data */
    uint16_t length;  /* array length */
    const char *unit; /* "ns", "bytes" or "" */
    const char *doc;
    uint8_t json_bytes;
    char json[TRACE_TABLE_JSON_BYTES]; /* "name": with quotes and colon, NUL-padded, so that it can be copied whole */
};

struct trace_kind_info {
    const char *name;
    const char *doc;
    const struct trace_field_info *fields;
    unsigned field_count;
    uint16_t id;
    uint8_t json_bytes;
    char json[TRACE_TABLE_JSON_BYTES]; /* "name" with its quotes, NUL-padded */
};

/* The name of every kind that this version does not know. */
#define TRACE_KIND_UNKNOWN_NAME "unknown"

/* NULL for a kind that this version does not know. */
const struct trace_kind_info *trace_kind_info(uint16_t kind);

/* All kinds, in the table's order. */
const struct trace_kind_info *trace_kind_table(unsigned *ret_count);

/* The kind of that name, or 0. */
uint16_t trace_kind_by_name(const char *name);

/* Names of flags bits, spaces, loss causes and transports; NULL for one that is not in its table. */
const char *trace_flag_name(unsigned bit);
const char *trace_space_name(unsigned space);
const char *trace_loss_name(unsigned cause);
const char *trace_transport_name(unsigned transport);

/* The app_id (4 bytes, no NUL) of an application's event, and its command number; NULL for an event of another kind. */
static inline const char *trace_event_app(const struct trace_event *event, uint16_t *ret_cmd) {
    switch (event->kind) {
    case TRACE_KIND_APP_COMMAND: *ret_cmd = event->data.app_command.cmd; return event->data.app_command.app_id;
    case TRACE_KIND_APP_START: *ret_cmd = event->data.app_start.cmd; return event->data.app_start.app_id;
    case TRACE_KIND_APP_END: *ret_cmd = event->data.app_end.cmd; return event->data.app_end.app_id;
    default: return NULL;
    }
}

/* An integer field's value (u8 ... u64, bool, id64, space, loss, transport). */
static inline uint64_t trace_field_unsigned(const struct trace_event *event, const struct trace_field_info *field) {
    const uint8_t *at = event->data.bytes + field->offset;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_bool:
    case TRACE_TYPE_space:
    case TRACE_TYPE_loss:
    case TRACE_TYPE_transport: return *at;
    case TRACE_TYPE_u16: memcpy(&u16, at, sizeof u16); return u16;
    case TRACE_TYPE_u32: memcpy(&u32, at, sizeof u32); return u32;
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64: memcpy(&u64, at, sizeof u64); return u64;
    case TRACE_TYPE_endpoint:
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text:
    case TRACE_TYPE_payload: break;
    }
    assert(!"not an integer field");
    return 0;
}

#endif
