/* SPDX-License-Identifier: MIT
 *
 * The loop of emit_load.h with an LTTng tracepoint in it.  A module, because LTTng's library looks for the session daemon when
 * it is loaded, and it has to find the benchmark's (lttng.c). */
#include "lttng_events.h"

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_provider.h"

static void events(void *target, struct emit_payload *payload, unsigned count) {
    (void)target;
    for (unsigned i = 0; i < count; i++) {
        const struct trace_context *context;
        union trace_event_data data = {.bytes = {0}};

        payload->number++;
        context = emit_payload_context(payload);
        data.packet_sent.packet_num = payload->number;
        data.packet_sent.size = emit_payload_size(payload);
        data.packet_sent.space = TRACE_SPACE_1RTT;
        lttng_ust_tracepoint(p2ptrace_bench, event, &context->trace_id, emit_payload_peer(payload), TRACE_KIND_PACKET_SENT,
                             context->flags | TRACE_FLAG_HAS_PEER, &data);
    }
}

static bool enabled(void) { return lttng_ust_tracepoint_enabled(p2ptrace_bench, event); }

const struct lttng_events lttng_events = {.loop = events, .enabled = enabled};
