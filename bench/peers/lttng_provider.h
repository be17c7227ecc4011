/* SPDX-License-Identifier: MIT
 *
 * The tracepoint: the fields of our event (p2ptrace/event.h), except the timestamp, which each LTTng event has, and
 * the sequence, which its packets make unnecessary.  One array where we have one: a field costs LTTng a function
 * call.
 *
 * lttng/tracepoint-event.h includes this several times. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER p2ptrace_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_provider.h"

#if !defined(BENCH_PEERS_LTTNG_PROVIDER_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BENCH_PEERS_LTTNG_PROVIDER_H

#include <lttng/tracepoint.h>
#include <p2ptrace/event.h>

/* clang-format off: it takes the lists for expressions */
LTTNG_UST_TRACEPOINT_EVENT(
    p2ptrace_bench, event,
    LTTNG_UST_TP_ARGS(const struct trace_id *, trace_id, const struct trace_node_id *, peer_id, uint16_t, kind, uint8_t, flags,
                      const union trace_event_data *, data),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_array(uint8_t, trace_id, trace_id->bytes, TRACE_ID_BYTES)
                            lttng_ust_field_array(uint8_t, peer_id, peer_id->bytes, TRACE_NODE_ID_BYTES)
                                lttng_ust_field_integer(uint16_t, kind, kind) lttng_ust_field_integer(uint8_t, flags, flags)
                                    lttng_ust_field_array(uint8_t, data, data->bytes, TRACE_EVENT_DATA_BYTES)))
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>
