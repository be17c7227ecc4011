/* SPDX-License-Identifier: MIT
 *
 * Two ngtcp2 connections in one process, a client and a server, that exchange datagrams without a socket.  The adapter's tests
 * and its benchmark run on them.  Time is simulated: when neither has anything to send, the clock jumps to the next timer.
 *
 * Any error here ends the program: this is the fixture, not the code under test. */
#ifndef TESTS_ADAPTERS_QUIC_PAIR_H
#define TESTS_ADAPTERS_QUIC_PAIR_H

#include "identity.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <p2ptrace/ngtcp2.h>

struct quic_pair;

struct quic_end {
    struct quic_pair *pair;
    struct quic_end *other;
    ngtcp2_conn *conn; /* NULL after it was deleted */
    ngtcp2_crypto_conn_ref tls_ref;
    gnutls_session_t tls;
    struct trace_ngtcp2 *trace;

    int64_t out_id; /* the stream being sent, -1: none */
    size_t out_left;
    uint64_t received, stream_opens, stream_closes; /* as reported by the callbacks */
    uint64_t qlog_records, qlog_ends, log_lines;
    int result; /* of the last ngtcp2_conn_read_pkt */
};

struct quic_pair_options {
    struct trace_log *logs[2]; /* of the client and the server; NULL: untraced */
    enum trace_ngtcp2_source source;
    const ngtcp2_callbacks *callbacks; /* NULL: those of the pair */
    bool user_qlog, user_log;          /* the user has its own writers */
    bool unscoped;                     /* TRACE_NGTCP2_SCOPE is forgotten */
    unsigned drop_larger;              /* drop datagrams of more bytes; 0: none */
    /* Called from the receiver's callback, before the bytes are consumed. */
    void (*received)(struct quic_end *end, int64_t stream_id);
};

struct quic_pair {
    struct quic_pair_options options;
    struct quic_end ends[2]; /* client, server */
    struct identity identity;
    ngtcp2_cid original;
    uint64_t now_ns;
    uint64_t datagrams;
    unsigned drop_every; /* drop each Nth datagram; 0: none */
};

/* The callbacks of both ends. */
extern const ngtcp2_callbacks quic_pair_callbacks;

/* Makes both connections and runs them until the handshake is complete. */
void quic_pair_open(struct quic_pair *pair, const struct quic_pair_options *options);

/* Opens a stream and writes `count` bytes and the end to it, completely, before anything else is sent.  Returns its id. */
int64_t quic_pair_send(struct quic_end *end, size_t count, const struct trace_context *context);

/* Answers on a stream of the other end. */
void quic_pair_answer(struct quic_end *end, int64_t stream_id, size_t count);

/* Runs until there is nothing left to send, and everything is acknowledged. */
void quic_pair_run(struct quic_pair *pair);

/* Closes the end, and lets the other end receive that. */
void quic_pair_say_goodbye(struct quic_end *end, uint64_t code, const char *reason);

/* A datagram from the other end reaches this one. */
void quic_pair_deliver(struct quic_end *end, const uint8_t *packet, size_t count);

/* The token at the end of the server's stateless reset. */
extern const uint8_t quic_pair_reset_token[NGTCP2_STATELESS_RESET_TOKENLEN];

/* The client migrates to another local port. */
void quic_pair_move_client(struct quic_pair *pair, uint16_t port);

/* Deletes both connections. */
void quic_pair_close(struct quic_pair *pair);

#endif
