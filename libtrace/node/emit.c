/* SPDX-License-Identifier: MIT
 *
 * The emit path: from a macro's control word to a slot that is marked, time-stamped and half written.
 *
 * One copy for the whole program, not one for each macro: the call costs less than the code size would, and it keeps the clock
 * read away from the stores of the previous event, which it would wait for. */
#include <libtrace/clock.h>
#include <libtrace/writer.h>

#define likely(x) __builtin_expect(!!(x), 1)

/* Traces whose id hashes above the threshold are dropped, on all nodes alike; events without a trace are kept. */
static bool is_sampled(uint32_t threshold, const struct trace_context *context) {
    uint64_t low, high;
    if (likely(threshold == UINT32_MAX) || (context->flags & TRACE_FLAG_DEBUG)) return true;
    memcpy(&low, context->trace_id.bytes, 8);
    memcpy(&high, context->trace_id.bytes + 8, 8);
    if ((low | high) == 0) return true;
    return (uint32_t)(((low ^ high) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) <= threshold;
}

/* The fast path: a lane that only this thread writes, with the time-stamp counter. */
static inline struct trace__slot claim_fast(const struct trace__writer *writer, struct trace__stamp stamp) {
    uint64_t position = trace__reserve(&writer->lane->head), now;
    struct trace__slot slot = {&writer->slots[position & writer->slot_mask], trace_shm_mark(position)};
    TRACE_TESTPOINT("reserved");
    trace__prefetch(&writer->slots[(position + TRACE__PREFETCH_AHEAD) & writer->slot_mask]);
    if (!likely((slot.event->sequence & TRACE_SEQUENCE_BUSY) == 0)) { /* an emit that we interrupted, a whole lap behind */
        trace__contended(writer);
        return (struct trace__slot){NULL, 0};
    }
    now = trace__tsc(); /* directly after a store it would take 2 ns longer */
    stamp.mark = slot.mark;
    trace__mark_busy(slot.event, stamp);
    slot.event->timestamp = now;
    return slot;
}

struct trace__slot trace__begin(struct trace_log *log, uint64_t control, const struct trace_context *context,
                                const struct trace_node_id *peer, uint16_t kind) {
    const struct trace__writer *writer = &trace__thread->writers[log->writer];
    struct trace__stamp stamp = {.kind = kind};
    struct trace__slot slot;

    if (context) {
        if (!is_sampled(TRACE_CONTROL_SAMPLE(control), context)) return (struct trace__slot){NULL, 0};
        stamp.flags = context->flags;
    }
    if (peer) stamp.flags |= TRACE_FLAG_HAS_PEER;
    if (likely(writer->serial == log->serial && !writer->slow))
        slot = claim_fast(writer, stamp);
    else
        slot = trace__claim_slow(log, stamp);
    if (!likely(slot.event)) return slot;
    TRACE_TESTPOINT("marked");

    if (context)
        slot.event->trace_id = context->trace_id;
    else
        memset(&slot.event->trace_id, 0, sizeof slot.event->trace_id);
    if (peer)
        slot.event->peer_id = *peer;
    else
        memset(&slot.event->peer_id, 0, sizeof slot.event->peer_id);
    memset(&slot.event->data, 0, sizeof slot.event->data);
    TRACE_TESTPOINT("half written");
    return slot;
}

/* The application's own functions run before the slot is taken: they may emit, and no reader waits for them however long they
 * take.  So sampling is decided here and, by the same control word, again in trace__begin. */
void trace__emit_app_message(struct trace_log *log, uint64_t control, const struct trace_context *context,
                             const struct trace_node_id *peer, const struct trace_app_protocol *protocol, uint16_t cmd,
                             const void *message) {
    uint8_t data[TRACE_APP_DATA_BYTES] = {0};
    size_t data_bytes = 0;
    if (context && !is_sampled(TRACE_CONTROL_SAMPLE(control), context)) return;
    if (protocol->should_trace && !protocol->should_trace(cmd, message)) return;
    if (protocol->to_trace_data) data_bytes = protocol->to_trace_data(data, cmd, message);
    trace__emit_app_command(log, control, context, peer, protocol->description.app_id, cmd, data, data_bytes);
}
