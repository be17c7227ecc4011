/* SPDX-License-Identifier: MIT
 *
 * See ngtcp2_events.h.
 *
 * Invariants
 *   - trace->conn is set by the connection's first packet, and not used once the user has deleted the connection.
 *   - stream_opened is emitted once for each stream, before any other event about it; conn_closed once, after the stream_closed
 *     of every stream that was still open.
 *   - No failure reaches the program: without memory for a stream, the stream has no events. */
#include "ngtcp2_events.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

static const struct trace_node_id *peer_of(const struct trace_ngtcp2 *trace) {
    return trace->has_peer || trace->has_address ? &trace->peer : NULL;
}

static const struct trace_context *context_of(const struct trace_ngtcp2 *trace, const struct trace_ngtcp2_stream *stream) {
    return stream && stream->has_context ? &stream->context : &trace->context;
}

/* ---- the connection ---------------------------------------------------------------------------------------------------- */

static struct trace_endpoint endpoint_of(const ngtcp2_addr *address) {
    struct trace_endpoint endpoint = {.family = 0};
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (address->addrlen >= sizeof in && address->addr->sa_family == AF_INET) {
        memcpy(&in, address->addr, sizeof in);
        endpoint.family = 4;
        endpoint.port = ntohs(in.sin_port);
        memcpy(endpoint.address, &in.sin_addr, 4);
    } else if (address->addrlen >= sizeof in6 && address->addr->sa_family == AF_INET6) {
        memcpy(&in6, address->addr, sizeof in6);
        endpoint.family = 6;
        endpoint.port = ntohs(in6.sin6_port);
        memcpy(endpoint.address, &in6.sin6_addr, 16);
    }
    return endpoint;
}

static struct trace_ngtcp2_path path_of(const ngtcp2_path *path) {
    return (struct trace_ngtcp2_path){endpoint_of(&path->local), endpoint_of(&path->remote)};
}

static bool is_same(const struct trace_ngtcp2_path *a, const struct trace_ngtcp2_path *b) { return memcmp(a, b, sizeof *a) == 0; }

static void use_path(struct trace_ngtcp2 *trace, struct trace_ngtcp2_path path) {
    trace->path = path;
    for (unsigned i = 0; i < trace->kept_count && i < PATHS_KEPT; i++)
        if (is_same(&path, &trace->kept[i])) return;
    trace->kept[trace->kept_count++ % PATHS_KEPT] = path;
}

/* Reports the address only once the peer has been authenticated: until then anybody could be there. */
void trace_ngtcp2__who(struct trace_ngtcp2 *trace) {
    if (trace->conn && trace->has_peer && trace->has_address)
        TRACE_ENDPOINT(trace->log, &trace->context, &trace->peer, TRACE_TRANSPORT_QUIC, &trace->path.remote);
}

/* After a Retry the client's packets go to another id; the server knows the original one from its transport parameters. */
void trace_ngtcp2__begin(struct trace_ngtcp2 *trace, ngtcp2_conn *conn) {
    bool is_server = ngtcp2_conn_is_server(conn) != 0;
    const ngtcp2_cid *original =
        is_server ? &ngtcp2_conn_get_local_transport_params(conn)->original_dcid : ngtcp2_conn_get_client_initial_dcid(conn);

    if (trace->conn) return;
    trace->conn = conn;
    use_path(trace, path_of(ngtcp2_conn_get_path(conn)));
    memcpy(trace->context.trace_id.bytes, original->data,
           original->datalen < TRACE_ID_BYTES ? original->datalen : TRACE_ID_BYTES);
    trace->has_address = trace->path.remote.family != 0;
    if (!trace->has_peer) trace->peer = trace_node_id_of_endpoint(&trace->path.remote);
    TRACE_CONN_INIT(trace->log, &trace->context, peer_of(trace), &trace->path.remote, is_server);
    trace_ngtcp2__who(trace);
    if (is_server && ngtcp2_conn_get_local_transport_params(conn)->retry_scid_present) trace_ngtcp2__retried(trace);
}

void trace_ngtcp2__retried(struct trace_ngtcp2 *trace) {
    if (trace->conn) TRACE_CONN_RETRY(trace->log, &trace->context, peer_of(trace), &trace->path.remote);
}

void trace_ngtcp2__version(struct trace_ngtcp2 *trace, uint32_t version) {
    if (trace->conn) TRACE_CONN_VERSION(trace->log, &trace->context, peer_of(trace), version);
}

/* ngtcp2 only returns NGTCP2_ERR_DRAINING, as after a close, so we report the end here. */
void trace_ngtcp2__reset(struct trace_ngtcp2 *trace) {
    if (!trace->conn || trace->is_closed) return;
    TRACE_CONN_RESET(trace->log, &trace->context, peer_of(trace), &trace->path.remote);
    trace_ngtcp2__end(trace, 0, true, "stateless reset");
}

