/* SPDX-License-Identifier: MIT
 *
 * The context of a trace: which request an event belongs to, and how that crosses the wire. */
#ifndef P2PTRACE_CONTEXT_H
#define P2PTRACE_CONTEXT_H

#include <p2ptrace/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where we are in a trace: the trace, the span of this node's part of it, and the flags its events carry. */
struct trace_context {
    struct trace_id trace_id;
    uint64_t span_id;
    uint8_t flags; /* TRACE_FLAG_SAMPLED, TRACE_FLAG_DEBUG, TRACE_FLAG_APP_INITIATED */
};

/* A new trace with a random id and a random span.  Wait-free but for the first call of a thread, which asks the kernel for a
 * seed. */
struct trace_context trace_context_new(uint8_t flags);

/* A new span in the same trace. */
struct trace_context trace_context_child(const struct trace_context *parent);

/* The context on the wire, for a message header: version (0), trace id, span id (big-endian), flags. */
#define TRACE_CONTEXT_WIRE_BYTES 26

/* Writes TRACE_CONTEXT_WIRE_BYTES bytes. */
void trace_context_encode(uint8_t *out, const struct trace_context *context);

/* Reads them back.  Returns 0; -EINVAL when there are fewer bytes, for another version, and for a zero trace id. */
int trace_context_decode(struct trace_context *ret_context, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
