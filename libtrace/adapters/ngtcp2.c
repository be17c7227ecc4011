/* SPDX-License-Identifier: MIT
 *
 * A connection's tracing, from create to destroy: see p2ptrace/ngtcp2.h.
 *
 *   ngtcp2.c            create, destroy, settings
 *   ngtcp2_callbacks.c  between ngtcp2 and the user: every callback that carries user_data
 *   ngtcp2_crypto.c     the encrypt and decrypt callbacks, which carry none
 *   ngtcp2_events.c     what happened to the connection, its streams and packets, as events
 *   ngtcp2_qlog.c, ngtcp2_packet.c, ngtcp2_streams.c   pure: reading a record, reading a packet, the table of streams */
#include "ngtcp2_callbacks.h"
#include "ngtcp2_crypto.h"
#include "ngtcp2_events.h"

#include <errno.h>
#include <stdlib.h>

int trace_ngtcp2_create(struct trace_ngtcp2 **ret_trace, struct trace_log *log, enum trace_ngtcp2_source source,
                        const ngtcp2_callbacks **callbacks, const ngtcp2_settings **settings, void **user_data) {
    *ret_trace = NULL;
    if ((unsigned)source > TRACE_NGTCP2_CRYPTO_LOST) return -EINVAL;
    if (!log) return 0;
    struct trace_ngtcp2 *trace = calloc(1, sizeof *trace);
    if (!trace) return -ENOMEM;
    trace->log = log;
    trace->source = source;
    trace->context.flags = TRACE_FLAG_SAMPLED;
    trace->callbacks = trace->user = **callbacks;
    trace->settings = **settings;
    trace->user_data = *user_data;
    trace_ngtcp2__take_callbacks(trace);
    if (source == TRACE_NGTCP2_CRYPTO || source == TRACE_NGTCP2_CRYPTO_LOST) {
        int rv = trace_ngtcp2__take_crypto(&trace->callbacks);
        if (rv != 0) {
            free(trace);
            return rv;
        }
    }
    *callbacks = &trace->callbacks;
    *settings = &trace->settings;
    *user_data = trace;
    *ret_trace = trace;
    return 0;
}

void trace_ngtcp2_destroy(struct trace_ngtcp2 *trace) {
    if (!trace) return;
    trace_ngtcp2__forget(trace);
    trace_ngtcp2__release(trace);
    trace_ngtcp2__end(trace, 0, false, "deleted");
    trace_ngtcp2__streams_fini(&trace->streams);
    free(trace);
}

void trace_ngtcp2_peer(struct trace_ngtcp2 *trace, const struct trace_node_id *peer) {
    if (!trace) return;
    trace->peer = *peer;
    trace->has_peer = true;
    trace_ngtcp2__who(trace);
}

const struct trace_context *trace_ngtcp2_context(const struct trace_ngtcp2 *trace) {
    return trace && trace->conn ? &trace->context : NULL;
}

void trace_ngtcp2_metrics_every(struct trace_ngtcp2 *trace, uint64_t interval_ns) {
    if (trace) trace->metrics_every_ns = interval_ns;
}