/* ngtcp2 validates some paths twice: once more with packets of full size. */
static void go_over(struct trace_ngtcp2 *trace, struct trace_ngtcp2_path path) {
    bool moved = memcmp(&path.remote, &trace->path.remote, sizeof path.remote) != 0;

    if (!trace->conn || is_same(&path, &trace->path)) return;
    use_path(trace, path);
    TRACE_CONN_MIGRATED(trace->log, &trace->context, peer_of(trace), &trace->path.remote, moved);
    if (moved) trace_ngtcp2__who(trace);
}

void trace_ngtcp2__path(struct trace_ngtcp2 *trace, const ngtcp2_path *path) { go_over(trace, path_of(path)); }

/* ngtcp2 1.12 and later silently reuses a path that it validated some time ago.  A path that is new here may still be
 * validated; it is reported then. */
void trace_ngtcp2__see_path(struct trace_ngtcp2 *trace) {
    struct trace_ngtcp2_path path;

    if (!trace->is_established || trace->is_closed) return;
    path = path_of(ngtcp2_conn_get_path(trace->conn));
    if (is_same(&path, &trace->path)) return;
    for (unsigned i = 0; i < trace->kept_count && i < PATHS_KEPT; i++)
        if (is_same(&path, &trace->kept[i])) {
            go_over(trace, path);
            return;
        }
}

void trace_ngtcp2__keys_made(struct trace_ngtcp2 *trace) {
    if (trace->keys_made++ != 0 && trace->conn)
        TRACE_KEY_UPDATED(trace->log, &trace->context, peer_of(trace), trace->keys_made - 1);
}

void trace_ngtcp2__early_data_rejected(struct trace_ngtcp2 *trace) {
    if (!trace->conn || trace->early_rejected) return;
    trace->early_rejected = true;
    TRACE_EARLY_DATA(trace->log, &trace->context, peer_of(trace), 0);
}

void trace_ngtcp2__established(struct trace_ngtcp2 *trace) {
    trace_ngtcp2_stat stat;

    if (!trace->conn) return;
    NGTCP2_GET_STAT(trace->conn, &stat);
    trace->is_established = true;
    TRACE_CONN_ESTABLISHED(trace->log, &trace->context, peer_of(trace), stat.latest_rtt);
    if (trace->early && !trace->early_rejected) TRACE_EARLY_DATA(trace->log, &trace->context, peer_of(trace), 1);
}

static void close_stream(struct trace_ngtcp2 *trace, struct trace_ngtcp2_stream *stream, uint64_t code);

void trace_ngtcp2__end(struct trace_ngtcp2 *trace, uint64_t code, bool by_remote, const char *reason) {
    if (trace->is_closed || !trace->conn) return;
    trace->is_closed = true;
    for (size_t i = 0; i < trace->streams.slot_count; i++)
        if (trace->streams.slots[i].used) close_stream(trace, &trace->streams.slots[i], code);
    TRACE_CONN_CLOSED(trace->log, &trace->context, peer_of(trace), code, by_remote, reason);
}

void trace_ngtcp2_closed(struct trace_ngtcp2 *trace, int result, const trace_ngtcp2_error *error) {
    trace_ngtcp2_error theirs;
    char reason[56]; /* an event has room for 55 bytes */
    bool by_remote = !error && result == NGTCP2_ERR_DRAINING;
    size_t count;

    if (!trace || !trace->conn) return;
    if (!error && !by_remote) {
        trace_ngtcp2__end(trace, 0, false, ngtcp2_strerror(result));
        return;
    }
    if (by_remote) error = trace_ngtcp2__close_of(trace->conn, &theirs);
    count = error->reasonlen < sizeof reason - 1 ? error->reasonlen : sizeof reason - 1;
    if (count != 0) memcpy(reason, error->reason, count);
    reason[count] = 0;
    trace_ngtcp2__end(trace, error->error_code, by_remote, reason);
}

/* ---- streams ----------------------------------------------------------------------------------------------------------- */

/* Do we know which request a stream belongs to?  A stream that was opened here belongs to the request that the user set, or to
 * none. */
static bool has_known_request(const struct trace_ngtcp2 *trace, int64_t stream_id) {
    const struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_find(&trace->streams, stream_id);
    return (stream && stream->is_assigned) || ngtcp2_conn_is_local_stream(trace->conn, stream_id);
}

static void announce_stream(struct trace_ngtcp2 *trace, struct trace_ngtcp2_stream *stream) {
    if (stream->announced) return;
    stream->announced = true;
    TRACE_STREAM_OPENED(trace->log, context_of(trace, stream), peer_of(trace), (uint64_t)stream->id);
}

