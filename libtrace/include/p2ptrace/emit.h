/* SPDX-License-Identifier: MIT
 *
 * The part of the emit path that is compiled into the traced program.  Not an interface: use the macros of p2ptrace/trace.h.
 *
 * To emit an event: load the control word (inline, so that a disabled event costs no call), begin a slot
 * (libtrace/node/emit.c), fill in the fields of its kind, commit.  The table in p2ptrace/shm.h has the ordering labels.
 *
 * No failure here is visible to the program. */
#ifndef P2PTRACE_EMIT_H
#define P2PTRACE_EMIT_H

#include <string.h>

#include <p2ptrace/app_protocol.h>
#include <p2ptrace/context.h>
#include <p2ptrace/shm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Crash tests stop a writer at each of these points.  In all other builds they compile to nothing. */
#ifdef TRACE_TESTPOINTS
extern void (*trace__testpoint)(const char *name);
#define TRACE_TESTPOINT(name) trace__testpoint(name)
#else
#define TRACE_TESTPOINT(name) ((void)0)
#endif

/* What the emit path sees of a log.  control points into the ring or, in a forked child, at a word that enables nothing. */
struct trace_log {
    const uint64_t *control;
    uint64_t serial; /* identifies the log in this process; never reused, so that a stale writer cannot match a new log */
    uint32_t writer; /* index of the log's writer in each thread's table (libtrace/writer.h) */
};

/* A slot for the caller to fill.  Its mark says BUSY until trace__commit. */
struct trace__slot {
    struct trace_event *event; /* NULL: not sampled, or dropped and counted */
    uint32_t mark;
};

/* The log's control word; 0, which enables nothing, without a log. */
static inline uint64_t trace__control(const struct trace_log *log) {
    /* relaxed: a change may take effect a little later */
    return log ? __atomic_load_n(log->control, __ATOMIC_RELAXED) : 0;
}

/* Takes the thread's next slot of the log, marks it busy, time-stamps it, and writes the whole event except its data, which is
 * zeroed.
 * control: the log's control word, as just loaded; a context whose trace it does not sample gets no slot. */
struct trace__slot trace__begin(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                const struct trace_node_id *peer, uint16_t kind);

/* commit:R  Publishes the slot's bytes.  Pairs with read:A.
 * Without it a reader can take a slot whose bytes have not all arrived. */
static inline void trace__commit(struct trace__slot slot) {
    TRACE_TESTPOINT("written");
    __atomic_store_n(&slot.event->sequence, slot.mark, __ATOMIC_RELEASE);
    TRACE_TESTPOINT("committed");
}

/* One function per kind: begin, fill the fields, commit. */

static inline void trace__emit_conn_init(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                         const struct trace_node_id *peer, const struct trace_endpoint *endpoint, int by_remote) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_INIT);
    if (!slot.event) return;
    slot.event->data.conn_init.endpoint = *endpoint;
    slot.event->data.conn_init.by_remote = by_remote != 0;
    trace__commit(slot);
}

static inline void trace__emit_conn_established(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                                const struct trace_node_id *peer, uint64_t rtt_ns) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_ESTABLISHED);
    if (!slot.event) return;
    slot.event->data.conn_established.rtt = rtt_ns;
    trace__commit(slot);
}

static inline void trace__emit_conn_closed(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t code, int by_remote, const char *reason) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_CLOSED);
    if (!slot.event) return;
    slot.event->data.conn_closed.code = code;
    slot.event->data.conn_closed.by_remote = by_remote != 0;
    for (size_t i = 0; reason && reason[i] != 0 && i < sizeof slot.event->data.conn_closed.reason; i++)
        slot.event->data.conn_closed.reason[i] = reason[i];
    trace__commit(slot);
}

static inline void trace__emit_stream_opened(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                             const struct trace_node_id *peer, uint64_t stream_id) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_STREAM_OPENED);
    if (!slot.event) return;
    slot.event->data.stream_opened.stream_id = stream_id;
    trace__commit(slot);
}

