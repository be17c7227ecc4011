/* SPDX-License-Identifier: MIT
 *
 * The functions that only the shared library has: see p2ptrace/shared.h.
 *
 * Callers may be older or newer than this library, and written in any language.  We copy the data that both sides know, and
 * make it valid (a payload's count, a truth value), so that their events are as good as those of the macros. */
#include <errno.h>
#include <libtrace/clock.h>
#include <p2ptrace/emit.h>
#include <p2ptrace/shared.h>

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* ---- logs ------------------------------------------------------------------------------------------------------------------ */

int trace_shared_log_open(struct trace_log **ret_log, const struct trace_log_options *options, size_t options_bytes,
                          uint32_t lane_events) {
    struct trace_log_options own = {.node_name = NULL};
    if (options_bytes < sizeof own.node_id) return -EINVAL;
    memcpy(&own, options, smaller(options_bytes, sizeof own));
    return trace__log_open(ret_log, &own, lane_events != 0 ? lane_events : TRACE_LANE_EVENTS_FULL);
}

int trace_shared_register_app(struct trace_log *log, const char *app_id, const char *name,
                              const struct trace_app_command_name *commands, size_t command_count,
                              const struct trace_app_field *fields, size_t field_count) {
    struct trace_app app = {.command_count = 0};
    if (command_count > TRACE_APP_COMMANDS_MAX || field_count > TRACE_APP_FIELDS_MAX) return -E2BIG;
    memcpy(app.app_id, app_id, sizeof app.app_id);
    memcpy(app.name, name, strnlen(name, sizeof app.name));
    if (command_count != 0) memcpy(app.commands, commands, command_count * sizeof app.commands[0]);
    if (field_count != 0) memcpy(app.fields, fields, field_count * sizeof app.fields[0]);
    app.command_count = (uint16_t)command_count;
    app.field_count = (uint16_t)field_count;
    return trace_log_register_app(log, &app);
}