void trace_ngtcp2__stream_opened(struct trace_ngtcp2 *trace, int64_t stream_id) {
    trace_ngtcp2__stream_add(&trace->streams, stream_id);
}

void trace_ngtcp2_stream(struct trace_ngtcp2 *trace, int64_t stream_id, const struct trace_context *context) {
    struct trace_ngtcp2_stream *stream = trace ? trace_ngtcp2__stream_add(&trace->streams, stream_id) : NULL;
    if (!stream) return;
    stream->is_assigned = true;
    stream->has_context = context != NULL;
    if (context) stream->context = *context;
    announce_stream(trace, stream);
    if (trace->pending.stream_id == stream_id) trace_ngtcp2__flush(trace);
}

void trace_ngtcp2_stream_sent(struct trace_ngtcp2 *trace, int64_t stream_id, ngtcp2_ssize taken, int fin) {
    if (!trace || taken < 0) return;
    struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_add(&trace->streams, stream_id);
    if (!stream) return;
    announce_stream(trace, stream);
    TRACE_STREAM_DATA(trace->log, context_of(trace, stream), peer_of(trace), (uint64_t)stream_id, stream->sent, (uint32_t)taken,
                      fin, 1);
    stream->sent += (uint64_t)taken;
}

void trace_ngtcp2_stream_written(struct trace_ngtcp2 *trace, ngtcp2_ssize result, ngtcp2_ssize taken, uint32_t flags,
                                 int64_t stream_id, const ngtcp2_vec *datav, size_t datavcnt) {
    uint64_t offered = 0;

    if (!trace || stream_id < 0 || (result < 0 && result != NGTCP2_ERR_WRITE_MORE)) return;
    for (size_t i = 0; i < datavcnt; i++) offered += datav[i].len;
    trace_ngtcp2_stream_sent(trace, stream_id, taken,
                             (flags & NGTCP2_WRITE_STREAM_FLAG_FIN) != 0 && taken >= 0 && (uint64_t)taken == offered);
}

void trace_ngtcp2__stream_received(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_pending *bytes) {
    trace_ngtcp2__see_path(trace);
    trace->pending = *bytes;
    if (has_known_request(trace, bytes->stream_id)) trace_ngtcp2__flush(trace);
}

void trace_ngtcp2__flush(struct trace_ngtcp2 *trace) {
    struct trace_ngtcp2_pending bytes = trace->pending;
    if (!bytes.is_set) return;
    trace->pending.is_set = false;
    struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_add(&trace->streams, bytes.stream_id);
    if (!stream) return;
    announce_stream(trace, stream);
    TRACE_STREAM_DATA(trace->log, context_of(trace, stream), peer_of(trace), (uint64_t)bytes.stream_id, bytes.offset, bytes.bytes,
                      bytes.fin, 0);
    if (trace->has_held && trace->held.stream_id == bytes.stream_id) trace_ngtcp2__release(trace);
}

static void close_stream(struct trace_ngtcp2 *trace, struct trace_ngtcp2_stream *stream, uint64_t code) {
    if (stream->closed != 0) return;
    announce_stream(trace, stream);
    trace_ngtcp2__stream_close(&trace->streams, stream);
    TRACE_STREAM_CLOSED(trace->log, context_of(trace, stream), peer_of(trace), (uint64_t)stream->id, code);
}

void trace_ngtcp2__stream_closed(struct trace_ngtcp2 *trace, int64_t stream_id, uint64_t code) {
    struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_add(&trace->streams, stream_id);
    if (stream) close_stream(trace, stream, code);
}

/* ---- packets ----------------------------------------------------------------------------------------------------------- */

#define PACKET_KINDS                                                                                       \
    (TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_SENT) | TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_RECEIVED) | \
     TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_LOST) | TRACE_CONTROL_KIND_BIT(TRACE_KIND_METRICS))

/* Whether early data was sent is seen only in packets, before the handshake completes. */
bool trace_ngtcp2__wants_packets(const struct trace_ngtcp2 *trace) {
    uint64_t kinds = PACKET_KINDS | (trace->is_established ? 0 : TRACE_CONTROL_KIND_BIT(TRACE_KIND_EARLY_DATA));
    return (trace__control(trace->log) & kinds) != 0;
}

static uint64_t coarse_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Emits metrics if they changed, but not more often than the user set.  A clock with steps of 4 ms is good enough and costs a
 * quarter. */
