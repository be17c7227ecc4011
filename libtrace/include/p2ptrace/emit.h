/* SPDX-License-Identifier: MIT
 *
 * The emit path, inlined into the traced program.  Not an interface: use the macros of p2ptrace/trace.h.
 *
 * One emit is: load the control word, find this thread's writer for the log in a thread-local table, reserve the next position of
 * its lane, mark the slot, write 128 bytes, commit.  Ordering labels are those of the table in p2ptrace/shm.h.
 *
 * Invariants
 *   - A lane has one writing thread, but signal handlers of that thread may interrupt an emit and emit themselves.  So a
 *     position is reserved by one instruction, and a slot that is still in the making is never taken.
 *   - Nothing here can fail in a way that the program sees. */
#ifndef P2PTRACE_EMIT_H
#define P2PTRACE_EMIT_H

#include <string.h>

#include <p2ptrace/context.h>
#include <p2ptrace/shm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define trace__likely(x) __builtin_expect(!!(x), 1)
#define trace__unlikely(x) __builtin_expect(!!(x), 0)

/* Crash tests stop a writer at each of these points; elsewhere they are nothing. */
#ifdef TRACE_TESTPOINTS
extern void (*trace__testpoint)(const char *name);
#define TRACE_TESTPOINT(name) trace__testpoint(name)
#else
#define TRACE_TESTPOINT(name) ((void)0)
#endif

/* What the emit path sees of a log.  control points into the ring, or, in a forked child, at a word that enables nothing. */
struct trace_log {
    const uint64_t *control;
    uint64_t serial; /* of the process's logs; never used again, so that a stale writer cannot match a new log */
    uint32_t writer; /* where in a thread's table its writer for this log stands; TRACE__WRITERS: nowhere */
};

/* A thread's access to its lane of one log. */
struct trace__writer {
    uint64_t serial; /* the log's; 0: none */
    struct trace_shm_lane *lane;
    struct trace_event *slots;
    uint32_t slot_mask;
    uint8_t slow; /* any of the next: the library reserves, and reads the clock */
    uint8_t shared;
    uint8_t discards;
    uint8_t monotonic;
};

/* Each thread's writers, one entry for each log that is open.  No two open logs have the same entry, so that a signal handler
 * which emits to another log never changes the one that we are using; logs beyond the table's size are looked up each time, in
 * the last entry's place, which stays empty. */
#define TRACE__WRITERS 32
extern __thread struct trace__writer trace__writers[TRACE__WRITERS + 1] __attribute__((tls_model("initial-exec")));

/* A slot that the caller has to fill: its mark says BUSY until trace__commit. */
struct trace__slot {
    struct trace_event *event; /* NULL: the event was dropped, and counted */
    uint32_t mark;
};

/* Finds the thread's lane, takes one if it has none, and then reserves, marks and time-stamps a slot as trace__begin does. */
struct trace__slot trace__claim_slow(struct trace_log *log);

/* Counts an event whose slot was still in the making. */
void trace__contended(const struct trace__writer *writer);

/* The log's control word; nothing is enabled without a log. */
static inline uint64_t trace__control(const struct trace_log *log) {
    /* relaxed: a change may take effect a little later */
    return log != NULL ? __atomic_load_n(log->control, __ATOMIC_RELAXED) : 0;
}