static inline void trace__emit_stream_data(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t stream_id, uint64_t offset, uint32_t length,
                                           int fin, int sent) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_STREAM_DATA);
    if (!slot.event) return;
    slot.event->data.stream_data.stream_id = stream_id;
    slot.event->data.stream_data.offset = offset;
    slot.event->data.stream_data.length = length;
    slot.event->data.stream_data.fin = fin != 0;
    slot.event->data.stream_data.sent = sent != 0;
    trace__commit(slot);
}

static inline void trace__emit_stream_closed(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                             const struct trace_node_id *peer, uint64_t stream_id, uint64_t code) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_STREAM_CLOSED);
    if (!slot.event) return;
    slot.event->data.stream_closed.stream_id = stream_id;
    slot.event->data.stream_closed.code = code;
    trace__commit(slot);
}

static inline void trace__emit_packet_flagged(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                              const struct trace_node_id *peer, unsigned flags, uint64_t packet_num,
                                              uint32_t size, unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_SENT);
    if (!slot.event) return;
    slot.event->flags |= (uint8_t)flags;
    slot.event->data.packet_sent.packet_num = packet_num;
    slot.event->data.packet_sent.size = size;
    slot.event->data.packet_sent.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_packet_sent(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t packet_num, uint32_t size, unsigned space) {
    trace__emit_packet_flagged(log, control, context, peer, 0, packet_num, size, space);
}

/* packet_sent, once more. */
static inline void trace__emit_packet_resent(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                             const struct trace_node_id *peer, uint64_t packet_num, uint32_t size,
                                             unsigned space) {
    trace__emit_packet_flagged(log, control, context, peer, TRACE_FLAG_RETRANSMISSION, packet_num, size, space);
}

static inline void trace__emit_probe_sent(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                          const struct trace_node_id *peer, uint64_t packet_num, uint32_t size, unsigned space) {
    trace__emit_packet_flagged(log, control, context, peer, TRACE_FLAG_PROBE, packet_num, size, space);
}

static inline void trace__emit_probe_lost(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                          const struct trace_node_id *peer, uint64_t packet_num, unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_LOST);
    if (!slot.event) return;
    slot.event->flags |= TRACE_FLAG_PROBE;
    slot.event->data.packet_lost.packet_num = packet_num;
    slot.event->data.packet_lost.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_packet_received(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                               const struct trace_node_id *peer, uint64_t packet_num, uint32_t size,
                                               unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_RECEIVED);
    if (!slot.event) return;
    slot.event->data.packet_received.packet_num = packet_num;
    slot.event->data.packet_received.size = size;
    slot.event->data.packet_received.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_packet_lost(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t packet_num, unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_LOST);
    if (!slot.event) return;
    slot.event->data.packet_lost.packet_num = packet_num;
    slot.event->data.packet_lost.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_metrics(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                       const struct trace_node_id *peer, uint64_t rtt_ns, uint64_t min_rtt_ns,
                                       uint64_t cwnd_bytes, uint64_t in_flight_bytes) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_METRICS);
    if (!slot.event) return;
    slot.event->data.metrics.rtt = rtt_ns;
    slot.event->data.metrics.min_rtt = min_rtt_ns;
    slot.event->data.metrics.cwnd = cwnd_bytes;
    slot.event->data.metrics.in_flight = in_flight_bytes;
    trace__commit(slot);
}

static inline void trace__emit_app_command(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, const char *app_id, uint16_t cmd, const void *data,
                                           size_t data_bytes) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_APP_COMMAND);
    if (!slot.event) return;
    if (data_bytes > TRACE_APP_DATA_BYTES) data_bytes = TRACE_APP_DATA_BYTES;
    memcpy(slot.event->data.app_command.app_id, app_id, 4);
    slot.event->data.app_command.cmd = cmd;
    slot.event->data.app_command.data_bytes = (uint8_t)data_bytes;
    if (data_bytes != 0) memcpy(slot.event->data.app_command.data, data, data_bytes);
    trace__commit(slot);
}

