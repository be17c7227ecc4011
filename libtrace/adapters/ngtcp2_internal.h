/* SPDX-License-Identifier: MIT
 *
 * What the files of the ngtcp2 adapter share.
 *
 *   ngtcp2.c            a connection's tracing: life, streams, from packets to events
 *   ngtcp2_callbacks.c  between ngtcp2 and the user: every callback that carries user_data
 *   ngtcp2_crypto.c     the encrypt and decrypt callbacks, which carry none
 *   ngtcp2_qlog.c, ngtcp2_packet.c, ngtcp2_streams.c   pure: reading a record, reading a packet, the table of streams */
#ifndef TRACE_ADAPTERS_NGTCP2_INTERNAL_H
#define TRACE_ADAPTERS_NGTCP2_INTERNAL_H

#include "ngtcp2_packet.h"
#include "ngtcp2_streams.h"
#include "ngtcp2_version.h"

#include <p2ptrace/ngtcp2.h>

/* Which stream a packet in flight carried, so that its loss can be told of that stream: a ring by packet number. */
#define PACKETS_KEPT 1024 /* a power of two */
struct trace_ngtcp2_sent {
    uint64_t number_next; /* packet number + 1; 0: none yet */
    int64_t stream_id;
};

/* Stream data that the user has not seen yet, of a stream of which it is not known to which request it belongs. */
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
    struct trace_node_id peer;
    bool has_peer, is_established, is_closed;

    ngtcp2_callbacks callbacks, user; /* what ngtcp2 is given, and what the user gave */
    ngtcp2_settings settings;
    ngtcp2_qlog_write user_qlog;
    ngtcp2_printf user_printf;
#if NGTCP2_SETTINGS >= 4
    ngtcp2_log_write user_log;
#endif
    void *user_data;

    struct trace_ngtcp2_streams streams;
    struct trace_ngtcp2_pending pending;
    bool has_held; /* a packet whose stream nobody has been told of yet */
    struct trace_ngtcp2_packet held;
    uint64_t next_sent[3], next_received[3]; /* by space: the largest packet number + 1; kept by ngtcp2_crypto.c */
    struct trace_ngtcp2_sent sent[PACKETS_KEPT];

    uint64_t metrics_every_ns; /* 0: all */
    uint64_t metrics_ns;       /* when metrics were last told by the clock, 0: never; and what */
    uint64_t rtt, cwnd, in_flight;
};

/* ngtcp2.c: what happened. */
void trace_ngtcp2__begin(struct trace_ngtcp2 *trace, ngtcp2_conn *conn);
void trace_ngtcp2__established(struct trace_ngtcp2 *trace);
void trace_ngtcp2__packet(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet);
/* A packet was received that ngtcp2 has not read yet.  When it carries bytes of a stream of which it is not known to which request it
 * belongs, the packet waits until that is told; at most until the next packet, or the end of the scope. */
void trace_ngtcp2__hold(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_packet *packet);
void trace_ngtcp2__release(struct trace_ngtcp2 *trace);
void trace_ngtcp2__stream_opened(struct trace_ngtcp2 *trace, int64_t stream_id);
void trace_ngtcp2__stream_closed(struct trace_ngtcp2 *trace, int64_t stream_id, uint64_t code);
/* Bytes came: told right away when it is known to which request they belong, else by trace_ngtcp2__flush or when it is known. */
void trace_ngtcp2__stream_received(struct trace_ngtcp2 *trace, const struct trace_ngtcp2_pending *bytes);
void trace_ngtcp2__flush(struct trace_ngtcp2 *trace);
/* Is any event about packets wanted now? */
bool trace_ngtcp2__wants_packets(const struct trace_ngtcp2 *trace);

/* ngtcp2_callbacks.c: fills trace->callbacks and the hooks of trace->settings. */
void trace_ngtcp2__take_callbacks(struct trace_ngtcp2 *trace);

/* ngtcp2_crypto.c: the same for encrypt and decrypt.  Returns 0 or -EBUSY. */
int trace_ngtcp2__take_crypto(ngtcp2_callbacks *callbacks);
/* It is about to be freed, perhaps within its own scope. */
void trace_ngtcp2__forget(const struct trace_ngtcp2 *trace);

#endif
