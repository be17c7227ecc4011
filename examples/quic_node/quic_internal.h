/* SPDX-License-Identifier: MIT
 *
 * What the files of the QUIC half share.
 *
 *   quic_endpoint.c  the socket, connection ids, dialling and accepting, the timer: when something happens, and to whom
 *   quic_conn.c      one connection: ngtcp2's callbacks, reading, closing
 *   quic_stream.c    streams, and writing packets
 *
 * Who may free what: nothing is freed while ngtcp2 or the application may still be on the stack.  A connection that is over waits
 * in the endpoint's list until the loop comes round (endpoint_tidy); a closed stream waits until its packet has been read. */
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
    uint8_t *out; /* the message and what is before it; kept until the stream is over, for ngtcp2 retransmits from it */
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
    QUIC_CLOSING,  /* we said goodbye, and repeat it to a peer that has not heard it (RFC 9000, 10.2.1) */
    QUIC_DRAINING, /* the peer did, or nothing was heard for too long: silence */
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
    ngtcp2_crypto_conn_ref tls_ref; /* TLS's way back here */
    gnutls_session_t tls;
    enum quic_state state;
    bool dirty;       /* has something to write */
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

/* One of the connection ids by which a datagram finds its connection. */
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
    unsigned qlog_count; /* files made */
    uint64_t datagrams;  /* that could have been dropped */
    uint64_t timer_ns;   /* what the timerfd is set to; 0: off */
    uint8_t secret[32];  /* stateless reset tokens come from it */
    bool closing;
};

/* quic_endpoint.c */
int endpoint_cid_add(struct quic_endpoint *endpoint, struct quic_conn *conn, const ngtcp2_cid *cid);
void endpoint_cid_remove(struct quic_endpoint *endpoint, const ngtcp2_cid *cid);
void endpoint_cid_remove_all(struct quic_endpoint *endpoint, const struct quic_conn *conn);
void endpoint_send(struct quic_endpoint *endpoint, const union quic_address *to, const uint8_t *packet, size_t count);

/* quic_conn.c */
/* Makes a connection: dialled when hd is NULL, else accepted by that Initial packet.  Returns 0 or a negative errno. */
int conn_create(struct quic_conn **ret_conn, struct quic_endpoint *endpoint, const union quic_address *remote,
                const ngtcp2_pkt_hd *hd);
void conn_destroy(struct quic_conn *conn);
void conn_read(struct quic_conn *conn, const union quic_address *from, const uint8_t *packet, size_t count);
/* When it next needs conn_expire. */
uint64_t conn_expiry(const struct quic_conn *conn);
void conn_expire(struct quic_conn *conn, uint64_t now);
/* Closes with ngtcp2's error, or, for 0, because the node stops. */
void conn_close(struct quic_conn *conn, int error, const char *reason);
void conn_path(struct quic_conn *conn, ngtcp2_path *path);

/* quic_stream.c */
struct quic_stream *stream_create(struct quic_conn *conn, int64_t id, void *app_data);
int stream_received(struct quic_stream *stream, const uint8_t *bytes, size_t count, bool fin);
/* The stream is over, by itself or with its connection; its memory stays until streams_free_buried. */
void stream_bury(struct quic_stream *stream);
void streams_free_buried(struct quic_conn *conn);
/* Writes and sends all packets that may be sent now. */
void conn_write(struct quic_conn *conn);

#endif
