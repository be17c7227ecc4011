/* SPDX-License-Identifier: MIT
 *
 * From ngtcp2's packets to events.  With tracing off this file is empty.
 *
 * Two rules decide in which trace a packet's event is:
 *   - A packet that carries bytes of a stream belongs to the stream's request; so does its loss.
 *   - Any other packet belongs to the connection's own trace.  Its id is the hash of the destination connection id of the very
 * first packet, which both ends know: a connection is one trace across its two nodes. */
#include "quic_internal.h"

#ifdef TRACE

#include "qlog_tap.h"
#include <arpa/inet.h>
#include <string.h>

#define METRICS_EVERY_NS (10 * NS_PER_MS)

static struct trace_endpoint trace_endpoint_of(const union quic_address *address) {
    struct trace_endpoint endpoint = {0};
    if (address->any.sa_family == AF_INET) {
        endpoint.family = 4;
        endpoint.port = ntohs(address->in.sin_port);
        memcpy(endpoint.address, &address->in.sin_addr, 4);
    } else {
        endpoint.family = 6;
        endpoint.port = ntohs(address->in6.sin6_port);
        memcpy(endpoint.address, &address->in6.sin6_addr, 16);
    }
    return endpoint;
}

void conn_trace_begin(struct quic_conn *conn, const ngtcp2_cid *original_cid, bool by_remote) {
    struct trace_endpoint remote = trace_endpoint_of(&conn->remote);
    uint8_t hash[32];

    identity_hash(hash, original_cid->data, original_cid->datalen);
    memcpy(conn->trace.context.trace_id.bytes, hash, TRACE_ID_BYTES);
    conn->trace.context.flags = TRACE_FLAG_SAMPLED;
    TRACE_CONN_INIT(conn->endpoint->config.log, &conn->trace.context, NULL, &remote, by_remote);
}

const struct trace_context *stream_trace_context(const struct quic_stream *stream) {
    return stream->has_context ? &stream->context : &stream->conn->trace.context;
}

/* The request whose bytes a packet carries; NULL when it carries none, or of a stream that is long over. */
static const struct trace_context *request_of(const struct quic_conn *conn, int64_t stream_id) {
    const struct quic_stream *lists[] = {conn->streams, conn->buried};
    for (unsigned i = 0; stream_id >= 0 && i < 2; i++)
        for (const struct quic_stream *stream = lists[i]; stream != NULL; stream = stream->next)
            if (stream->id == stream_id) return stream->has_context ? &stream->context : NULL;
    return NULL;
}

static const struct trace_context *request_of_lost(const struct quic_conn *conn, const struct qlog_packet *packet) {
    const struct quic_sent *sent = &conn->trace.sent[packet->number % PACKETS_KEPT];
    return packet->space == TRACE_SPACE_1RTT && sent->number_next == packet->number + 1 ? &sent->context : NULL;
}

void conn_trace_record(struct quic_conn *conn, const char *record, size_t count) {
    struct trace_log *log = conn->endpoint->config.log;
    const struct trace_node_id *peer = quic_conn_peer(conn);
    const struct trace_context *context;
    struct qlog_packet packet;

    if (log == NULL || !qlog_packet_parse(&packet, record, count)) return;
    context = packet.what == QLOG_PACKET_LOST ? request_of_lost(conn, &packet) : request_of(conn, packet.stream_id);
    if (packet.what == QLOG_PACKET_SENT && context != NULL)
        conn->trace.sent[packet.number % PACKETS_KEPT] = (struct quic_sent){packet.number + 1, *context};
    if (context == NULL) context = &conn->trace.context;

    switch (packet.what) {
    case QLOG_PACKET_SENT: TRACE_PACKET_SENT(log, context, peer, packet.number, packet.bytes, packet.space); break;
    case QLOG_PACKET_RECEIVED: TRACE_PACKET_RECEIVED(log, context, peer, packet.number, packet.bytes, packet.space); break;
    case QLOG_PACKET_LOST: TRACE_PACKET_LOST(log, context, peer, packet.number, packet.space); break;
    }
}

void conn_trace_metrics(struct quic_conn *conn) {
    struct quic_trace *trace = &conn->trace;
    uint64_t now = monotonic_ns();
    ngtcp2_conn_stat stat;

    if (conn->endpoint->config.log == NULL || conn->state != QUIC_ESTABLISHED) return;
    if (now - trace->metrics_ns < METRICS_EVERY_NS) return;
    ngtcp2_conn_get_conn_stat(conn->ngtcp2, &stat);
    if (stat.latest_rtt == trace->rtt && stat.cwnd == trace->cwnd && stat.bytes_in_flight == trace->in_flight) return;
    trace->metrics_ns = now;
    trace->rtt = stat.latest_rtt;
    trace->cwnd = stat.cwnd;
    trace->in_flight = stat.bytes_in_flight;
    TRACE_METRICS(conn->endpoint->config.log, &trace->context, &conn->peer_id, stat.latest_rtt, stat.min_rtt, stat.cwnd,
                  stat.bytes_in_flight);
}

#else
typedef int quic_trace_is_off; /* a translation unit is not empty */
#endif