/* Traces whose id hashes above the threshold are left out, on every node alike; events without a trace stay. */
static inline int trace__sampled(uint32_t threshold, const struct trace_id *id) {
    uint64_t low, high;
    if (trace__likely(threshold == UINT32_MAX)) return 1;
    memcpy(&low, id->bytes, 8);
    memcpy(&high, id->bytes + 8, 8);
    if ((low | high) == 0) return 1;
    return (uint32_t)(((low ^ high) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) <= threshold;
}

/* CLOCK_MONOTONIC in nanoseconds: the ring's clock where the time-stamp counter is not invariant. */
uint64_t trace__monotonic_ns(void);

/* The time-stamp counter; elsewhere every writer is slow, and this is never called. */
static inline uint64_t trace__tsc(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* Takes the next position of a lane that only this thread writes.  One instruction, hence atomic towards this thread's own
 * signal handlers; not locked, for no other thread writes this word. */
static inline uint64_t trace__reserve(uint64_t *head) {
#if defined(__x86_64__)
    uint64_t position = 1;
    __asm__ volatile("xaddq %0, %1" : "+r"(position), "+m"(*head) : : "cc");
    return position;
#else
    return __atomic_fetch_add(head, 1, __ATOMIC_RELAXED); /* relaxed: the slot's mark publishes, not the head */
#endif
}

/* Asks for the line a few events ahead, for writing, so that a reader that has it gives it back before it is needed.
 * An instruction, because __builtin_prefetch becomes a read prefetch on plain x86-64. */
static inline void trace__prefetch(const struct trace_event *event) {
#if defined(__x86_64__)
    const char *line = (const char *)event;
    __asm__ volatile("prefetchw %0" : : "m"(line[0]));
    __asm__ volatile("prefetchw %0" : : "m"(line[64]));
#else
    __builtin_prefetch(event, 1);
    __builtin_prefetch((const char *)event + 64, 1);
#endif
}
#define TRACE__PREFETCH_AHEAD 16

/* commit:B  Marks the slot as in the making, before any of its bytes change.  Pairs with read:B.
 * Without it a reader that copies while we write sees its old mark before and after, and takes a mixture of two events. */
static inline void trace__mark_busy(struct trace_event *event, uint32_t mark) {
    __atomic_store_n(&event->sequence, mark | TRACE_SEQUENCE_BUSY, __ATOMIC_RELAXED); /* relaxed: the fence orders it */
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Reserves a slot, marks it, and writes the first half of the event and 64 zero bytes.  control: the log's, as just loaded. */
static inline struct trace__slot trace__begin(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                              const struct trace_node_id *peer, uint16_t kind) {
    static const struct trace__slot none = {NULL, 0};
    const struct trace__writer *writer = &trace__writers[log->writer];
    struct trace__slot slot;
    uint8_t flags = 0;

    if (context != NULL) {
        if (!trace__sampled(TRACE_CONTROL_SAMPLE(control), &context->trace_id) && !(context->flags & TRACE_FLAG_DEBUG))
            return none;
        flags = context->flags;
    }
    if (trace__likely(writer->serial == log->serial && !writer->slow)) {
        uint64_t position = trace__reserve(&writer->lane->head);
        TRACE_TESTPOINT("reserved");
        trace__prefetch(&writer->slots[(position + TRACE__PREFETCH_AHEAD) & writer->slot_mask]);
        slot.event = &writer->slots[position & writer->slot_mask];
        slot.mark = trace_shm_mark(position);
        if (trace__unlikely(slot.event->sequence & TRACE_SEQUENCE_BUSY)) { /* an emit that we interrupt, a whole lap behind */
            trace__contended(writer);
            return none;
        }
        trace__mark_busy(slot.event, slot.mark);
        slot.event->timestamp = trace__tsc();
    } else {
        slot = trace__claim_slow(log);
        if (slot.event == NULL) return none;
    }
    TRACE_TESTPOINT("marked");

    if (context != NULL)
        slot.event->trace_id = context->trace_id;
    else
        memset(&slot.event->trace_id, 0, sizeof slot.event->trace_id);
    if (peer != NULL) {
        slot.event->peer_id = *peer;
        flags |= TRACE_FLAG_HAS_PEER;
    } else {
        memset(&slot.event->peer_id, 0, sizeof slot.event->peer_id);
    }
    slot.event->kind = kind;
    slot.event->flags = flags;
    slot.event->reserved = 0;
    memset(&slot.event->data, 0, sizeof slot.event->data);
    TRACE_TESTPOINT("half written");
    return slot;
}

/* commit:R  Publishes the slot's bytes.  Pairs with read:A.
 * Without it a reader can take a slot whose bytes are still on the way. */
static inline void trace__commit(struct trace__slot slot) {
    TRACE_TESTPOINT("written");
    __atomic_store_n(&slot.event->sequence, slot.mark, __ATOMIC_RELEASE);
    TRACE_TESTPOINT("committed");
}

/* One function per kind: begin, fill the fields, commit. */

static inline void trace__emit_conn_init(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                         const struct trace_node_id *peer, const struct trace_endpoint *endpoint, int by_remote) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_INIT);
    if (slot.event == NULL) return;
    slot.event->data.conn_init.endpoint = *endpoint;
    slot.event->data.conn_init.by_remote = by_remote != 0;
    trace__commit(slot);
}

static inline void trace__emit_conn_established(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                                const struct trace_node_id *peer, uint64_t rtt_ns) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_ESTABLISHED);
    if (slot.event == NULL) return;
    slot.event->data.conn_established.rtt = rtt_ns;
    trace__commit(slot);
}

