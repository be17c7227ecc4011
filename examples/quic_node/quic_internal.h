/* SPDX-License-Identifier: MIT
 *
 * Shared by the files of the QUIC half.
 *
 *   quic_endpoint.c  the socket, connection ids, dialling and accepting, the timer: dispatches what happens
 *   quic_conn.c      one connection: ngtcp2's callbacks, reading, closing
 *   quic_stream.c    streams, and writing packets
 *
 * Memory: nothing is freed while ngtcp2 or the application may still be on the stack.  A closed connection waits
 * in the endpoint's list for endpoint_tidy; a closed stream waits until its packet has been read. */
#ifndef QUIC_NODE_QUIC_INTERNAL_H
#define QUIC_NODE_QUIC_INTERNAL_H

#include "limits.h"
#include "ngtcp2_names.h"
#include "quic.h"
#include "util.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <stdio.h>

#define CID_BYTES 16
#define CID_BUCKETS 256 /* a power of two */
#define PACKET_BYTES_MAX 1500

struct quic_stream {
    struct quic_stream *next;
    struct quic_conn *conn;
    int64_t id;
    void *app_data;
    uint8_t *out; /* the message and its prefix; kept until the stream ends, because ngtcp2 retransmits from it */
    size_t out_bytes, out_sent;
    bool out_ready, out_finished;
    bool blocked; /* by flow control, for this round of writing */
#ifdef TRACE
    bool has_context;
    uint8_t preamble_bytes; /* of the peer's context, so far */
    uint8_t preamble[TRACE_CONTEXT_WIRE_BYTES];
    struct trace_context context;
#endif
};

enum quic_state {
    QUIC_HANDSHAKE,
    QUIC_ESTABLISHED,
    QUIC_CLOSING,  /* we closed, and repeat that to a peer that has not received it (RFC 9000, 10.2.1) */
    QUIC_DRAINING, /* the peer closed, or was silent for too long: we send nothing */
};

/* An address that is kept connected. */
struct quic_target {
    union quic_address address;
    struct quic_conn *conn; /* NULL: dial at dial_ns */
    uint64_t dial_ns;
};

struct quic_conn {
    struct quic_conn *next;
    struct quic_endpoint *endpoint;
    struct quic_target *target; /* NULL: accepted */
    ngtcp2_conn *ngtcp2;
    ngtcp2_crypto_conn_ref tls_ref; /* from TLS back to here */
    gnutls_session_t tls;
    enum quic_state state;
    bool dirty;       /* has data to write */
    bool has_peer;    /* peer_id is authenticated */
    bool app_knows;   /* peer_joined was called */
    uint64_t gone_ns; /* closing, draining: when to forget it */
    struct trace_node_id peer_id;
    union quic_address remote;
    struct quic_stream *streams, *buried;
    uint8_t *goodbye; /* the packet that closes, for QUIC_CLOSING */
    size_t goodbye_bytes;
    unsigned goodbye_left;
    FILE *qlog;
    TRACE_ONLY(struct trace_ngtcp2 *trace;)
};

/* A connection id: datagrams with it belong to this connection. */
struct quic_cid {
    struct quic_cid *next;
    struct quic_conn *conn;
    ngtcp2_cid cid;
};

struct quic_endpoint {
    struct quic_config config;
    int socket_fd, timer_fd;
    uv_poll_t socket_poll, timer_poll;
    uv_prepare_t prepare;
    unsigned handles_open;
    union quic_address local;
    struct quic_cid *cids[CID_BUCKETS];
    struct quic_conn *conns;
    unsigned conn_count;
    struct quic_target targets[TARGETS_MAX];
    unsigned target_count;
    unsigned qlog_count; /* files created */
    uint64_t datagrams;  /* datagrams that could have been dropped */
    uint64_t timer_ns;   /* what the timerfd is set to; 0: off */
    uint8_t secret[32];  /* stateless reset tokens are derived from it */
    bool closing;
};

/* quic_endpoint.c */
int endpoint_cid_add(struct quic_endpoint *endpoint, struct quic_conn *conn, const ngtcp2_cid *cid);
void endpoint_cid_remove(struct quic_endpoint *endpoint, const ngtcp2_cid *cid);
void endpoint_cid_remove_all(struct quic_endpoint *endpoint, const struct quic_conn *conn);
void endpoint_send(struct quic_endpoint *endpoint, const union quic_address *to, const uint8_t *packet, size_t count);

/* quic_conn.c */
/* Creates a connection: dialled if hd is NULL, otherwise accepted with that Initial packet.  Returns 0 or a negative errno. */
int conn_create(struct quic_conn **ret_conn, struct quic_endpoint *endpoint, const union quic_address *remote,
                const ngtcp2_pkt_hd *hd);
void conn_destroy(struct quic_conn *conn);
void conn_read(struct quic_conn *conn, const union quic_address *from, const uint8_t *packet, size_t count);
/* When it next needs conn_expire. */
uint64_t conn_expiry(const struct quic_conn *conn);
void conn_expire(struct quic_conn *conn, uint64_t now);
/* Closes with ngtcp2's error or, if it is 0, because the node stops. */
void conn_close(struct quic_conn *conn, int error, const char *reason);
void conn_path(struct quic_conn *conn, ngtcp2_path *path);

/* quic_stream.c */
struct quic_stream *stream_create(struct quic_conn *conn, int64_t id, void *app_data);
int stream_received(struct quic_stream *stream, const uint8_t *bytes, size_t count, bool fin);
/* The stream has ended, alone or with its connection; its memory stays until streams_free_buried. */
void stream_bury(struct quic_stream *stream);
void streams_free_buried(struct quic_conn *conn);
/* Writes and sends all packets that may be sent now. */
void conn_write(struct quic_conn *conn);

#endif