int trace_shared_wants(const struct trace_log *log, uint16_t kind) {
    return (trace__control(log) & TRACE_CONTROL_KIND_BIT(kind)) != 0;
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* make_sane_NAME: one statement for each field that needs it. */
#define SANE_u8(name, length)
#define SANE_u16(name, length)
#define SANE_u32(name, length)
#define SANE_u64(name, length)
#define SANE_bool(name, length) data->name = data->name != 0;
#define SANE_id64(name, length)
#define SANE_space(name, length)
#define SANE_transport(name, length)
#define SANE_loss(name, length)
#define SANE_endpoint(name, length)
#define SANE_code4(name, length)
#define SANE_text(name, length)
#define SANE_payload(name, length) \
    if (data->name##_bytes > (length)) data->name##_bytes = (length);
#define TRACE_FIELD(type, name, length, unit, doc) SANE_##type(name, length)
#define TRACE__SHARED_KIND_0(name, NAME, fields)                     \
    static inline void make_sane_##name(struct trace_##name *data) { \
        (void)data;                                                  \
        fields                                                       \
    }
#define TRACE_KIND(id, name, NAME, doc, fields) TRACE__SHARED_KIND(name, NAME, fields)
#include "tbl/events.def"
#undef TRACE__SHARED_KIND_0

/* The data is copied before the slot is taken, so that no reader waits while memory of the caller is paged in.  The branch for
 * the usual size keeps the compiler from calling memcpy. */
#define TRACE__SHARED_KIND_0(name, NAME, fields)                                                                         \
    void trace_emit_##name(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer, \
                           const struct trace_##name *data, size_t data_bytes) {                                         \
        uint64_t control = trace__control(log);                                                                          \
        struct trace_##name own;                                                                                         \
        struct trace__slot slot;                                                                                         \
        if ((control & TRACE_CONTROL_KIND_BIT(TRACE_KIND_##NAME)) == 0) return;                                          \
        memset(&own, 0, sizeof own);                                                                                     \
        if (data_bytes == TRACE_DATA_BYTES(name))                                                                        \
            memcpy(&own, data, TRACE_DATA_BYTES(name));                                                                  \
        else                                                                                                             \
            memcpy(&own, data, smaller(data_bytes, TRACE_DATA_BYTES(name)));                                             \
        make_sane_##name(&own);                                                                                          \
        slot = trace__begin(log, control, context, peer, TRACE_KIND_##NAME);                                             \
        if (!slot.event) return;                                                                                         \
        memcpy(&slot.event->data, &own, sizeof own);                                                                     \
        trace__commit(slot);                                                                                             \
    }
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) TRACE__SHARED_KIND(name, NAME, fields)
#include "tbl/events.def"
#undef TRACE__SHARED_KIND_0

/* The context with one flag more, which is of the event alone. */
static struct trace_context flagged(const struct trace_context *context, uint8_t flag) {
    struct trace_context own = {.span_id = 0};
    if (context) own = *context;
    own.flags |= flag;
    return own;
}

void trace_emit_packet_resent(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
                              const struct trace_packet_sent *data, size_t data_bytes) {
    struct trace_context own = flagged(context, TRACE_FLAG_RETRANSMISSION);
    trace_emit_packet_sent(log, &own, peer, data, data_bytes);
}

void trace_emit_message_resent(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
                               const struct trace_message_sent *data, size_t data_bytes) {
    struct trace_context own = flagged(context, TRACE_FLAG_RETRANSMISSION);
    trace_emit_message_sent(log, &own, peer, data, data_bytes);
}

void trace_emit_app_expired(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
                            const struct trace_app_end *data, size_t data_bytes) {
    struct trace_context own = flagged(context, TRACE_FLAG_EXPIRED);
    struct trace_app_end failed = {.ok = 0};
    memcpy(&failed, data, smaller(data_bytes, sizeof failed));
    failed.ok = 0;
    trace_emit_app_end(log, &own, peer, &failed, TRACE_DATA_BYTES(app_end));
}

static void make_sane(union trace_event_data *data, uint16_t kind) {
    switch (kind) {
#define TRACE__SHARED_KIND_0(name, NAME, fields) \
    case TRACE_KIND_##NAME:                      \
        make_sane_##name(&data->name);           \
        break;
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) TRACE__SHARED_KIND(name, NAME, fields)
#include "tbl/events.def"
    default: break;
    }
}

void trace_shared_emit_events(struct trace_log *log, const struct trace_event *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct trace_event *event = &events[i];
        uint64_t control = trace__control(log);
        struct trace_context context = {.trace_id = event->trace_id, .flags = event->flags & ~TRACE_FLAG_HAS_PEER};
        bool has_peer = (event->flags & TRACE_FLAG_HAS_PEER) != 0;
        union trace_event_data data = event->data;
        struct trace__slot slot;

        if (event->kind == 0 || event->kind == TRACE_KIND_EVENTS_LOST) continue;
        if ((control & TRACE_CONTROL_KIND_BIT(event->kind)) == 0) continue;
        make_sane(&data, event->kind);
        slot = trace__begin(log, control, &context, has_peer ? &event->peer_id : NULL, event->kind);
        if (!slot.event) continue;
        if (event->timestamp != 0) slot.event->timestamp = event->timestamp;
        slot.event->data = data;
        trace__commit(slot);
    }
}

uint64_t trace_shared_ticks(void) { return trace_clock_tsc_usable() ? trace__tsc() : trace__monotonic_ns(); }

enum trace_clock_source trace_shared_clock_source(void) {
    return trace_clock_tsc_usable() ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC;
}

/* ---- queries of the process's own log ------------------------------------------------------------------------------------ */

int trace_shared_query_open(struct trace_query **ret_query, struct trace_log *log, uint32_t mode) {
    if (mode > TRACE_QUERY_INDEXED) return -EINVAL;
    return trace__query_open(ret_query, log, (enum trace_query_mode)mode);
}
