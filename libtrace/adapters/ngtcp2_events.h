/* SPDX-License-Identifier: MIT
 *
 * What happened to a connection, its streams and packets, as events. */
#ifndef TRACE_ADAPTERS_NGTCP2_EVENTS_H
#define TRACE_ADAPTERS_NGTCP2_EVENTS_H

#include "ngtcp2_packet.h"
#include "ngtcp2_streams.h"
#include "ngtcp2_version.h"

#include <p2ptrace/ngtcp2.h>

/* Which stream a packet in flight carried, so that its loss is attributed to that stream: a ring by packet number. */
#define PACKETS_KEPT 1024 /* a power of two */
struct trace_ngtcp2_sent {
    uint64_t number_next; /* packet number + 1; 0: none yet */
    int64_t stream_id;
    bool probe; /* of the path's MTU */
};

/* Where both ends of a connection are. */
struct trace_ngtcp2_path {
    struct trace_endpoint local, remote;
};
#define PATHS_KEPT 8 /* the newest validated paths; ngtcp2 remembers fewer */

/* Stream data that the user has not seen yet, of a stream whose request we do not know yet. */
struct trace_ngtcp2_pending {
    bool is_set;
    int64_t stream_id;
    uint64_t offset;
    uint32_t bytes;
    bool fin;
};

struct trace_ngtcp2 {
    struct trace_log *log;
    enum trace_ngtcp2_source source;
    ngtcp2_conn *conn; /* NULL before the first packet */
    struct trace_context context;
    struct trace_node_id peer; /* as set by the user; until then its address as an id */
    bool has_peer, has_address, is_established, is_closed;
    bool early, early_rejected;                /* 0-RTT packets were sent or received; the server refused them */
    uint64_t keys_made;                        /* how often ngtcp2 had the next keys made */
    struct trace_ngtcp2_path path;             /* as last reported */
    struct trace_ngtcp2_path kept[PATHS_KEPT]; /* a ring: each reported path, including `path` */
    unsigned kept_count;

    ngtcp2_callbacks callbacks, user; /* those passed to ngtcp2, and the user's */
    ngtcp2_settings settings;
    ngtcp2_qlog_write user_qlog;
    ngtcp2_printf user_printf;
#if NGTCP2_SETTINGS >= 4
    ngtcp2_log_write user_log;
#endif
    void *user_data;

    struct trace_ngtcp2_streams streams;
    struct trace_ngtcp2_pending pending;
    bool has_held; /* there is a packet of a stream whose request we do not know yet */
    struct trace_ngtcp2_packet held;
    uint64_t next_sent[3], next_received[3]; /* by space: the largest packet number + 1; kept by ngtcp2_crypto.c */
    struct trace_ngtcp2_sent sent[PACKETS_KEPT];

    uint64_t metrics_every_ns;     /* 0: all */
    uint64_t metrics_ns;           /* CLOCK_MONOTONIC_COARSE when metrics were last checked; 0: never */
    uint64_t rtt, cwnd, in_flight; /* as last emitted */
};

/* The connection's first packet: its trace begins. */
void trace_ngtcp2__begin(struct trace_ngtcp2 *trace, ngtcp2_conn *conn);

/* The peer is known, or has another address: emits the alias. */
void trace_ngtcp2__who(struct trace_ngtcp2 *trace);

/* The server wants a Retry. */
void trace_ngtcp2__retried(struct trace_ngtcp2 *trace);

/* A version was chosen; 0: the server has none in common. */
void trace_ngtcp2__version(struct trace_ngtcp2 *trace, uint32_t version);

/* A stateless reset came: the connection is over. */
void trace_ngtcp2__reset(struct trace_ngtcp2 *trace);

/* A path has been validated, and the connection uses it. */
void trace_ngtcp2__path(struct trace_ngtcp2 *trace, const ngtcp2_path *path);

/* A packet is being sent, or stream data was received: has the connection gone back to an earlier path? */
void trace_ngtcp2__see_path(struct trace_ngtcp2 *trace);

void trace_ngtcp2__keys_made(struct trace_ngtcp2 *trace);
void trace_ngtcp2__early_data_rejected(struct trace_ngtcp2 *trace);

/* The handshake is complete. */
void trace_ngtcp2__established(struct trace_ngtcp2 *trace);

/* The connection is over, with its open streams.  Only the first call counts.  reason: NULL for none. */
void trace_ngtcp2__end(struct trace_ngtcp2 *trace, uint64_t code, bool by_remote, const char *reason);

/* A packet was sent, received or lost. */
void trace_ngtcp2__packet(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet);

/* A packet was received that ngtcp2 has not read yet.  If we do not know yet which request its stream belongs to, the packet is
 * held until we do, but at most until the next packet or the end of the scope. */
void trace_ngtcp2__hold(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet);

/* Emits the packet that is held, if there is one. */
void trace_ngtcp2__release(struct trace_ngtcp2 *trace);

void trace_ngtcp2__stream_opened(struct trace_ngtcp2 *trace, int64_t stream_id);

/* code: 0 when there was no error. */
void trace_ngtcp2__stream_closed(struct trace_ngtcp2 *trace, int64_t stream_id, uint64_t code);

/* Stream data came.  It is emitted at once if we know which request it belongs to; otherwise as soon as we do, and at the
 * latest by trace_ngtcp2__flush. */
void trace_ngtcp2__stream_received(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_pending *bytes);
void trace_ngtcp2__flush(struct trace_ngtcp2 *trace);

/* Is any event enabled now that is made of packets? */
bool trace_ngtcp2__wants_packets(const struct trace_ngtcp2 *trace);

#endif
