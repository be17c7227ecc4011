/* SPDX-License-Identifier: MIT
 *
 * p2ptrace for a program that speaks QUIC with ngtcp2: all QUIC events in a few lines.  Link with -lp2ptrace-ngtcp2 -lp2ptrace.
 *
 * The adapter sits between ngtcp2 and your callbacks.  Yours are called as before, with your own user_data; those that you
 * did not set are not called.  You report what it cannot see from there, one line each:
 *
 *     struct peer {
 *         ngtcp2_conn *conn;
 *         struct trace_node_id id; // once it is authenticated
 *         TRACE_ONLY(struct trace_ngtcp2 *trace;)
 *     };
 *
 *     static int peer_dial(struct peer *peer, const ngtcp2_cid *dcid, const ngtcp2_cid *scid, const ngtcp2_path *path,
 *                          const ngtcp2_callbacks *callbacks, const ngtcp2_settings *settings,
 *                          const ngtcp2_transport_params *params) {
 *         void *user_data = peer;
 *         // points the last three at its own
 *         TRACE_NGTCP2_CREATE(&peer->trace, node_log, TRACE_NGTCP2_QLOG, &callbacks, &settings, &user_data);
 *         TRACE_NGTCP2_METRICS_EVERY(peer->trace, 10000000); // at most one in 10 ms; without this line all of them
 *         return ngtcp2_conn_client_new(&peer->conn, dcid, scid, path, NGTCP2_PROTO_VER_V1, callbacks, settings, params, NULL,
 *                                       user_data); // or ngtcp2_conn_server_new
 *     }
 *
 *     static int on_handshake_completed(ngtcp2_conn *conn, void *user_data) {
 *         struct peer *peer = user_data;
 *         if (authenticate(conn, &peer->id) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
 *         TRACE_NGTCP2_PEER(peer->trace, &peer->id);
 *         return 0;
 *     }
 *
 *     static int64_t peer_request(struct peer *peer, const struct trace_context *context) {
 *         int64_t id = -1;
 *         (void)context;
 *         if (ngtcp2_conn_open_bidi_stream(peer->conn, &id, NULL) != 0) return -1;
 *         TRACE_NGTCP2_STREAM(peer->trace, id, context); // the other side says the same, when it has read whose request it is
 *         return id;
 *     }
 *
 *     static ngtcp2_ssize peer_write(struct peer *peer, int64_t id, const ngtcp2_vec *vec, uint8_t *packet, size_t bytes) {
 *         ngtcp2_ssize taken = -1, count;
 *         TRACE_NGTCP2_SCOPE(peer->trace); // needed for the sources TRACE_NGTCP2_CRYPTO and TRACE_NGTCP2_CRYPTO_LOST only
 *         count = ngtcp2_conn_writev_stream(peer->conn, NULL, NULL, packet, bytes, &taken, NGTCP2_WRITE_STREAM_FLAG_FIN, id, vec,
 *                                           1, now());
 *         // or TRACE_NGTCP2_STREAM_SENT, where you know what it took and whether the end of the stream was in it
 *         TRACE_NGTCP2_STREAM_WRITTEN(peer->trace, count, taken, NGTCP2_WRITE_STREAM_FLAG_FIN, id, vec, 1);
 *         return count;
 *     }
 *
 *     static void peer_read(struct peer *peer, const ngtcp2_path *path, const uint8_t *packet, size_t bytes) {
 *         int result;
 *         TRACE_NGTCP2_SCOPE(peer->trace);
 *         result = ngtcp2_conn_read_pkt(peer->conn, path, NULL, packet, bytes, now());
 *         if (result == NGTCP2_ERR_DRAINING) TRACE_NGTCP2_CLOSED(peer->trace, result, NULL);
 *     }
 *
 *     static void peer_forget(struct peer *peer) {
 *         ngtcp2_conn_del(peer->conn);
 *         TRACE_NGTCP2_DESTROY(peer->trace); // not before: ngtcp2_conn_del calls back
 *     }
 *
 * Without TRACE every macro here vanishes, arguments unevaluated, and the program does not reference the library.
 *
 * Which events you get
 *
 *     conn_init, conn_established, conn_closed, stream_opened, stream_data, stream_closed      always
 *     conn_migrated (validated paths), conn_retry, conn_version, conn_reset, key_updated      always, as ngtcp2 says it
 *     alias: the peer's address, when it is authenticated and when it moves                     always
 *     early_data                                                  rejected: always; accepted: from all sources but NONE
 *     packet_sent, packet_received, metrics                                                    from all sources but NONE
 *     packet_lost                                                                              from QLOG and CRYPTO_LOST
 *
 * A packet that is larger than what the path is known to carry probes its MTU, and has the flag `probe`; so has its loss.
 * ngtcp2 reports a key update late: when the peer has confirmed it, and the next keys are made.  After a stateless reset the
 * adapter emits conn_reset and conn_closed itself, because ngtcp2 returns the same NGTCP2_ERR_DRAINING as after a goodbye.
 *
 * Which trace an event belongs to
 *
 *     A connection is one trace on both its nodes.  Its id is the original destination connection id, which both know, cut to
 *     16 bytes or padded with zeros.  A qlog calls the same bytes group_id; only that of a 1.x server has another after a Retry.
 *     A stream's events are in the trace that TRACE_NGTCP2_STREAM names, and so are the packets that carry its bytes, even lost
 *     ones.  A packet with bytes of several streams belongs to the first of them.
 *     The first events of a stream that the peer opened are emitted when its first bytes arrive: as soon as your recv_stream_data
 *     callback calls TRACE_NGTCP2_STREAM, and so before any event of your own; otherwise when that callback returns.
 *
 * Where packet events come from: the source, chosen for each connection
 *
 *     TRACE_NGTCP2_QLOG    ngtcp2 writes its own record of each packet, and the adapter reads it.  Needs nothing else.
 *     TRACE_NGTCP2_CRYPTO  the adapter wraps the encrypt and decrypt callbacks and reads the packet's header there, at a
 *                          fraction of the cost, and independently of what ngtcp2 records.  Needs TRACE_NGTCP2_SCOPE wherever
 *                          ngtcp2 reads or writes packets.  A duplicate of a received packet counts again, because ngtcp2
 *                          detects it only later.  There are no losses, because a lost packet is not encrypted again.
 *     TRACE_NGTCP2_CRYPTO_LOST  the same, plus losses from the qlog, which ngtcp2 has to write for this.
 *
 * bench/bench_adapter.c measures what each costs.
 *
 * Only the thread that uses the connection may use its trace.
 *
 * For ngtcp2 0.12 or 1.x, according to the headers that this one finds.  Build the adapter with the same headers.  The tests run
 * with the version that the build finds.  The adapter was compiled with the headers of 1.0 to 1.25; the tests of connections were
 * run with 1.0, 1.12 and 1.25 on GnuTLS, and those of the example with 1.0 and 1.25. */