/* Emits an app_command event for the application's own message, if its trace is sampled and the protocol does not refuse it. */
void trace__emit_app_message(struct trace_log *log, uint64_t control, const struct trace_context *context,
                             const struct trace_node_id *peer, const struct trace_app_protocol *protocol, uint16_t cmd,
                             const void *message);

static inline void trace__emit_app_start(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                         const struct trace_node_id *peer, uint64_t parent_id, const char *app_id, uint16_t cmd) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_APP_START);
    if (!slot.event) return;
    slot.event->data.app_start.span_id = context ? context->span_id : 0;
    slot.event->data.app_start.parent_id = parent_id;
    memcpy(slot.event->data.app_start.app_id, app_id, 4);
    slot.event->data.app_start.cmd = cmd;
    trace__commit(slot);
}

static inline void trace__emit_app_end(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                       const struct trace_node_id *peer, const char *app_id, uint16_t cmd, int ok) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_APP_END);
    if (!slot.event) return;
    slot.event->data.app_end.span_id = context ? context->span_id : 0;
    memcpy(slot.event->data.app_end.app_id, app_id, 4);
    slot.event->data.app_end.cmd = cmd;
    slot.event->data.app_end.ok = ok != 0;
    trace__commit(slot);
}

/* app_end, not ok, because time ran out. */
static inline void trace__emit_app_expired(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, const char *app_id, uint16_t cmd) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_APP_END);
    if (!slot.event) return;
    slot.event->flags |= TRACE_FLAG_EXPIRED;
    slot.event->data.app_end.span_id = context ? context->span_id : 0;
    memcpy(slot.event->data.app_end.app_id, app_id, 4);
    slot.event->data.app_end.cmd = cmd;
    trace__commit(slot);
}

static inline void trace__emit_conn_migrated(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                             const struct trace_node_id *peer, const struct trace_endpoint *endpoint,
                                             int by_remote) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_MIGRATED);
    if (!slot.event) return;
    slot.event->data.conn_migrated.endpoint = *endpoint;
    slot.event->data.conn_migrated.by_remote = by_remote != 0;
    trace__commit(slot);
}

static inline void trace__emit_conn_retry(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                          const struct trace_node_id *peer, const struct trace_endpoint *endpoint) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_RETRY);
    if (!slot.event) return;
    slot.event->data.conn_retry.endpoint = *endpoint;
    trace__commit(slot);
}

static inline void trace__emit_conn_version(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                            const struct trace_node_id *peer, uint32_t version) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_VERSION);
    if (!slot.event) return;
    slot.event->data.conn_version.version = version;
    trace__commit(slot);
}

static inline void trace__emit_conn_reset(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                          const struct trace_node_id *peer, const struct trace_endpoint *endpoint) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_RESET);
    if (!slot.event) return;
    slot.event->data.conn_reset.endpoint = *endpoint;
    trace__commit(slot);
}

static inline void trace__emit_early_data(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                          const struct trace_node_id *peer, int accepted) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_EARLY_DATA);
    if (!slot.event) return;
    slot.event->data.early_data.accepted = accepted != 0;
    trace__commit(slot);
}

static inline void trace__emit_key_updated(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t updates) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_KEY_UPDATED);
    if (!slot.event) return;
    slot.event->data.key_updated.updates = updates;
    trace__commit(slot);
}

