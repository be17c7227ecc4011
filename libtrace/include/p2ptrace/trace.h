/* SPDX-License-Identifier: MIT
 *
 * p2ptrace for the program to be traced: open a log, report what happens, close the log.
 *
 *     #define TRACE_FULL                        // or -DTRACE_FULL; without any switch all of this compiles to nothing
 *     #include <p2ptrace/trace.h>
 *
 *     TRACE_ONLY(trace_log_open(&log, &(struct trace_log_options){.node_id = id, .node_name = "alice"});)
 *     TRACE_PACKET_SENT(log, &context, &peer, packet_num, size, TRACE_SPACE_1RTT);
 *     TRACE_ONLY(trace_log_close(log);)
 *
 * Switches, for the program that includes this header.  They belong to the program, not to the library: one library serves them
 * all.
 *
 *     TRACE          logs, events, contexts
 *     TRACE_APP      with TRACE: also the application registry and its macros
 *     TRACE_INDEX    with TRACE: also in-process queries that keep an index
 *     TRACE_FULL     all three
 *     TRACE_MINIMAL  512 KiB per lane instead of 8 MiB
 *     TRACE_SAMPLE=N a log that is opened without a `control` of its own starts by keeping one trace in N.  The trace's id
 *                    decides, so all nodes keep the same traces.  Events without a trace, and traces with the debug flag, are
 *                    always kept.  TRACE_SAMPLE without a value, 0 and 1 mean all traces.
 *
 * Without TRACE every macro below vanishes.  Its arguments are not evaluated, and the object code is that of a program without
 * the line, byte for byte, at every optimisation level (tests/zero; except debug information, which lists the headers).  Then
 *
 *   - the compiler does not even see log, context, peer, and whatever else exists only for tracing (a parent's span, an
 *     endpoint, an app_id, data and its size, a protocol).  They may name things that exist only inside TRACE_ONLY.  A variable
 *     or parameter that only trace lines use should be inside TRACE_ONLY, because it is unused when tracing is off.
 *   - the other arguments are the program's own values.  The compiler sees and discards them, so that a variable does not
 *     become unused because only a trace line used it.  They must be declared.
 *
 * Two things cost bytes when off, but only with gcc -O0, which reserves stack for everything it has seen: a compound literal
 * among the program's own values, and variables inside TRACE_IF.  One thing warns when off, in C++ with clang: a static
 * function or variable that only trace lines use.  All three belong in TRACE_ONLY.  So does a value that is computed only for
 * tracing, because the computation would stay.
 *
 * Rules:
 *   1. A log belongs to one node.  A process may have several logs.  A NULL log is allowed everywhere and emits nothing: a node
 *      whose log could not be opened runs on, untraced.
 *   2. Emitting takes no lock, makes no system call, allocates nothing, never waits, and preserves errno.  The one exception is a
 *      thread's first event to a log, which takes a lane and reserves its memory.
 *   3. Any thread and any signal handler may emit.  A log must not be closed while a thread emits to it.
 *   4. After fork() the child emits nothing until it opens a log of its own.  After _Fork() or a raw clone(), which run no fork
 *      handlers, it must not emit at all.
 *   5. The oldest events are overwritten.  traced counts and reports what it could not read in time. */
#ifndef P2PTRACE_TRACE_H
#define P2PTRACE_TRACE_H

#if defined(TRACE_FULL)
#ifndef TRACE
#define TRACE
#endif
#ifndef TRACE_APP
#define TRACE_APP
#endif
#ifndef TRACE_INDEX
#define TRACE_INDEX
#endif
#endif

/* Without TRACE the parts are off, too: a program may test #ifdef TRACE_APP. */
#ifndef TRACE
#undef TRACE_APP
#undef TRACE_INDEX
#endif

#include <p2ptrace/app.h>
#include <p2ptrace/app_protocol.h>
#include <p2ptrace/context.h>
#include <p2ptrace/event.h>
#include <p2ptrace/shm.h>