#ifndef P2PTRACE_NGTCP2_H
#define P2PTRACE_NGTCP2_H

#include <ngtcp2/ngtcp2.h>
#include <p2ptrace/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

enum trace_ngtcp2_source {
    TRACE_NGTCP2_NONE, /* no packets: connections and streams only */
    TRACE_NGTCP2_QLOG,
    TRACE_NGTCP2_CRYPTO,
    TRACE_NGTCP2_CRYPTO_LOST,
};

/* Why we close a connection: the type that ngtcp2_conn_write_connection_close takes. */
#if NGTCP2_VERSION_NUM >= 0x010000
typedef ngtcp2_ccerr trace_ngtcp2_error;
#else
typedef ngtcp2_connection_close_error trace_ngtcp2_error;
#endif

/* The tracing of one connection.  NULL is fine everywhere and does nothing. */
struct trace_ngtcp2;

/* Creates the tracing of a connection, and points *callbacks, *settings and *user_data at its own: pass those to
 * ngtcp2_conn_client_new or ngtcp2_conn_server_new.  What they pointed at is copied and not changed; its functions are called
 * with your user_data.  Complete your callbacks and settings before this call, and start from them again for the next
 * connection.  With a NULL log *ret_trace becomes NULL, and the three are not changed.  The same holds on failure: the
 * connection runs untraced.
 * Returns 0; -EINVAL for an unknown source; -ENOMEM; for the CRYPTO sources -EBUSY when another connection of the process
 * protects its packets with other functions (those callbacks do not say which connection they are called for).  Allocates 17
 * KiB. */
int trace_ngtcp2_create(struct trace_ngtcp2 **ret_trace, struct trace_log *log, enum trace_ngtcp2_source source,
                        const ngtcp2_callbacks **callbacks, const ngtcp2_settings **settings, void **user_data);

/* Ends the tracing.  Call it after ngtcp2_conn_del.  If no end of the connection was reported, it ends here. */
void trace_ngtcp2_destroy(struct trace_ngtcp2 *trace);

/* Sets the peer, as soon as it is authenticated.  All later events carry it; conn_established, too, if you call this from your
 * handshake_completed callback.  Earlier events carry the peer's address as an id; the adapter emits an alias, so that they
 * are shown as the peer's, too. */
void trace_ngtcp2_peer(struct trace_ngtcp2 *trace, const struct trace_node_id *peer);

/* Sets the request that a stream belongs to.  Call it when you have opened the stream, or, for a stream of the peer, when you
 * know the request.  context is copied; NULL means the connection's own trace.  Emits stream_opened, once.  Allocates when
 * there are many streams. */
void trace_ngtcp2_stream(struct trace_ngtcp2 *trace, int64_t stream_id, const struct trace_context *context);

/* Reports how many bytes of a stream ngtcp2_conn_writev_stream took: its *pdatalen, also with NGTCP2_ERR_WRITE_MORE; negative:
 * none.
 * fin: NGTCP2_WRITE_STREAM_FLAG_FIN was set, and all bytes were taken. */
