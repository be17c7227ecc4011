/* SPDX-License-Identifier: MIT
 *
 * Trace contexts: which request an event belongs to, and how that crosses the wire.
 *
 * A trace is one request, on all nodes that take part in it.  Each part is a span: it begins with an app_start event, which
 * names its parent, and ends with an app_end.  The context identifies the current span; a message carries it to the next node.
 * Here alice asks bob, who has to ask carol:
 *
 *     alice   context = trace_context_new(TRACE_FLAG_SAMPLED | TRACE_FLAG_APP_INITIATED);      trace 5a.., span a1
 *             TRACE_APP_START(log, &context, NULL, 0, "DMAP", GET);                             a1, parent 0: the root
 *             TRACE_CONTEXT_ENCODE(message, &context);                                          5a.. a1 on the wire
 *
 *     bob     TRACE_CONTEXT_DECODE(&caller, message, count);                                    5a.. a1 off the wire
 *             context = trace_context_child(&caller);                                           trace 5a.., span b2
 *             TRACE_APP_START(log, &context, &alice_id, caller.span_id, "DMAP", GET);           b2, parent a1
 *             TRACE_CONTEXT_ENCODE(onward, &context);                                           5a.. b2 on the wire
 *
 *     carol   the same as bob                                                                   trace 5a.., span c3, parent b2
 *             TRACE_APP_END(log, &context, &bob_id, "DMAP", GET, 1);                            c3 is over
 *     bob     TRACE_APP_END(log, &context, &alice_id, "DMAP", GET, 1);                          b2
 *     alice   TRACE_APP_END(log, &context, NULL, "DMAP", GET, 1);                               a1, and with it the request
 *
 * Events between start and end, also of packets and streams, use the span's context.  An answer needs no context: the node that
 * asked knows which request it belongs to.  A node that only forwards bytes forwards the context that it received.
 *
 * The flags are set where a trace begins, and travel with it to every node:
 *
 *     TRACE_FLAG_SAMPLED         the node that began the trace records it.  For information only: each node decides by the
 *                                trace's id (p2ptrace/shm.h, control word), and all decide alike, so a caller that records
 *                                nothing does not stop us from recording
 *     TRACE_FLAG_DEBUG           requested by hand: its events are never sampled away.  A kind that is switched off stays off
 *     TRACE_FLAG_APP_INITIATED   the application began the trace, not the transport; shown, without other effect
 *
 * Everything here is wait-free, allocates nothing, preserves errno, and may be called by any thread and by signal handlers.  The
 * one exception: a thread's first id, and its first after a fork, ask the kernel for a seed. */
#ifndef P2PTRACE_CONTEXT_H
#define P2PTRACE_CONTEXT_H

#include <p2ptrace/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A position in a trace: the trace, the span of this node's part of it, and the flags that its events carry. */
struct trace_context {
    struct trace_id trace_id;
    uint64_t span_id; /* 0: outside of any span, like a connection's own events */
    uint8_t flags;    /* of TRACE_CONTEXT_FLAGS */
};

#define TRACE_CONTEXT_FLAGS (TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED)

/* A new trace with a random id and a random span.  Flags that are not in TRACE_CONTEXT_FLAGS are ignored. */
struct trace_context trace_context_new(uint8_t flags);

/* A new span in the same trace, with the same flags. */
struct trace_context trace_context_child(const struct trace_context *parent);

/* A context for a protocol whose messages have no room for one.  The trace id is a hash of bytes that both ends know (a
 * transaction's id with both addresses, or a connection's id), so each end computes the same trace id.  The span is random,
 * because neither end knows the other's: both parts are in one trace, but no parent links them.  Everything with the same bytes
 * is in the same trace, so make sure that they are not reused.  The hash hides nothing from someone who can guess the bytes.
 * The same bytes give the same trace id on every machine.  Any thread. */
struct trace_context trace_context_shared(const void *known, size_t bytes, uint8_t flags);

/* The context on the wire, for a message header: version (0), trace id, span id (big-endian), flags. */
#define TRACE_CONTEXT_WIRE_BYTES 26

/* Writes TRACE_CONTEXT_WIRE_BYTES bytes. */
void trace_context_encode(uint8_t *out, const struct trace_context *context);

/* Reads a context from the first TRACE_CONTEXT_WIRE_BYTES of `count` bytes.  Flags of a later version are ignored.  A zero
 * trace id comes from a sender without a trace, and is not an error: the whole context becomes zero.
 * Returns 0; -EINVAL for fewer bytes or another version. */
int trace_context_decode(struct trace_context *ret_context, const uint8_t *bytes, size_t count);

/* The context as the value of a `traceparent` header (W3C Trace Context, level 1), for peers that speak HTTP or
 * another tracer:
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace id, span id, flags (only sampled; debug and app_initiated do not cross) */
#define TRACE_TRACEPARENT_BYTES 56 /* with its NUL */

/* Writes the text and a NUL.  Returns 0; -EINVAL, and writes nothing, for a context without a trace or without a span, which a
 * traceparent cannot express. */
int trace_context_to_traceparent(char out[TRACE_TRACEPARENT_BYTES], const struct trace_context *context);

/* Reads a traceparent of `length` bytes, without a NUL.  The context's span is the caller's: begin your own part with
 * trace_context_child.  Of a later version, the fields of version 00 are read.
 * Returns 0; -EINVAL if it is malformed: upper case, a zero id, version ff, anything after the fields of version 00, or in a
 * later version anything but a '-' after them. */
int trace_context_from_traceparent(struct trace_context *ret_context, const char *text, size_t length);

#ifdef __cplusplus
}
#endif

#endif
