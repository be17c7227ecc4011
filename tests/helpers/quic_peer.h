/* SPDX-License-Identifier: MIT
 *
 * quic_peer: one end of QUIC connections over UDP, for tests of what the adapter says about a connection's fate: Retry, versions,
 * early data, key updates, other paths, stateless resets.  It is traced like any program, and also writes
 * ngtcp2's own qlog.  By itself it only answers packets: a command on stdin is done when its answer, a line, is on
 * stdout. */
#ifndef TESTS_HELPERS_QUIC_PEER_H
#define TESTS_HELPERS_QUIC_PEER_H

#include "identity.h"
#include "quic_peer_names.h"

#include <netinet/in.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <p2ptrace/ngtcp2.h>
#include <stdio.h>

#define CID_BYTES 16
#define CONNS_MAX 32
#define VERSIONS_MAX 4

struct quic_peer;

struct quic_peer_conn {
    struct quic_peer *peer;
    ngtcp2_conn *ngtcp2;
    ngtcp2_crypto_conn_ref tls_ref;
    gnutls_session_t tls;
    struct trace_ngtcp2 *trace;
    FILE *qlog;
    struct sockaddr_in local, remote; /* as ngtcp2 knows them */
    ngtcp2_cid first_dcid;            /* a server's: the client's first id */
    bool wants_early, early_refused;
    int64_t stream_id;        /* the stream being sent, -1: none */
    size_t out_left;          /* bytes */
    uint64_t echoes;          /* streams that the server has answered to their ends */
    unsigned paths_validated; /* as the callback said */
    bool over;
    int result; /* of ngtcp2, when the connection is over */
};

struct quic_peer {
    const char *name, *qlog_dir;
    bool is_server, wants_retry;
    bool early_next; /* a client's: the next connection uses the ticket */
    enum trace_ngtcp2_source source;
    uint32_t versions[VERSIONS_MAX]; /* in the order of preference */
    size_t version_count;
    uint8_t secret[32]; /* for tokens: the same after a restart with the same --secret */
    struct identity identity;
    gnutls_datum_t ticket_key, ticket; /* a server's; the last that a client got */
    gnutls_anti_replay_t anti_replay;
    uint8_t early_params[EARLY_PARAMS_BYTES_MAX]; /* a client's: parameters of the connection that the ticket is from */
    size_t early_params_bytes;
    struct trace_log *log;
    int fds[2]; /* sockets; a client that has moved has two */
    struct quic_peer_conn *conns[CONNS_MAX];
    unsigned conn_count;
};

/* ---- quic_peer_conn.c ----------------------------------------------------------------------------------------------------- */

/* Creates a connection: a client's if hd is NULL, which begins with `version`; otherwise a server's, for its first packet.
 * original: for a server after a Retry, the client's first id; otherwise NULL.  A failure ends the program. */
struct quic_peer_conn *conn_create(struct quic_peer *peer, const struct sockaddr_in *remote, const ngtcp2_pkt_hd *hd,
                                   const ngtcp2_cid *original, uint32_t version);
void conn_destroy(struct quic_peer_conn *conn);

/* A datagram arrived at the socket `fd`. */
void conn_read(struct quic_peer_conn *conn, int fd, const struct sockaddr_in *from, const uint8_t *packet, size_t count);

/* Sends everything that is due, and handles timers. */
void conn_write(struct quic_peer_conn *conn);

/* Closes the connection. */
void conn_close(struct quic_peer_conn *conn);

uint64_t monotonic_ns(void);
struct sockaddr_in address_of(int fd);
int socket_open(uint16_t port);
__attribute__((noreturn)) void die(const char *what, int error);

#endif
