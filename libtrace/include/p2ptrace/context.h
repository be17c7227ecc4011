/* SPDX-License-Identifier: MIT
 *
 * The context of a trace: which request an event belongs to, and how that crosses the wire.
 *
 * A trace is one request, on all nodes that have a part in it.  Each part is a span: it begins with an app_start event, which names
 * its parent, and ends with an app_end.  The context says where we are; a message carries it to the next node.  alice asks bob, who has
 * to ask carol:
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
 * What happens to a request between start and end, packets and streams too, is emitted with the span's context.  The answer needs
 * none: who asked knows what for.  A node that only passes bytes on, with no part of its own, sends on the context that it got.
 *
 * The flags are set where a trace begins and go with it, to every node:
 *
 *     TRACE_FLAG_SAMPLED         whoever began the trace records it.  Told, not obeyed: each node decides by the trace's id (p2ptrace/shm.h,
 *                                control), all of them alike, so that a caller who records nothing himself does not keep us from it
 *     TRACE_FLAG_DEBUG           asked for by hand: its events are never sampled away.  A kind that is switched off stays off
 *     TRACE_FLAG_APP_INITIATED   the application began it, and not the transport alone; shown, nothing else
 *
 * Everything here is wait-free, allocates nothing, keeps errno, and may be called by any thread and by signal handlers; but a thread's
 * first id asks the kernel for a seed, and so does the first after a fork. */
#ifndef P2PTRACE_CONTEXT_H
#define P2PTRACE_CONTEXT_H

#include <p2ptrace/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where we are in a trace: the trace, the span of this node's part of it, and the flags its events carry. */
struct trace_context {
    struct trace_id trace_id;
    uint64_t span_id; /* 0: outside of any span, as a connection's own events are */
    uint8_t flags;    /* of TRACE_CONTEXT_FLAGS */
};

#define TRACE_CONTEXT_FLAGS (TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED)

/* A new trace with a random id and a random span.  Other flags than TRACE_CONTEXT_FLAGS are left out. */
struct trace_context trace_context_new(uint8_t flags);

/* A new span in the same trace, with the same flags. */
struct trace_context trace_context_child(const struct trace_context *parent);

/* A context for a protocol whose messages have no room for one: its trace is made of bytes that both ends know (a transaction's id with both
 * addresses, a connection's id), so that each end comes to the same trace by itself.  The span is random, for neither end knows the other's:
 * the two parts are one trace, but no parent leads from one to the other.  Whatever else has the same bytes is in the same trace: take
 * care that they do not come again.  Hashes them, but hides nothing from one who can guess them.  The same for the same bytes on every
 * machine.  Any thread. */
struct trace_context trace_context_shared(const void *known, size_t bytes, uint8_t flags);

/* The context on the wire, for a message header: version (0), trace id, span id (big-endian), flags. */
#define TRACE_CONTEXT_WIRE_BYTES 26

/* Writes TRACE_CONTEXT_WIRE_BYTES bytes. */
void trace_context_encode(uint8_t *out, const struct trace_context *context);

/* Reads them back, from the first TRACE_CONTEXT_WIRE_BYTES of `count` bytes.  Flags of a later version are left out.  A zero trace id
 * is a sender that has no trace, whose message is as good as any: all of the context becomes zero.
 * Returns 0; -EINVAL when there are fewer bytes, and for another version. */
int trace_context_decode(struct trace_context *ret_context, const uint8_t *bytes, size_t count);

/* The context as the value of a `traceparent` header (W3C Trace Context, level 1), for peers that speak HTTP or
 * another tracer:
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace id, span id, flags; of the flags only sampled: debug and app_initiated do not cross */
#define TRACE_TRACEPARENT_BYTES 56 /* with its NUL */

/* Writes the text and a NUL.  Returns 0; -EINVAL, and writes nothing, for a context without a trace or without a span, which the
 * header cannot say. */
int trace_context_to_traceparent(char out[TRACE_TRACEPARENT_BYTES], const struct trace_context *context);

/* Reads a traceparent of `length` bytes, without a NUL.  The context's span is the caller's: begin the own part with trace_context_child.
 * A later version is read as far as version 00 goes.
 * Returns 0; -EINVAL for what is none: upper case, a zero id, version ff, anything behind version 00's fields, in a later version
 * anything but a '-' behind them. */
int trace_context_from_traceparent(struct trace_context *ret_context, const char *text, size_t length);

#ifdef __cplusplus
}
#endif

#endif