void trace_ngtcp2_stream_sent(struct trace_ngtcp2 *trace, int64_t stream_id, ngtcp2_ssize taken, int fin);

/* The same, from the arguments and results of ngtcp2_conn_writev_stream: its result, *pdatalen, flags, stream, vectors.  They
 * also say whether the end of the stream was sent.  After an error other than NGTCP2_ERR_WRITE_MORE nothing was sent. */
void trace_ngtcp2_stream_written(struct trace_ngtcp2 *trace, ngtcp2_ssize result, ngtcp2_ssize taken, uint32_t flags,
                                 int64_t stream_id, const ngtcp2_vec *datav, size_t datavcnt);

/* Limits how often metrics are emitted: at most once per interval, in nanoseconds.  0, the default: after each received packet
 * that changed them.  Only for sources that see packets. */
void trace_ngtcp2_metrics_every(struct trace_ngtcp2 *trace, uint64_t interval_ns);

/* Reports that the connection is over: we close it with `error`; or, if error is NULL, ngtcp2_conn_read_pkt or
 * ngtcp2_conn_handle_expiry returned `result`.  For NGTCP2_ERR_DRAINING the adapter gets the peer's code and reason from
 * ngtcp2.  The connection's streams are closed with it.  Only the first call counts. */
void trace_ngtcp2_closed(struct trace_ngtcp2 *trace, int result, const trace_ngtcp2_error *error);

/* The context of the connection's own trace, for your own events; NULL before its first packet, and for a NULL trace. */
const struct trace_context *trace_ngtcp2_context(const struct trace_ngtcp2 *trace);

/* Internal to TRACE_NGTCP2_SCOPE. */
struct trace_ngtcp2 *trace_ngtcp2__enter(struct trace_ngtcp2 *trace);
void trace_ngtcp2__leave(struct trace_ngtcp2 *const *before);

#ifdef __cplusplus
}
#endif

#ifdef TRACE
#define TRACE_NGTCP2_CREATE(ret_trace, log, source, callbacks, settings, user_data) \
    ((void)trace_ngtcp2_create(ret_trace, log, source, callbacks, settings, user_data))
#define TRACE_NGTCP2_DESTROY(trace) trace_ngtcp2_destroy(trace)
#define TRACE_NGTCP2_PEER(trace, peer) trace_ngtcp2_peer(trace, peer)
#define TRACE_NGTCP2_STREAM(trace, stream_id, context) trace_ngtcp2_stream(trace, stream_id, context)
#define TRACE_NGTCP2_STREAM_SENT(trace, stream_id, taken, fin) trace_ngtcp2_stream_sent(trace, stream_id, taken, fin)
#define TRACE_NGTCP2_STREAM_WRITTEN(trace, result, taken, flags, stream_id, datav, datavcnt) \
    trace_ngtcp2_stream_written(trace, result, taken, flags, stream_id, datav, datavcnt)
#define TRACE_NGTCP2_METRICS_EVERY(trace, interval_ns) trace_ngtcp2_metrics_every(trace, interval_ns)
#define TRACE_NGTCP2_CLOSED(trace, result, error) trace_ngtcp2_closed(trace, result, error)
/* From here to the end of the block this thread reads and writes packets of that connection: ngtcp2_conn_read_pkt,
 * ngtcp2_conn_writev_stream and the like, ngtcp2_conn_write_connection_close.  Scopes nest.  A connection may be destroyed
 * within its own scope, but not inside a nested scope of another connection. */
#define TRACE_NGTCP2_SCOPE(trace) TRACE_NGTCP2_SCOPE_(trace, __LINE__)
#define TRACE_NGTCP2_SCOPE_(trace, line) TRACE_NGTCP2_SCOPE_AT_(trace, line)
#define TRACE_NGTCP2_SCOPE_AT_(trace, line)                                                                       \
    struct trace_ngtcp2 *const trace_ngtcp2_before_##line __attribute__((cleanup(trace_ngtcp2__leave), unused)) = \
        trace_ngtcp2__enter(trace)
#else
#define TRACE_NGTCP2_CREATE(...) ((void)0)
#define TRACE_NGTCP2_DESTROY(...) ((void)0)
#define TRACE_NGTCP2_PEER(...) ((void)0)
#define TRACE_NGTCP2_STREAM(trace, stream_id, context) TRACE_MENTION_(stream_id)
#define TRACE_NGTCP2_STREAM_SENT(trace, stream_id, taken, fin) TRACE_MENTION_(stream_id, taken, fin)
#define TRACE_NGTCP2_STREAM_WRITTEN(trace, result, taken, flags, stream_id, datav, datavcnt) \
    TRACE_MENTION_(result, taken, flags, stream_id, datav, datavcnt)
#define TRACE_NGTCP2_METRICS_EVERY(...) ((void)0)
#define TRACE_NGTCP2_CLOSED(trace, result, error) TRACE_MENTION_(result, error)
#define TRACE_NGTCP2_SCOPE(...) ((void)0)
#endif

#endif