static inline void trace__emit_conn_closed(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t code, int by_remote, const char *reason) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CONN_CLOSED);
    if (slot.event == NULL) return;
    slot.event->data.conn_closed.code = code;
    slot.event->data.conn_closed.by_remote = by_remote != 0;
    for (size_t i = 0; reason != NULL && reason[i] != 0 && i < sizeof slot.event->data.conn_closed.reason; i++)
        slot.event->data.conn_closed.reason[i] = reason[i];
    trace__commit(slot);
}

static inline void trace__emit_stream_opened(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                             const struct trace_node_id *peer, uint64_t stream_id) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_STREAM_OPENED);
    if (slot.event == NULL) return;
    slot.event->data.stream_opened.stream_id = stream_id;
    trace__commit(slot);
}

static inline void trace__emit_stream_data(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t stream_id, uint64_t offset, uint32_t length,
                                           int fin, int sent) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_STREAM_DATA);
    if (slot.event == NULL) return;
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
    if (slot.event == NULL) return;
    slot.event->data.stream_closed.stream_id = stream_id;
    slot.event->data.stream_closed.code = code;
    trace__commit(slot);
}

static inline void trace__emit_packet_sent(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t packet_num, uint32_t size, unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_SENT);
    if (slot.event == NULL) return;
    slot.event->data.packet_sent.packet_num = packet_num;
    slot.event->data.packet_sent.size = size;
    slot.event->data.packet_sent.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_packet_received(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                               const struct trace_node_id *peer, uint64_t packet_num, uint32_t size,
                                               unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_RECEIVED);
    if (slot.event == NULL) return;
    slot.event->data.packet_received.packet_num = packet_num;
    slot.event->data.packet_received.size = size;
    slot.event->data.packet_received.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_packet_lost(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                           const struct trace_node_id *peer, uint64_t packet_num, unsigned space) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_PACKET_LOST);
    if (slot.event == NULL) return;
    slot.event->data.packet_lost.packet_num = packet_num;
    slot.event->data.packet_lost.space = (uint8_t)space;
    trace__commit(slot);
}

static inline void trace__emit_metrics(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                       const struct trace_node_id *peer, uint64_t rtt_ns, uint64_t min_rtt_ns,
                                       uint64_t cwnd_bytes, uint64_t in_flight_bytes) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_METRICS);
    if (slot.event == NULL) return;
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
    if (slot.event == NULL) return;
    if (data_bytes > TRACE_APP_DATA_BYTES) data_bytes = TRACE_APP_DATA_BYTES;
    memcpy(slot.event->data.app_command.app_id, app_id, 4);
    slot.event->data.app_command.cmd = cmd;
    slot.event->data.app_command.data_bytes = (uint8_t)data_bytes;
    if (data_bytes != 0) memcpy(slot.event->data.app_command.data, data, data_bytes);
    trace__commit(slot);
}

static inline void trace__emit_app_start(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                         const struct trace_node_id *peer, uint64_t parent_id, const char *app_id, uint16_t cmd) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_APP_START);
    if (slot.event == NULL) return;
    slot.event->data.app_start.span_id = context != NULL ? context->span_id : 0;
    slot.event->data.app_start.parent_id = parent_id;
    memcpy(slot.event->data.app_start.app_id, app_id, 4);
    slot.event->data.app_start.cmd = cmd;
    trace__commit(slot);
}

static inline void trace__emit_app_end(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                       const struct trace_node_id *peer, const char *app_id, uint16_t cmd, int ok) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_APP_END);
    if (slot.event == NULL) return;
    slot.event->data.app_end.span_id = context != NULL ? context->span_id : 0;
    memcpy(slot.event->data.app_end.app_id, app_id, 4);
    slot.event->data.app_end.cmd = cmd;
    slot.event->data.app_end.ok = ok != 0;
    trace__commit(slot);
}

static inline void trace__emit_custom(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                      const struct trace_node_id *peer, uint32_t category, uint32_t code, const void *data,
                                      size_t data_bytes) {
    struct trace__slot slot = trace__begin(log, control, context, peer, TRACE_KIND_CUSTOM);
    if (slot.event == NULL) return;
    if (data_bytes > sizeof slot.event->data.custom.data) data_bytes = sizeof slot.event->data.custom.data;
    slot.event->data.custom.category = category;
    slot.event->data.custom.code = code;
    slot.event->data.custom.data_bytes = (uint8_t)data_bytes;
    if (data_bytes != 0) memcpy(slot.event->data.custom.data, data, data_bytes);
    trace__commit(slot);
}

#ifdef __cplusplus
}
#endif

#endif