#if !defined(TRACE_SAMPLE) || TRACE_SAMPLE + 0 == 0
#define TRACE_CONTROL_AT_OPEN TRACE_CONTROL_ALL
#elif TRACE_SAMPLE + 0 < 0 || TRACE_SAMPLE + 0 > 0xffffffff
#error "TRACE_SAMPLE=N keeps one trace in N: 1 to 2^32 - 1"
#else
#define TRACE_CONTROL_AT_OPEN TRACE_CONTROL_ONE_IN(TRACE_SAMPLE)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------------
 * Blocks and members that exist only when tracing is compiled in
 *
 *     TRACE_ONLY(text)    the text itself, or nothing: members, declarations, statements
 *     TRACE_IF { ... }    a block that always compiles and is dead code when off
 *
 * A TRACE_IF block must not declare variables or contain compound literals: gcc -O0 reserves stack for them even in dead code,
 * and the object code would differ from that of a program without the block.  (No other way to write a dead block helps: gcc
 * fixes a function's variables before it finds out what is dead.)  A block with variables goes into TRACE_ONLY, braces, commas
 * and all.
 *
 * For a member, a parameter, an argument or an initialiser, put its punctuation inside TRACE_ONLY, too, so that none is left
 * behind.  A struct needs at least one member outside, because C has no empty struct; put a struct that exists only for tracing
 * inside as a whole.
 *
 *     struct request {
 *         uint64_t id;
 *         TRACE_ONLY(struct trace_context context; uint64_t began_ns;)
 *     };
 *     int request_send(struct request *request, int fd TRACE_ONLY(, struct trace_log *log));
 *     request_send(request, fd TRACE_ONLY(, log));
 *     struct request request = {.id = 7, TRACE_ONLY(.context = trace_context_new(TRACE_FLAG_SAMPLED), )};
 *
 * TRACE_APP_ONLY does the same for what only application events need: descriptions, their functions, their registration, a
 * variable for their data.
 * --------------------------------------------------------------------------------------------------------------------- */

#ifdef TRACE
#define TRACE_ONLY(...) __VA_ARGS__
#define TRACE_IF if (1)
#else
#define TRACE_ONLY(...)
#define TRACE_IF if (0)
#endif

#ifdef TRACE_APP
#define TRACE_APP_ONLY(...) __VA_ARGS__
#else
#define TRACE_APP_ONLY(...)
#endif

/* Makes the compiler see its arguments and discard them.  Never defined, never called.  In C++ the call must be unevaluated, or
 * a lambda would capture what it names.  In C a call that is folded away counts as a use, also of static functions. */
int trace__mention(int nothing, ...);
#ifdef __cplusplus
#define TRACE_MENTION_(...) ((void)sizeof(trace__mention(0, __VA_ARGS__)))
#else
#define TRACE_MENTION_(...) ((void)(0 && trace__mention(0, __VA_ARGS__)))
#endif

/* ------------------------------------------------------------------------------------------------------------------------
 * Log: one node's ring
 * --------------------------------------------------------------------------------------------------------------------- */

struct trace_log;

/* A node id identifies a node to everything that watches it.  Two programs with the same id look like one node that contradicts
 * itself: `inspector doctor` and `inspector nodes` warn about that.  If the node's protocol has ids of 32 bytes, use those;
 * otherwise use one of the next two functions. */

/* A random id, for a node that has a new identity each time it starts.  All zero, which trace_log_open refuses, if the kernel
 * gives no random bytes.  Any thread, safe in signal handlers. */
struct trace_node_id trace_node_id_random(void);

/* An id made from what names the node in its own protocol: a public key, or an id of another length.  The same bytes give the
 * same id on every machine, so it can name peers, too.  Two different inputs give the same id with a chance of one in 2^64.
 * This is not a cryptographic hash: it is possible to construct inputs that collide.  Any thread, safe in signal handlers. */
struct trace_node_id trace_node_id_from(const void *identity, size_t bytes);

/* The id of a peer of which only the address is known: for its events until its own id is known, and for TRACE_ALIAS.  The same
 * address has the same id everywhere, and is shown as an address.  address: "192.0.2.1:4001", "[2001:db8::1]:4001" (an IPv4
 * address written as IPv6 is the same as the IPv4 address), or any other text that names a place ("node.example:443", a
 * multiaddr), of which the id is trace_node_id_from.  All zero for an endpoint without an address and for an empty text.  Any
 * thread, safe in signal handlers. */
struct trace_node_id trace_node_id_of_endpoint(const struct trace_endpoint *endpoint);
struct trace_node_id trace_node_id_of_address(const char *address);

/* A message id made from the bytes by which both ends know a message: a hash, or a transaction id with whatever makes it
 * unique.  The same bytes give the same id everywhere; two different inputs give the same id with a chance of one in 2^64.  Any
 * thread, safe in signal handlers. */
uint64_t trace_message_id(const void *id, size_t bytes);

struct trace_log_options {
    struct trace_node_id node_id; /* not all zero */
    const char *node_name;        /* UTF-8, cut to 31 bytes; NULL for none */
    enum trace_policy policy;     /* 0: TRACE_OVERWRITE_OLDEST */
    uint64_t control;             /* initial control word, TRACE_CONTROL_KINDS(...); 0: all kinds, sampled by TRACE_SAMPLE */
};

#ifdef TRACE_MINIMAL
#define TRACE_LANE_EVENTS TRACE_LANE_EVENTS_MINIMAL
#else
#define TRACE_LANE_EVENTS TRACE_LANE_EVENTS_FULL
#endif

/* Like trace_log_open, but without the switches: control 0 means everything; lane_events is the number of events in a lane, a
 * power of two from 64 to TRACE_LANE_EVENTS_MAX. */
int trace__log_open(struct trace_log **ret_log, const struct trace_log_options *options, uint32_t lane_events);

/* Opens a log: creates the shared-memory object, reserves the calling thread's lane, and makes the log visible to traced.
 * The caller owns the log, until trace_log_close or the end of the process.
 * Returns 0; -EINVAL for a zero node_id or an unknown policy; -ENOSPC or -ENOMEM when /dev/shm has no room; otherwise the
 * negative errno of what failed.  On failure *ret_log is untouched.  Blocks, allocates; not for signal handlers. */
static inline int trace_log_open(struct trace_log **ret_log, const struct trace_log_options *options) {
    struct trace_log_options chosen = *options;
    if (chosen.control == 0) chosen.control = TRACE_CONTROL_AT_OPEN;
    return trace__log_open(ret_log, &chosen, TRACE_LANE_EVENTS);
}

/* Closes a log.  Its events stay readable until traced has drained it.  Without a traced the object stays for the next one, as
 * long as it is among the newest 32 whose nodes have ended.  NULL is fine.  No thread may be emitting to the log.  Blocks. */
void trace_log_close(struct trace_log *log);

/* The name of the log's shared-memory object, with its leading slash; "" for a NULL log.  Valid until the log is closed. */
const char *trace_log_name(const struct trace_log *log);

/* Registers an application protocol, so that its commands and fields are shown by name.  That includes earlier events, but not
 * those that a live stream has already delivered.  The description is copied (p2ptrace/app.h has its rules); it stays as long
 * as the ring, and cannot be changed.  Registering an equal description again does nothing.
 * Returns 0, also without a log and in a forked child, where nothing is registered; -E2BIG for more than TRACE_APP_COMMANDS_MAX
 * commands or TRACE_APP_FIELDS_MAX fields; -EINVAL for a description that breaks another rule of p2ptrace/app.h; -EEXIST for an
 * app_id that is already registered with a different description, which stays; -ENOSPC when TRACE_APPS_MAX are registered;
 * -ENOMEM when /dev/shm has no room for it (8 KiB).  Any thread; takes a lock, so not for signal handlers. */
int trace_log_register_app(struct trace_log *log, const struct trace_app *app);

/* ------------------------------------------------------------------------------------------------------------------------
 * Context: which request an event belongs to
 * --------------------------------------------------------------------------------------------------------------------- */

/* p2ptrace/context.h explains how contexts link the parts of a request, with an example.
 *
 * A message header carries TRACE_CONTEXT_BYTES bytes.  That is 0 when tracing is compiled out, so that it costs nothing.
 *
 *     uint8_t message[TRACE_CONTEXT_BYTES + HEADER_BYTES];                     // the sender
 *     TRACE_CONTEXT_ENCODE(message, &context);
 *     header_encode(message + TRACE_CONTEXT_BYTES, header);
 *
 *     if (TRACE_CONTEXT_DECODE(&caller, message, count) != 0) return -EPROTO;  // the receiver
 *     header_decode(&header, message + TRACE_CONTEXT_BYTES, count - TRACE_CONTEXT_BYTES);
 *
 * TRACE_CONTEXT_ENCODE(uint8_t *out, const struct trace_context *context)
 *     A statement: calls trace_context_encode, or does nothing.
 * TRACE_CONTEXT_DECODE(struct trace_context *ret_context, const uint8_t *bytes, size_t count)
 *     A value: the result of trace_context_decode, or 0. */
#ifdef TRACE
#define TRACE_CONTEXT_BYTES TRACE_CONTEXT_WIRE_BYTES
#define TRACE_CONTEXT_ENCODE(out, context) trace_context_encode(out, context)
#define TRACE_CONTEXT_DECODE(ret_context, bytes, count) trace_context_decode(ret_context, bytes, count)
#else
#define TRACE_CONTEXT_BYTES 0
#define TRACE_CONTEXT_ENCODE(out, context) TRACE_MENTION_(out)
#define TRACE_CONTEXT_DECODE(ret_context, bytes, count) (TRACE_MENTION_(bytes, count), 0)
#endif

/* ------------------------------------------------------------------------------------------------------------------------
 * Events
 *
 * Each macro takes the log (NULL: nothing happens), the context (NULL: no trace), the peer's node id (NULL: none), then the
 * fields of its kind as tbl/events.def lists them.  Arguments are evaluated only when the kind is enabled, and then once.
 *
 * Internally: TRACE_EMIT_((the program's own values), name, NAME, all arguments).
 * --------------------------------------------------------------------------------------------------------------------- */

#ifdef __cplusplus
}
#endif