static inline void trace__emit_link(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                    const struct trace_node_id *peer, const struct trace_context *linked, const char *relation) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_LINK);
    if (!slot.event) return;
    slot.event->data.link.span_id = context ? context->span_id : 0;
    if (linked) {
        slot.event->data.link.linked_span_id = linked->span_id;
        slot.event->data.link.linked_trace_id_bytes = sizeof linked->trace_id.bytes;
        memcpy(slot.event->data.link.linked_trace_id, linked->trace_id.bytes, sizeof linked->trace_id.bytes);
    }
    for (size_t i = 0; relation && i < sizeof slot.event->data.link.relation && relation[i] != 0; i++)
        slot.event->data.link.relation[i] = relation[i];
    trace__commit(slot);
}

static inline void trace__emit_alias(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                     const struct trace_node_id *peer, const struct trace_node_id *alias, unsigned transport,
                                     const char *label) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_ALIAS);
    if (!slot.event) return;
    slot.event->data.alias.alias_id_bytes = sizeof alias->bytes;
    memcpy(slot.event->data.alias.alias_id, alias->bytes, sizeof alias->bytes);
    slot.event->data.alias.transport = (uint8_t)transport;
    for (size_t i = 0; label && i < sizeof slot.event->data.alias.label && label[i] != 0; i++)
        slot.event->data.alias.label[i] = label[i];
    trace__commit(slot);
}

/* An alias that is an address: out of line, because it is rare. */
void trace__emit_address(struct trace_log *log, uint64_t control, const struct trace_context *context,
                         const struct trace_node_id *peer, unsigned transport, const char *address);
void trace__emit_endpoint(struct trace_log *log, uint64_t control, const struct trace_context *context,
                          const struct trace_node_id *peer, unsigned transport, const struct trace_endpoint *endpoint);

static inline void trace__emit_custom(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                      const struct trace_node_id *peer, uint32_t category, uint32_t code, const void *data,
                                      size_t data_bytes) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CUSTOM);
    if (!slot.event) return;
    if (data_bytes > sizeof slot.event->data.custom.data) data_bytes = sizeof slot.event->data.custom.data;
    slot.event->data.custom.category = category;
    slot.event->data.custom.code = code;
    slot.event->data.custom.data_bytes = (uint8_t)data_bytes;
    if (data_bytes != 0) memcpy(slot.event->data.custom.data, data, data_bytes);
    trace__commit(slot);
}

/* Sent and received messages have the same layout. */
static inline void trace__emit_message(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                       const struct trace_node_id *peer, uint16_t kind, unsigned flags, uint64_t message_id,
                                       uint32_t size, unsigned transport, const char *type) {
    struct trace__slot slot = trace__begin(log, control, context, peer, kind);
    if (!slot.event) return;
    slot.event->flags |= (uint8_t)flags;
    slot.event->data.message_sent.message_id = message_id;
    slot.event->data.message_sent.size = size;
    slot.event->data.message_sent.transport = (uint8_t)transport;
    for (size_t i = 0; type && i < sizeof slot.event->data.message_sent.type && type[i] != 0; i++)
        slot.event->data.message_sent.type[i] = type[i];
    trace__commit(slot);
}

static inline void trace__emit_message_sent(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                            const struct trace_node_id *peer, uint64_t message_id, uint32_t size,
                                            unsigned transport, const char *type) {
    trace__emit_message(log, control, context, peer, TRACE_KIND_MESSAGE_SENT, 0, message_id, size, transport, type);
}

static inline void trace__emit_message_resent(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                              const struct trace_node_id *peer, uint64_t message_id, uint32_t size,
                                              unsigned transport, const char *type) {
    trace__emit_message(log, control, context, peer, TRACE_KIND_MESSAGE_SENT, TRACE_FLAG_RETRANSMISSION, message_id, size,
                        transport, type);
}

static inline void trace__emit_message_received(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                                const struct trace_node_id *peer, uint64_t message_id, uint32_t size,
                                                unsigned transport, const char *type) {
    trace__emit_message(log, control, context, peer, TRACE_KIND_MESSAGE_RECEIVED, 0, message_id, size, transport, type);
}

#ifdef __cplusplus
}
#endif

#endif
