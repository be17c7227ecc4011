/* SPDX-License-Identifier: MIT
 *
 * The shared library, libp2ptrace-shared.so: p2ptrace for other languages, and for programs whose library should be replaceable
 * without rebuilding them.  C and C++ programs usually use the macros of p2ptrace/trace.h and the static library, which cost
 * less.
 *
 *     struct trace_log *log = NULL;
 *     struct trace_log_options options = {.node_id = trace_node_id_random(), .node_name = "alice"};
 *     trace_shared_log_open(&log, &options, sizeof options, 0);
 *     struct trace_packet_sent packet = {.packet_num = 7, .size = 1200, .space = TRACE_SPACE_1RTT};
 *     trace_emit_packet_sent(log, &context, &peer, &packet, TRACE_DATA_BYTES(packet_sent));
 *     trace_log_close(log);
 *
 * There is a function for each kind of tbl/events.def except events_lost, which only traced writes.
 *
 * The ABI is stable: once released, a function keeps its name, its version (P2PTRACE_1.0), its parameters and their meaning.  A
 * struct that is passed with its size may gain members at its end: an older program passes the size that it knows, and the new
 * members are 0.  The other structs do not change.  tests/abi has a program of each version, which runs with the current
 * library.
 *
 * trace_log_close, trace_log_name, trace_node_id_random, trace_node_id_from, the functions for addresses, and the functions
 * of p2ptrace/context.h are in the shared library, too.  Do not use the macros of p2ptrace/trace.h with it: they know the
 * inside of a log.  A program should not link both libraries, though two copies in one process do no harm. */
#ifndef P2PTRACE_SHARED_H
#define P2PTRACE_SHARED_H

#include <p2ptrace/query.h>
#include <p2ptrace/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- logs ------------------------------------------------------------------------------------------------------------------ */

/* Like trace_log_open.  options_bytes: sizeof *options.  lane_events: the number of events that each lane keeps, a power of two
 * from 64 to TRACE_LANE_EVENTS_MAX; 0: TRACE_LANE_EVENTS_FULL.  Also returns -EINVAL for options that are too short to contain
 * a node_id. */
int trace_shared_log_open(struct trace_log **ret_log, const struct trace_log_options *options, size_t options_bytes,
                          uint32_t lane_events);

/* Like trace_log_register_app, with the description in parts.  app_id: 4 characters.  name: cut to fit. */
int trace_shared_register_app(struct trace_log *log, const char *app_id, const char *name,
                              const struct trace_app_command_name *commands, size_t command_count,
                              const struct trace_app_field *fields, size_t field_count);

/* Is this kind of event enabled now?  For programs whose events have fields that are expensive to compute.  Any thread, safe in
 * signal handlers. */
int trace_shared_wants(const struct trace_log *log, uint16_t kind);

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* Selects the kinds that a node writes: the probe is 1 for those that it does not. */
#define TRACE__BY_TRACED_EVENTS_LOST ~, 1
#define TRACE__SECOND(first, second, ...) second
#define TRACE__PROBE(...) TRACE__SECOND(__VA_ARGS__, 0, ~)
#define TRACE__CAT(a, b) TRACE__CAT_(a, b)
#define TRACE__CAT_(a, b) a##b
/* TRACE__SHARED_KIND_0(name, NAME, fields), which the user of this macro defines, for each kind that a node writes; otherwise
 * nothing. */
#define TRACE__SHARED_KIND(name, NAME, fields) \
    TRACE__CAT(TRACE__SHARED_KIND_, TRACE__PROBE(TRACE__BY_TRACED_##NAME, 0))(name, NAME, fields)
#define TRACE__SHARED_KIND_1(name, NAME, fields)

/* The number of bytes of struct trace_NAME that its members take: the value for data_bytes.  sizeof would include the padding
 * at the end, where a later version may have another member. */
#define TRACE_DATA_BYTES(name) sizeof(struct trace__packed_##name)
#define TRACE_FIELD(type, name, length, unit, doc) TRACE_MEMBER_##type(name, length)
#define TRACE_KIND(id, name, NAME, doc, fields) \
    struct trace__packed_##name {               \
        fields                                  \
    } __attribute__((packed));
#include "tbl/events.def"

/* void trace_emit_NAME(log, context, peer, data, data_bytes): emits an event.  log, context and peer may be NULL, as for the
 * macros.  context->flags may contain flags of this event only, in addition to those of its trace (tbl/flags.def).
 * data_bytes: TRACE_DATA_BYTES(NAME).  Wait-free except for a thread's first event to a log; any thread, safe in signal
 * handlers. */
#define TRACE__SHARED_KIND_0(name, NAME, fields)                                                                         \
    void trace_emit_##name(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer, \
                           const struct trace_##name *data, size_t data_bytes);
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) TRACE__SHARED_KIND(name, NAME, fields)
#include "tbl/events.def"
#undef TRACE__SHARED_KIND_0

/* What the macros of these names emit: trace_emit_packet_sent and trace_emit_message_sent of what was sent before, to the same
 * peer with the same number or id; and the end of a span that timed out, whatever data->ok says. */
void trace_emit_packet_resent(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
                              const struct trace_packet_sent *data, size_t data_bytes);
void trace_emit_message_resent(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
                               const struct trace_message_sent *data, size_t data_bytes);
void trace_emit_app_expired(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer,
                            const struct trace_app_end *data, size_t data_bytes);

/* Emits events that the caller collected, for languages in which each call is expensive.  Uses timestamp, trace_id, kind,
 * flags, peer_id (with TRACE_FLAG_HAS_PEER) and data of each event; sequence is ignored.  timestamp: when it happened, by
 * trace_shared_ticks; 0: now.  Kinds that are disabled and traces that are not sampled are dropped now, not when they were
 * collected.  Kinds that this library does not know are passed on.  Context as for trace_emit_NAME. */
void trace_shared_emit_events(struct trace_log *log, const struct trace_event *events, size_t count);

/* The current time, in ticks of this machine's logs, and the clock that they come from (enum trace_clock_source).  A caller
 * with access to the same clock may read it directly. */
uint64_t trace_shared_ticks(void);
enum trace_clock_source trace_shared_clock_source(void);

/* ---- questions to the own log -------------------------------------------------------------------------------------------- */

/* Like trace_query_open.  mode: enum trace_query_mode.  trace_query_json, trace_query_close and the dump functions of
 * p2ptrace/query.h are in the shared library, too. */
int trace_shared_query_open(struct trace_query **ret_query, struct trace_log *log, uint32_t mode);

#ifdef __cplusplus
}
#endif

#endif
