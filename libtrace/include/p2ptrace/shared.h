/* SPDX-License-Identifier: MIT
 *
 * The shared library, libp2ptrace-shared.so: p2ptrace for other languages, and for whoever wants to change the library without building
 * the program again.  C and C++ programs usually take the macros of p2ptrace/trace.h and the static library, which cost less.
 *
 *     struct trace_log *log = NULL;
 *     struct trace_log_options options = {.node_id = trace_node_id_random(), .node_name = "alice"};
 *     trace_shared_log_open(&log, &options, sizeof options, 0);
 *     struct trace_packet_sent packet = {.packet_num = 7, .size = 1200, .space = TRACE_SPACE_1RTT};
 *     trace_emit_packet_sent(log, &context, &peer, &packet, TRACE_DATA_BYTES(packet_sent));
 *     trace_log_close(log);
 *
 * There is a function for each kind of tbl/events.def, but for events_lost, which only traced writes.
 *
 * What stays: a function that a release had keeps its name, its version (P2PTRACE_1.0), its parameters and their meaning.  A struct that
 * is handed over with its size may gain members at its end: a program that was built before gives the size that it knows, and the new
 * members are 0.  The other structs stay as they are.  tests/abi has a program of each version, which runs with the library of today.
 *
 * trace_log_close, trace_log_name, trace_node_id_random, trace_node_id_from and the functions of p2ptrace/context.h are in the shared
 * library too.  The macros of p2ptrace/trace.h are not for it: they know how a log looks inside.  No program should link both libraries,
 * though two copies in one process do no harm. */
#ifndef P2PTRACE_SHARED_H
#define P2PTRACE_SHARED_H

#include <p2ptrace/query.h>
#include <p2ptrace/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- logs ------------------------------------------------------------------------------------------------------------------ */

/* As trace_log_open.  options_bytes: sizeof *options.  lane_events: how many events each lane keeps, a power of two from 64 to
 * TRACE_LANE_EVENTS_MAX; 0: TRACE_LANE_EVENTS_FULL.  Returns 0; -EINVAL also for options that are too short to have a node_id. */
int trace_shared_log_open(struct trace_log **ret_log, const struct trace_log_options *options, size_t options_bytes,
                          uint32_t lane_events);

/* As trace_log_register_app, of an application in parts: app_id has 4 characters; name is cut to fit. */
int trace_shared_register_app(struct trace_log *log, const char *app_id, const char *name,
                              const struct trace_app_command_name *commands, size_t command_count,
                              const struct trace_app_field *fields, size_t field_count);

/* Would an event of this kind be written now?  For a program to which an event's fields are dear.  Any thread, safe in signal handlers. */
int trace_shared_wants(const struct trace_log *log, uint16_t kind);

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* The kinds that a node writes; the probe is 1 for those that it does not. */
#define TRACE__BY_TRACED_EVENTS_LOST ~, 1
#define TRACE__SECOND(first, second, ...) second
#define TRACE__PROBE(...) TRACE__SECOND(__VA_ARGS__, 0, ~)
#define TRACE__CAT(a, b) TRACE__CAT_(a, b)
#define TRACE__CAT_(a, b) a##b
/* TRACE__SHARED_KIND_0(name, NAME, fields), which whoever uses this defines, for each kind that a node writes; else nothing. */
#define TRACE__SHARED_KIND(name, NAME, fields) \
    TRACE__CAT(TRACE__SHARED_KIND_, TRACE__PROBE(TRACE__BY_TRACED_##NAME, 0))(name, NAME, fields)
#define TRACE__SHARED_KIND_1(name, NAME, fields)

/* How many bytes of struct trace_NAME are its members: what an event's data_bytes is.  sizeof would count the bytes behind the last one,
 * in which a later version may have another member. */
#define TRACE_DATA_BYTES(name) sizeof(struct trace__packed_##name)
#define TRACE_FIELD(type, name, length, unit, doc) TRACE_MEMBER_##type(name, length)
#define TRACE_KIND(id, name, NAME, doc, fields) \
    struct trace__packed_##name {               \
        fields                                  \
    } __attribute__((packed));
#include "tbl/events.def"

/* void trace_emit_NAME(log, context, peer, data, data_bytes): emits an event.  log, context and peer may be NULL, as for the macros.
 * context->flags may have flags of this event alone, besides those that its trace carries (tbl/flags.def).
 * data_bytes: TRACE_DATA_BYTES(NAME).  Wait-free but for a thread's first event to a log; any thread, safe in signal handlers. */
#define TRACE__SHARED_KIND_0(name, NAME, fields)                                                                         \
    void trace_emit_##name(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer, \
                           const struct trace_##name *data, size_t data_bytes);
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) TRACE__SHARED_KIND(name, NAME, fields)
#include "tbl/events.def"
#undef TRACE__SHARED_KIND_0

/* Emits events that the caller collected, for languages to which each call is dear.  Of each event count timestamp, trace_id, kind, flags,
 * peer_id (with TRACE_FLAG_HAS_PEER) and data; sequence is not read.  timestamp: when it happened, by trace_shared_ticks; 0: now.  Kinds
 * that are switched off and traces that are not sampled are left out now, not when they were collected.  A kind that this library does not
 * know is passed on.  Context as trace_emit_NAME. */
void trace_shared_emit_events(struct trace_log *log, const struct trace_event *events, size_t count);

/* Now, on the clock of the logs of this machine: see enum trace_clock_source.  A caller that has the same clock may read it itself. */
uint64_t trace_shared_ticks(void);
enum trace_clock_source trace_shared_clock_source(void);

/* ---- questions to the own log ------------------------------------------------------------------------------------------------ */

/* As trace_query_open, with its mode: enum trace_query_mode.  trace_query_json, trace_query_close and the dumps of p2ptrace/query.h are
 * here, too. */
int trace_shared_query_open(struct trace_query **ret_query, struct trace_log *log, uint32_t mode);

#ifdef __cplusplus
}
#endif

#endif