static void emit_metrics(struct trace_ngtcp2 *trace) {
    uint64_t now = trace->metrics_every_ns != 0 ? coarse_ns() : 0;
    trace_ngtcp2_stat stat;

    if (!trace->is_established || (trace->metrics_ns != 0 && now - trace->metrics_ns < trace->metrics_every_ns)) return;
    trace->metrics_ns = now;
    NGTCP2_GET_STAT(trace->conn, &stat);
    if (stat.latest_rtt == trace->rtt && stat.cwnd == trace->cwnd && stat.bytes_in_flight == trace->in_flight) return;
    trace->rtt = stat.latest_rtt;
    trace->cwnd = stat.cwnd;
    trace->in_flight = stat.bytes_in_flight;
    TRACE_METRICS(trace->log, &trace->context, peer_of(trace), stat.latest_rtt, stat.min_rtt, stat.cwnd, stat.bytes_in_flight);
}

/* ngtcp2 sends nothing larger than the path is known to carry, except to find out whether it carries more. */
static bool is_probe(const struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet) {
    return trace->is_established && packet->bytes > ngtcp2_conn_get_path_max_tx_udp_payload_size(trace->conn);
}

/* The stream of a packet, or -1.  Remembers that of a packet that is sent, to find it when the packet is lost. */
static int64_t packet_stream(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet) {
    struct trace_ngtcp2_sent *sent = &trace->sent[packet->number % PACKETS_KEPT];

    if (packet->space != TRACE_SPACE_1RTT) return -1;
    if (packet->what == TRACE_NGTCP2_LOST) return sent->number_next == packet->number + 1 ? sent->stream_id : -1;
    if (packet->what == TRACE_NGTCP2_SENT)
        *sent = (struct trace_ngtcp2_sent){packet->number + 1, packet->stream_id, is_probe(trace, packet)};
    return packet->stream_id;
}

/* Was it sent as a probe?  After packet_stream. */
static bool was_probe(const struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet) {
    const struct trace_ngtcp2_sent *sent = &trace->sent[packet->number % PACKETS_KEPT];
    return packet->space == TRACE_SPACE_1RTT && sent->probe && sent->number_next == packet->number + 1;
}

/* Whether the server takes early data is known at the end of the handshake; the server may receive the first of it later. */
static void note_early(struct trace_ngtcp2 *trace) {
    if (trace->early) return;
    trace->early = true;
    if (trace->is_established) TRACE_EARLY_DATA(trace->log, &trace->context, peer_of(trace), 1);
}

/* Uses ngtcp2 only for sent packets: for others the connection may already be deleted. */
static void emit_packet(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet) {
    int64_t stream_id = packet_stream(trace, packet);
    const struct trace_ngtcp2_stream *stream = stream_id >= 0 ? trace_ngtcp2__stream_find(&trace->streams, stream_id) : NULL;
    const struct trace_context *context = context_of(trace, stream);
    const struct trace_node_id *peer = peer_of(trace);

    if (packet->what == TRACE_NGTCP2_SENT) trace_ngtcp2__see_path(trace);
    if (packet->early) note_early(trace);
    if (packet->what != TRACE_NGTCP2_RECEIVED && was_probe(trace, packet)) {
        if (packet->what == TRACE_NGTCP2_SENT)
            TRACE_PROBE_SENT(trace->log, context, peer, packet->number, packet->bytes, packet->space);
        else
            TRACE_PROBE_LOST(trace->log, context, peer, packet->number, packet->space);
        return;
    }
    switch (packet->what) {
    case TRACE_NGTCP2_SENT: TRACE_PACKET_SENT(trace->log, context, peer, packet->number, packet->bytes, packet->space); break;
    case TRACE_NGTCP2_RECEIVED:
        TRACE_PACKET_RECEIVED(trace->log, context, peer, packet->number, packet->bytes, packet->space);
        break;
    case TRACE_NGTCP2_LOST: TRACE_PACKET_LOST(trace->log, context, peer, packet->number, packet->space); break;
    }
}

void trace_ngtcp2__release(struct trace_ngtcp2 *trace) {
    if (!trace->has_held) return;
    trace->has_held = false;
    emit_packet(trace, &trace->held);
}

/* ngtcp2 detects a loss while it reads the ACK frame of a received packet; a packet that is held stays held, because its STREAM
 * frame comes after that. */
void trace_ngtcp2__packet(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet) {
    if (packet->what != TRACE_NGTCP2_LOST) trace_ngtcp2__release(trace);
    emit_packet(trace, packet);
    if (packet->what == TRACE_NGTCP2_RECEIVED) emit_metrics(trace);
}

void trace_ngtcp2__hold(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet) {
    trace_ngtcp2__release(trace);
    trace->held = *packet;
    trace->has_held = true;
    if (packet->stream_id < 0 || has_known_request(trace, packet->stream_id)) trace_ngtcp2__release(trace);
    emit_metrics(trace);
}
