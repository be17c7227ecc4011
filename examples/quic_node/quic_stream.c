/* SPDX-License-Identifier: MIT
 *
 * Streams, each with one message each way, and the loop that writes packets.
 *
 * A message stays in one buffer from quic_stream_send until the stream ends: ngtcp2 sends, and retransmits what was lost,
 * straight from it. */
#include "quic_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *quic_stream_data(const struct quic_stream *stream) { return stream->app_data; }
void quic_stream_set_data(struct quic_stream *stream, void *app_data) { stream->app_data = app_data; }
struct quic_conn *quic_stream_conn(const struct quic_stream *stream) {
    return stream->conn;
}
TRACE_ONLY(const struct trace_context *quic_stream_context(const struct quic_stream *stream) { return &stream->context; })

struct quic_stream *stream_create(struct quic_conn *conn, int64_t id, void *app_data) {
    struct quic_stream *stream = calloc(1, sizeof *stream);
    if (!stream) return NULL;
    stream->conn = conn;
    stream->id = id;
    stream->app_data = app_data;
    stream->next = conn->streams;
    conn->streams = stream;
    return stream;
}

struct quic_stream *quic_stream_open(struct quic_conn *conn, void *app_data TRACE_ONLY(, const struct trace_context *context)) {
    struct quic_stream *stream;
    int64_t id;

    if (conn->state != QUIC_ESTABLISHED) return NULL;
    if (ngtcp2_conn_open_bidi_stream(conn->ngtcp2, &id, NULL) != 0) return NULL;
    if ((stream = stream_create(conn, id, app_data)) == NULL) {
        ngtcp2_conn_shutdown_stream(conn->ngtcp2, 0, id, NGTCP2_INTERNAL_ERROR);
        return NULL;
    }
    ngtcp2_conn_set_stream_user_data(conn->ngtcp2, id, stream);
    TRACE_ONLY(stream->context = *context; stream->has_context = true;)
    TRACE_NGTCP2_STREAM(conn->trace, id, context);
    return stream;
}

int quic_stream_send(struct quic_stream *stream, const uint8_t *bytes, size_t count) {
    size_t before = 0;

    if (stream->out_ready) return -EALREADY;
    if (ngtcp2_conn_is_local_stream(stream->conn->ngtcp2, stream->id)) before = TRACE_CONTEXT_BYTES;
    if (before + count != 0 && (stream->out = malloc(before + count)) == NULL) return -ENOMEM;
    if (before != 0) TRACE_CONTEXT_ENCODE(stream->out, &stream->context);
    if (count != 0) memcpy(stream->out + before, bytes, count);
    stream->out_bytes = before + count;
    stream->out_ready = true;
    stream->conn->dirty = true;
    return 0;
}

void quic_stream_reset(struct quic_stream *stream, uint64_t code) {
    ngtcp2_conn_shutdown_stream(stream->conn->ngtcp2, 0, stream->id, code);
    stream->out_finished = true;
    stream->conn->dirty = true;
}

#ifdef TRACE
/* Reads the opener's trace context from the front of its bytes.  Returns the number of bytes read, or -EPROTO. */
static int take_preamble(struct quic_stream *stream, const uint8_t *bytes, size_t count, bool fin) {
    size_t take = TRACE_CONTEXT_BYTES - stream->preamble_bytes;

    if (stream->has_context) return 0;
    if (take > count) take = count;
    if (take != 0) memcpy(stream->preamble + stream->preamble_bytes, bytes, take);
    stream->preamble_bytes = (uint8_t)(stream->preamble_bytes + take);
    if (stream->preamble_bytes < TRACE_CONTEXT_BYTES) return fin ? -EPROTO : (int)take;
    if (trace_context_decode(&stream->context, stream->preamble, TRACE_CONTEXT_BYTES) != 0) return -EPROTO;
    stream->has_context = true;
    trace_ngtcp2_stream(stream->conn->trace, stream->id, &stream->context);
    return (int)take;
}
#endif

int stream_received(struct quic_stream *stream, const uint8_t *bytes, size_t count, bool fin) {
    const struct quic_app *app = &stream->conn->endpoint->config.app;
    int taken = 0;

    TRACE_ONLY(taken = take_preamble(stream, bytes, count, fin);)
    if (taken < 0) return taken;
    if (count > (size_t)taken || fin) app->stream_data(app->arg, stream, bytes + taken, count - (size_t)taken, fin);
    return 0;
}