#ifdef TRACE
#include <p2ptrace/emit.h>
#define TRACE_EMIT_(own, name, NAME, log, ...)                           \
    do {                                                                 \
        struct trace_log *trace_log_ = (log);                            \
        uint64_t trace_control_ = trace__control(trace_log_);            \
        if (trace_control_ & TRACE_CONTROL_KIND_BIT(TRACE_KIND_##NAME))  \
            trace__emit_##name(trace_log_, trace_control_, __VA_ARGS__); \
    } while (0)
#else
#define TRACE_EMIT_(own, ...) TRACE_MENTION_ own
#endif

/* endpoint: const struct trace_endpoint * */
#define TRACE_CONN_INIT(log, context, peer, endpoint, by_remote) \
    TRACE_EMIT_((by_remote), conn_init, CONN_INIT, log, context, peer, endpoint, by_remote)
#define TRACE_CONN_ESTABLISHED(log, context, peer, rtt_ns) \
    TRACE_EMIT_((rtt_ns), conn_established, CONN_ESTABLISHED, log, context, peer, rtt_ns)
/* reason: const char *, NULL for none, cut to 55 bytes */
#define TRACE_CONN_CLOSED(log, context, peer, code, by_remote, reason) \
    TRACE_EMIT_((code, by_remote, reason), conn_closed, CONN_CLOSED, log, context, peer, code, by_remote, reason)
#define TRACE_STREAM_OPENED(log, context, peer, stream_id) \
    TRACE_EMIT_((stream_id), stream_opened, STREAM_OPENED, log, context, peer, stream_id)
#define TRACE_STREAM_DATA(log, context, peer, stream_id, offset, length, fin, sent)                                              \
    TRACE_EMIT_((stream_id, offset, length, fin, sent), stream_data, STREAM_DATA, log, context, peer, stream_id, offset, length, \
                fin, sent)
#define TRACE_STREAM_CLOSED(log, context, peer, stream_id, code) \
    TRACE_EMIT_((stream_id, code), stream_closed, STREAM_CLOSED, log, context, peer, stream_id, code)
#define TRACE_PACKET_SENT(log, context, peer, packet_num, size, space) \
    TRACE_EMIT_((packet_num, size, space), packet_sent, PACKET_SENT, log, context, peer, packet_num, size, space)
/* The same packet again, with the same number: for transports that retransmit this way (QUIC never does). */
#define TRACE_PACKET_RESENT(log, context, peer, packet_num, size, space) \
    TRACE_EMIT_((packet_num, size, space), packet_resent, PACKET_SENT, log, context, peer, packet_num, size, space)
#define TRACE_PACKET_RECEIVED(log, context, peer, packet_num, size, space) \
    TRACE_EMIT_((packet_num, size, space), packet_received, PACKET_RECEIVED, log, context, peer, packet_num, size, space)
#define TRACE_PACKET_LOST(log, context, peer, packet_num, space) \
    TRACE_EMIT_((packet_num, space), packet_lost, PACKET_LOST, log, context, peer, packet_num, space)
#define TRACE_METRICS(log, context, peer, rtt_ns, min_rtt_ns, cwnd_bytes, in_flight_bytes)                                   \
    TRACE_EMIT_((rtt_ns, min_rtt_ns, cwnd_bytes, in_flight_bytes), metrics, METRICS, log, context, peer, rtt_ns, min_rtt_ns, \
                cwnd_bytes, in_flight_bytes)
/* A packet that probes the path's MTU, and that is lost because it was too large: not counted as a loss. */
#define TRACE_PROBE_SENT(log, context, peer, packet_num, size, space) \
    TRACE_EMIT_((packet_num, size, space), probe_sent, PACKET_SENT, log, context, peer, packet_num, size, space)
#define TRACE_PROBE_LOST(log, context, peer, packet_num, space) \
    TRACE_EMIT_((packet_num, space), probe_lost, PACKET_LOST, log, context, peer, packet_num, space)
/* endpoint: const struct trace_endpoint *, where the peer is from now on */
#define TRACE_CONN_MIGRATED(log, context, peer, endpoint, by_remote) \
    TRACE_EMIT_((by_remote), conn_migrated, CONN_MIGRATED, log, context, peer, endpoint, by_remote)
#define TRACE_CONN_RETRY(log, context, peer, endpoint) TRACE_EMIT_((0), conn_retry, CONN_RETRY, log, context, peer, endpoint)
#define TRACE_CONN_VERSION(log, context, peer, version) \
    TRACE_EMIT_((version), conn_version, CONN_VERSION, log, context, peer, version)
/* TRACE_CONN_CLOSED follows. */
#define TRACE_CONN_RESET(log, context, peer, endpoint) TRACE_EMIT_((0), conn_reset, CONN_RESET, log, context, peer, endpoint)
#define TRACE_EARLY_DATA(log, context, peer, accepted) \
    TRACE_EMIT_((accepted), early_data, EARLY_DATA, log, context, peer, accepted)
#define TRACE_KEY_UPDATED(log, context, peer, updates) \
    TRACE_EMIT_((updates), key_updated, KEY_UPDATED, log, context, peer, updates)
/* The program's own messages, over any transport: TRACE_TRANSPORT_UDP, ...  message_id: how both ends know the message,
 * different for each message from one node to another; trace_message_id makes one from more than 8 bytes.  type: const char *,
 * NULL for none, cut to 24 bytes.  Peer, transport and id match a message with its other end.  If ids are reused soon, also
 * give each message a context.  A program that traces packets need not trace messages, and vice versa. */
#define TRACE_MESSAGE_SENT(log, context, peer, message_id, size, transport, type)                                      \
    TRACE_EMIT_((message_id, size, transport, type), message_sent, MESSAGE_SENT, log, context, peer, message_id, size, \
                transport, type)
/* The same message again, to the same peer with the same id. */
#define TRACE_MESSAGE_RESENT(log, context, peer, message_id, size, transport, type)                                      \
    TRACE_EMIT_((message_id, size, transport, type), message_resent, MESSAGE_SENT, log, context, peer, message_id, size, \
                transport, type)
#define TRACE_MESSAGE_RECEIVED(log, context, peer, message_id, size, transport, type)                                          \
    TRACE_EMIT_((message_id, size, transport, type), message_received, MESSAGE_RECEIVED, log, context, peer, message_id, size, \
                transport, type)
/* A link, in OpenTelemetry's sense: the span context->span_id has to do with the span of `linked`, which is not its parent.  For
 * instance a batch with the requests that it serves, a retry with its first try, a message that is passed on later with the one
 * that brought it.  linked: const struct trace_context *, of this trace or another; NULL emits a link to nothing.  relation:
 * const char *, the program's word for how they belong together ("retry of"), NULL for none, cut to 24 bytes.  Emit it while the
 * span is open.  `inspector spread` follows links; exports have them as links. */
#define TRACE_LINK(log, context, peer, linked, relation) TRACE_EMIT_((relation), link, LINK, log, context, peer, linked, relation)
/* Who is who: several ids are one node, so that filters, summaries and pairs of events take them for one.  peer: the node id
 * that the other end is known by from now on; NULL: this node itself, which has the node_id of its log and this id
 * besides.  An alias counts for earlier events, too.  What a node says about a peer counts for its own events only; what it
 * says about itself counts for all nodes' events, unless another node says the same about itself.  Saying it again is cheap
 * and does nothing new; a program that runs long does it now and then, because the oldest events are overwritten.
 *
 *     TRACE_ALIAS       alias_id: const struct trace_node_id *, the other id: of another key, or the id that the node got late.
 *                       transport: TRACE_TRANSPORT_OTHER if it is not an address.  label: const char *, what kind of id it is
 *                       ("group key"), NULL for none, cut to 30 bytes
 *     TRACE_ADDRESS     transport: TRACE_TRANSPORT_UDP, ...; address_text: const char *, as trace_node_id_of_address takes it
 *     TRACE_ENDPOINT    address_endpoint: const struct trace_endpoint *
 *
 * A peer that is known by its address at first:
 *
 *     struct trace_node_id peer = trace_node_id_of_endpoint(&endpoint);
 *     TRACE_MESSAGE_SENT(log, NULL, &peer, ...);                               // to an unknown peer
 *     TRACE_ENDPOINT(log, NULL, &its_id, TRACE_TRANSPORT_UDP, &endpoint);      // now we know
 */
#define TRACE_ALIAS(log, context, peer, alias_id, transport, label) \
    TRACE_EMIT_((transport, label), alias, ALIAS, log, context, peer, alias_id, transport, label)
#define TRACE_ADDRESS(log, context, peer, transport, address_text) \
    TRACE_EMIT_((transport, address_text), address, ALIAS, log, context, peer, transport, address_text)
#define TRACE_ENDPOINT(log, context, peer, transport, address_endpoint) \
    TRACE_EMIT_((transport), endpoint, ALIAS, log, context, peer, transport, address_endpoint)
/* data: const void *, up to 44 bytes */
#define TRACE_CUSTOM(log, context, peer, category, code, data, data_bytes) \
    TRACE_EMIT_((category, code), custom, CUSTOM, log, context, peer, category, code, data, data_bytes)

/* With TRACE but without TRACE_APP the contexts exist, and must not become unused. */
#if !defined(TRACE) || defined(TRACE_APP)
#define TRACE_APP_EMIT_(...) TRACE_EMIT_(__VA_ARGS__)
#define TRACE_APP_EMIT_MESSAGE_(log, context, peer, protocol, cmd, message) \
    TRACE_EMIT_((cmd, message), app_message, APP_COMMAND, log, context, peer, protocol, cmd, message)
#else
#define TRACE_APP_EMIT_(own, name, NAME, log, context, peer, ...) (TRACE_MENTION_(log, context, peer), TRACE_MENTION_ own)
#define TRACE_APP_EMIT_MESSAGE_(log, context, peer, protocol, cmd, message) TRACE_MENTION_(log, context, peer, cmd, message)
#endif

/* app_id: 4 characters, "DMAP" or description.app_id.  data: const void *, up to 42 bytes. */
#define TRACE_APP_COMMAND(log, context, peer, app_id, cmd, data, data_bytes) \
    TRACE_APP_EMIT_((cmd), app_command, APP_COMMAND, log, context, peer, app_id, cmd, data, data_bytes)
/* An app_command event made from the application's own message.  protocol: const struct trace_app_protocol *; its to_trace_data
 * turns the message into the data bytes, and its should_trace may refuse it (p2ptrace/app_protocol.h).  message: const void *,
 * as these two functions expect it.  A message that is refused leaves nothing in the ring and is not counted as lost.
 *
 *     static size_t dmap_to_trace_data(uint8_t out[TRACE_APP_DATA_BYTES], uint16_t cmd, const void *message) {
 *         const struct dmap_request *request = message;
 *         struct dmap_data data = {.size = request->size};
 *         memcpy(data.hash, request->hash, sizeof data.hash);
 *         memcpy(out, &data, sizeof data);
 *         return sizeof data;
 *     }
 *     static bool dmap_should_trace(uint16_t cmd, const void *message) { return cmd != DMAP_KEEP_ALIVE; }
 *     static const struct trace_app_protocol dmap = {
 *         .description = ...,                                   // as in p2ptrace/app.h
 *         .to_trace_data = dmap_to_trace_data,
 *         .should_trace = dmap_should_trace,
 *     };
 *     trace_log_register_app(log, &dmap.description);
 *     TRACE_APP_MESSAGE(log, &context, &peer, &dmap, request.cmd, &request);
 */
#define TRACE_APP_MESSAGE(log, context, peer, protocol, cmd, message) \
    TRACE_APP_EMIT_MESSAGE_(log, context, peer, protocol, cmd, message)
/* Begins the span context->span_id.  parent_id: the span that caused it, here or on another node (0: a root). */
#define TRACE_APP_START(log, context, peer, parent_id, app_id, cmd) \
    TRACE_APP_EMIT_((cmd), app_start, APP_START, log, context, peer, parent_id, app_id, cmd)
/* Ends the span context->span_id. */
#define TRACE_APP_END(log, context, peer, app_id, cmd, ok) \
    TRACE_APP_EMIT_((cmd, ok), app_end, APP_END, log, context, peer, app_id, cmd, ok)
/* Ends the span without an answer, because it timed out.  Its outcome is neither ok nor failed, but expired. */
#define TRACE_APP_EXPIRED(log, context, peer, app_id, cmd) \
    TRACE_APP_EMIT_((cmd), app_expired, APP_END, log, context, peer, app_id, cmd)

#endif
