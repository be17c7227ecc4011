/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: trace contexts from the wire (p2ptrace/context.h), binary and as traceparent.  A context that was read is
 * written and read again unchanged. */
#include "fuzz.h"

#include <p2ptrace/context.h>
#include <stdbool.h>

static bool same(const struct trace_context *a, const struct trace_context *b) {
    return !memcmp(&a->trace_id, &b->trace_id, sizeof a->trace_id) && a->span_id == b->span_id && a->flags == b->flags;
}

static bool has_trace(const struct trace_context *context) {
    return memcmp(&context->trace_id, &(struct trace_id){{0}}, sizeof context->trace_id) != 0;
}

static void read_wire(const uint8_t *data, size_t bytes) {
    uint8_t wire[TRACE_CONTEXT_WIRE_BYTES];
    struct trace_context context, again;
    int result = trace_context_decode(&context, data, bytes);
    REQUIRE(result == 0 || bytes < sizeof wire || data[0] != 0);
    if (result) return;
    REQUIRE((context.flags & ~TRACE_CONTEXT_FLAGS) == 0);
    REQUIRE(has_trace(&context) || (context.span_id == 0 && context.flags == 0));
    trace_context_encode(wire, &context);
    REQUIRE(trace_context_decode(&again, wire, sizeof wire) == 0 && same(&context, &again));
}

static void read_traceparent(const char *text, size_t bytes) {
    char out[TRACE_TRACEPARENT_BYTES];
    struct trace_context context, again;
    if (trace_context_from_traceparent(&context, text, bytes)) return;
    REQUIRE(has_trace(&context) && context.span_id != 0);
    REQUIRE(trace_context_to_traceparent(out, &context) == 0);
    REQUIRE(strlen(out) == sizeof out - 1 && !memcmp(out + 2, text + 2, 51)); /* everything except the version and the flags */
    REQUIRE(trace_context_from_traceparent(&again, out, sizeof out - 1) == 0 && same(&context, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    read_wire(data, bytes);
    read_traceparent((const char *)data, bytes);
    return 0;
}