void stream_bury(struct quic_stream *stream) {
    const struct quic_app *app = &stream->conn->endpoint->config.app;
    struct quic_stream **link = &stream->conn->streams;

    while (*link != stream) link = &(*link)->next;
    *link = stream->next;
    stream->next = stream->conn->buried;
    stream->conn->buried = stream;
    app->stream_closed(app->arg, stream);
}

void streams_free_buried(struct quic_conn *conn) {
    while (conn->buried) {
        struct quic_stream *stream = conn->buried;
        conn->buried = stream->next;
        free(stream->out);
        free(stream);
    }
}

static struct quic_stream *next_writable(struct quic_conn *conn) {
    if (conn->state != QUIC_ESTABLISHED) return NULL;
    for (struct quic_stream *stream = conn->streams; stream; stream = stream->next)
        if (stream->out_ready && !stream->out_finished && !stream->blocked) return stream;
    return NULL;
}

/* `taken` bytes of the message went into a packet. */
static void stream_written(struct quic_stream *stream, size_t taken) {
    bool fin = stream->out_sent + taken == stream->out_bytes;
    TRACE_NGTCP2_STREAM_SENT(stream->conn->trace, stream->id, (ngtcp2_ssize)taken, fin);
    stream->out_sent += taken;
    stream->out_finished = fin;
}

/* Writes one packet, with bytes of `stream` if there is one.  Returns as ngtcp2_conn_writev_stream. */
static ngtcp2_ssize write_packet(struct quic_conn *conn, struct quic_stream *stream, uint64_t now, size_t packet_bytes,
                                 uint8_t *packet) {
    ngtcp2_vec rest = {0};
    ngtcp2_ssize taken = -1, count;
    ngtcp2_path_storage path;

    TRACE_NGTCP2_SCOPE(conn->trace);
    if (stream) rest = (ngtcp2_vec){stream->out + stream->out_sent, stream->out_bytes - stream->out_sent};
    ngtcp2_path_storage_zero(&path);
    count = ngtcp2_conn_writev_stream(conn->ngtcp2, &path.path, NULL, packet, packet_bytes, &taken,
                                      stream ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0, stream ? stream->id : -1, &rest, stream != NULL,
                                      now);
    if (stream && taken >= 0) stream_written(stream, (size_t)taken);
    if (count > 0) {
        /* A peer may move to another address; ngtcp2 knows. */
        memcpy(&conn->remote, path.path.remote.addr, path.path.remote.addrlen);
        endpoint_send(conn->endpoint, &conn->remote, packet, (size_t)count);
    }
    return count;
}

void conn_write(struct quic_conn *conn) {
    uint64_t now = monotonic_ns();
    size_t quantum, sent = 0;

    if (conn->state >= QUIC_CLOSING) return;
    quantum = ngtcp2_conn_get_send_quantum(conn->ngtcp2);
    for (struct quic_stream *stream = conn->streams; stream; stream = stream->next) stream->blocked = false;
    conn->dirty = false;
    for (;;) {
        uint8_t packet[PACKET_BYTES_MAX];
        struct quic_stream *stream = next_writable(conn);
        ngtcp2_ssize count = write_packet(conn, stream, now, sizeof packet, packet);
        if (stream && (count == NGTCP2_ERR_STREAM_DATA_BLOCKED || count == NGTCP2_ERR_STREAM_SHUT_WR ||
                       count == NGTCP2_ERR_STREAM_NOT_FOUND)) {
            stream->blocked = true;
            continue;
        }
        if (count < 0) {
            conn_close(conn, (int)count, ngtcp2_strerror((int)count));
            return;
        }
        if (count == 0) break;
        sent += (size_t)count;
        if (sent >= quantum) { /* the rest is sent in the loop's next iteration, or when the pacer allows it */
            conn->dirty = true;
            break;
        }
    }
    /* Not earlier: that would delay the client's second flight by part of a probe timeout. */
    if (sent != 0 && ngtcp2_conn_get_handshake_completed(conn->ngtcp2)) ngtcp2_conn_update_pkt_tx_time(conn->ngtcp2, now);
}
