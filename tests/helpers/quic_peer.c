/* SPDX-License-Identifier: MIT
 *
 * See quic_peer.h.
 *
 * usage: quic_peer server|client NAME QLOG_DIR [--source qlog|crypto] [--port PORT] [--secret TEXT] [--versions HEX,...]
 *                  [--retry]
 *
 * Prints "listening PORT VERSION": the other version of QUIC that it speaks besides 1.  Commands and their answers:
 *
 *   server  forget-tickets        ok: later clients cannot resume
 *           vanish                ends without closing
 *   client  connect PORT VERSION  connected VERSION | over WHY
 *           resume PORT VERSION   connected VERSION taken|refused: with early data, by the last connection's ticket
 *           talk BYTES            ok: sent, and answered by the server | over WHY
 *           update-keys           ok: begun, as soon as ngtcp2 permits it
 *           migrate               moved PORT: the new path is validated
 *           rebind                moved PORT: as if a NAT had chosen another port; ngtcp2 does not notice
 *           close                 ok
 *   both    quit
 */
#include "quic_peer.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_TIMEOUT (10 * NGTCP2_SECONDS)

void die(const char *what, int error) {
    fprintf(stderr, "quic_peer: %s: %s\n", what, error != 0 ? ngtcp2_strerror(error) : "failed");
    exit(1);
}

uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NGTCP2_SECONDS + (uint64_t)now.tv_nsec;
}

/* ---- sockets --------------------------------------------------------------------------------------------------------------- */

struct sockaddr_in address_of(int fd) {
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) die("no address", 0);
    return address;
}

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int socket_open(uint16_t port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("no socket", 0);
    return fd;
}

static void answer(struct quic_peer *peer, const struct sockaddr_in *to, const uint8_t *packet, ngtcp2_ssize count) {
    if (count < 0) die("an answer", (int)count);
    if (sendto(peer->fds[0], packet, (size_t)count, 0, (const struct sockaddr *)to, sizeof *to) < 0) die("sending", 0);
}

/* ---- answers of a server without a connection ---------------------------------------------------------------------------- */

static void answer_with_versions(struct quic_peer *peer, const struct sockaddr_in *from, const ngtcp2_version_cid *ids) {
    uint8_t packet[1500];
    answer(peer, from, packet,
           ngtcp2_pkt_write_version_negotiation(packet, sizeof packet, 0, ids->scid, ids->scidlen, ids->dcid, ids->dcidlen,
                                                peer->versions, peer->version_count));
}

static void answer_with_retry(struct quic_peer *peer, const struct sockaddr_in *from, const ngtcp2_pkt_hd *hd) {
    uint8_t packet[1500], token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
    ngtcp2_cid own = {.datalen = CID_BYTES};
    gnutls_rnd(GNUTLS_RND_NONCE, own.data, own.datalen);
    ngtcp2_ssize count =
        ngtcp2_crypto_generate_retry_token(token, peer->secret, sizeof peer->secret, hd->version, (const struct sockaddr *)from,
                                           sizeof *from, &own, &hd->dcid, monotonic_ns());
    if (count < 0) die("a token", 0);
    answer(peer, from, packet,
           ngtcp2_crypto_write_retry(packet, sizeof packet, hd->version, &hd->scid, &own, &hd->dcid, token, (size_t)count));
}

static void answer_with_reset(struct quic_peer *peer, const struct sockaddr_in *from, const ngtcp2_version_cid *ids) {
    uint8_t packet[64], noise[40], token[NGTCP2_STATELESS_RESET_TOKENLEN];
    ngtcp2_cid cid;
    ngtcp2_cid_init(&cid, ids->dcid, ids->dcidlen);
    gnutls_rnd(GNUTLS_RND_NONCE, noise, sizeof noise);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, peer->secret, sizeof peer->secret, &cid) != 0) die("no token", 0);
    answer(peer, from, packet, ngtcp2_pkt_write_stateless_reset(packet, sizeof packet, token, noise, sizeof noise));
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------------- */

static bool has_id(struct quic_peer_conn *conn, const uint8_t *bytes, size_t count) {
    ngtcp2_cid ids[64];
    size_t id_count = NUM_SCID(conn->ngtcp2);

    if (conn->first_dcid.datalen == count && memcmp(conn->first_dcid.data, bytes, count) == 0) return true;
    if (id_count > 64) die("too many ids", 0);
    ngtcp2_conn_get_scid(conn->ngtcp2, ids);
    for (size_t i = 0; i < id_count; i++)
        if (ids[i].datalen == count && memcmp(ids[i].data, bytes, count) == 0) return true;
    return false;
}

static struct quic_peer_conn *find(struct quic_peer *peer, const ngtcp2_version_cid *ids) {
    for (unsigned i = peer->conn_count; i-- > 0;)
        if (has_id(peer->conns[i], ids->dcid, ids->dcidlen)) return peer->conns[i];
    return NULL;
}

static struct quic_peer_conn *accept_first(struct quic_peer *peer, const struct sockaddr_in *from, const uint8_t *packet,
                                           size_t count) {
    ngtcp2_pkt_hd hd;
    ngtcp2_cid original;

    if (ngtcp2_accept(&hd, packet, count) != 0) return NULL;
    if (!peer->wants_retry) return conn_create(peer, from, &hd, NULL, 0);
    if (TOKEN_BYTES(&hd) == 0) {
        answer_with_retry(peer, from, &hd);
        return NULL;
    }
    if (ngtcp2_crypto_verify_retry_token(&original, TOKEN(&hd), TOKEN_BYTES(&hd), peer->secret, sizeof peer->secret, hd.version,
                                         (const struct sockaddr *)from, sizeof *from, &hd.dcid, RETRY_TIMEOUT,
                                         monotonic_ns()) != 0)
        return NULL;
    return conn_create(peer, from, &hd, &original, 0);
}

static void datagram_received(struct quic_peer *peer, int fd, const struct sockaddr_in *from, const uint8_t *packet,
                              size_t count) {
    ngtcp2_version_cid ids;
    int rv = ngtcp2_pkt_decode_version_cid(&ids, packet, count, CID_BYTES);
    struct quic_peer_conn *conn;

    if (rv == NGTCP2_ERR_VERSION_NEGOTIATION && peer->is_server) {
        answer_with_versions(peer, from, &ids);
        return;
    }
    if (rv != 0) return;
    conn = find(peer, &ids);
    if (!conn && !peer->is_server && peer->conn_count != 0)
        conn = peer->conns[peer->conn_count - 1]; /* a stateless reset has an unknown id */
    else if (!conn && peer->is_server && ids.version == 0)
        answer_with_reset(peer, from, &ids);
    else if (!conn && peer->is_server)
        conn = accept_first(peer, from, packet, count);
    if (conn) conn_read(conn, fd, from, packet, count);
}

static void read_all(struct quic_peer *peer, int fd) {
    uint8_t packet[2048];
    struct sockaddr_in from;
    socklen_t bytes = sizeof from;
    ssize_t count;

    while ((count = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &bytes)) >= 0)
        datagram_received(peer, fd, &from, packet, (size_t)count);
}

/* Writes everything that is due, waits for a datagram, a timer or, if `commands`, stdin, and reads.  Returns whether stdin is
 * readable. */
static bool turn(struct quic_peer *peer, bool commands) {
    struct pollfd polls[3] = {{.fd = peer->fds[0], .events = POLLIN},
                              {.fd = peer->fds[1], .events = POLLIN},
                              {.fd = commands ? STDIN_FILENO : -1, .events = POLLIN}};
    uint64_t next = UINT64_MAX, now;
    int timeout = -1;

    for (unsigned i = 0; i < peer->conn_count; i++) {
        conn_write(peer->conns[i]);
        uint64_t expiry = peer->conns[i]->over ? UINT64_MAX : ngtcp2_conn_get_expiry(peer->conns[i]->ngtcp2);
        if (expiry < next) next = expiry;
    }
    now = monotonic_ns();
    if (next != UINT64_MAX) timeout = next <= now ? 0 : (int)((next - now) / NGTCP2_MILLISECONDS + 1);
    poll(polls, 3, timeout);
    for (unsigned i = 0; i < 2; i++)
        if (peer->fds[i] >= 0) read_all(peer, peer->fds[i]);
    return (polls[2].revents & (POLLIN | POLLHUP)) != 0;
}

/* ---- commands -------------------------------------------------------------------------------------------------------------- */

static struct quic_peer_conn *last(struct quic_peer *peer) {
    if (peer->conn_count == 0) die("not connected", 0);
    return peer->conns[peer->conn_count - 1];
}

static void say(const struct quic_peer_conn *conn, const char *word) {
    if (conn->over)
        printf("over %s\n", ngtcp2_strerror(conn->result));
    else
        printf("%s\n", word);
}

static void stream_open(struct quic_peer_conn *conn, size_t count) {
    if (ngtcp2_conn_open_bidi_stream(conn->ngtcp2, &conn->stream_id, NULL) != 0) die("no stream", 0);
    conn->out_left = count;
}

static void talk(struct quic_peer *peer, size_t count) {
    struct quic_peer_conn *conn = last(peer);
    uint64_t echoes = conn->echoes;
    if (!conn->over) stream_open(conn, count);
    while (!conn->over && conn->echoes == echoes) turn(peer, false);
}

/* Also waits for the ticket that the next connection may use. */
static void connect_to(struct quic_peer *peer, uint16_t port, uint32_t version, bool early) {
    struct sockaddr_in server = loopback(port);
    struct quic_peer_conn *conn;
    char words[64];

    peer->early_next = early;
    conn = conn_create(peer, &server, NULL, NULL, version);
    if (early) {
        /* ngtcp2 sets up the keys with the first packet; only then streams can be opened. */
        conn_write(conn);
        stream_open(conn, 500);
    } else {
        gnutls_free(peer->ticket.data);
        peer->ticket.data = NULL;
    }
    while (!conn->over && (!ngtcp2_conn_get_handshake_completed(conn->ngtcp2) || !peer->ticket.data)) turn(peer, false);
    snprintf(words, sizeof words, "connected %x%s", conn->over ? 0 : ngtcp2_conn_get_negotiated_version(conn->ngtcp2),
             !early                ? ""
             : conn->early_refused ? " refused"
                                   : " taken");
    say(conn, words);
}

static void update_keys(struct quic_peer *peer) {
    struct quic_peer_conn *conn = last(peer);
    while (!conn->over && ngtcp2_conn_initiate_key_update(conn->ngtcp2, monotonic_ns()) != 0) talk(peer, 100);
    talk(peer, 100);
    say(conn, "ok");
}

static void move(struct quic_peer *peer, bool openly) {
    struct quic_peer_conn *conn = last(peer);
    unsigned validated = conn->paths_validated;
    char words[64];
    int fd = socket_open(0), rv;

    snprintf(words, sizeof words, "moved %u", ntohs(address_of(fd).sin_port));
    if (openly) {
        peer->fds[1] = fd;
        struct sockaddr_in local = address_of(fd);
        ngtcp2_path path = {.local = {(struct sockaddr *)&local, sizeof local},
                            .remote = {(struct sockaddr *)&conn->remote, sizeof conn->remote}};
        if ((rv = ngtcp2_conn_initiate_migration(conn->ngtcp2, &path, monotonic_ns())) != 0) die("migration", rv);
        while (!conn->over && conn->paths_validated == validated) turn(peer, false);
        conn->local = local;
        close(peer->fds[0]);
        peer->fds[0] = fd;
        peer->fds[1] = -1;
    } else {
        close(peer->fds[0]);
        peer->fds[0] = fd;
    }
    talk(peer, 100);
    say(conn, words);
}

static bool obey(struct quic_peer *peer, const char *line) {
    char word[32] = "";
    unsigned number = 0, version = 0;

    sscanf(line, "%31s %u %x", word, &number, &version);
    if (strcmp(word, "quit") == 0) return false;
    if (strcmp(word, "vanish") == 0) _exit(0);
    if (strcmp(word, "forget-tickets") == 0) {
        gnutls_free(peer->ticket_key.data);
        gnutls_session_ticket_key_generate(&peer->ticket_key);
        puts("ok");
    } else if (strcmp(word, "connect") == 0 || strcmp(word, "resume") == 0) {
        connect_to(peer, (uint16_t)number, version, word[0] == 'r');
    } else if (strcmp(word, "talk") == 0) {
        talk(peer, number);
        say(last(peer), "ok");
    } else if (strcmp(word, "update-keys") == 0) {
        update_keys(peer);
    } else if (strcmp(word, "migrate") == 0 || strcmp(word, "rebind") == 0) {
        move(peer, word[0] == 'm');
    } else if (strcmp(word, "close") == 0) {
        conn_close(last(peer));
        puts("ok");
    } else {
        die(line, 0);
    }
    return true;
}

/* ---- begin and end --------------------------------------------------------------------------------------------------------- */

static void versions_parse(struct quic_peer *peer, const char *text) {
    char *end;
    for (peer->version_count = 0; *text != 0; text = *end == ',' ? end + 1 : end) {
        if (peer->version_count == VERSIONS_MAX) die("too many versions", 0);
        peer->versions[peer->version_count++] = (uint32_t)strtoul(text, &end, 16);
    }
}

static uint16_t options_parse(struct quic_peer *peer, int argc, char **argv) {
    unsigned long port = 0;

    if (argc < 4) die("arguments", 0);
    peer->is_server = strcmp(argv[1], "server") == 0;
    peer->name = argv[2];
    peer->qlog_dir = argv[3];
    peer->source = TRACE_NGTCP2_QLOG;
    versions_parse(peer, "1");
    gnutls_rnd(GNUTLS_RND_KEY, peer->secret, sizeof peer->secret);
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--retry") == 0) {
            peer->wants_retry = true;
            continue;
        }
        if (i + 1 == argc) die(argv[i], 0);
        const char *value = argv[++i];
        if (strcmp(argv[i - 1], "--source") == 0)
            peer->source = value[0] == 'c' ? TRACE_NGTCP2_CRYPTO_LOST : TRACE_NGTCP2_QLOG;
        else if (strcmp(argv[i - 1], "--port") == 0)
            port = strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--secret") == 0)
            identity_hash(peer->secret, value, strlen(value));
        else if (strcmp(argv[i - 1], "--versions") == 0)
            versions_parse(peer, value);
        else
            die(argv[i - 1], 0);
    }
    return (uint16_t)port;
}

int main(int argc, char **argv) {
    static struct quic_peer peer;
    char line[256];
    uint16_t port = options_parse(&peer, argc, argv);

    if (identity_init(&peer.identity, peer.name) != 0) die("no certificate", 0);
    gnutls_session_ticket_key_generate(&peer.ticket_key);
    struct trace_log_options options = {.node_id = peer.identity.id, .node_name = peer.name};
    if (trace_log_open(&peer.log, &options) != 0) die("no log", 0);
    peer.fds[0] = socket_open(port);
    peer.fds[1] = -1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0); /* unbuffered, because poll must see unread input */
    printf("listening %u %x\n", ntohs(address_of(peer.fds[0]).sin_port), VERSION_2);
    while (!turn(&peer, true) || (fgets(line, sizeof line, stdin) && obey(&peer, line))) {}

    for (unsigned i = 0; i < peer.conn_count; i++) {
        conn_close(peer.conns[i]);
        conn_destroy(peer.conns[i]);
    }
    trace_log_close(peer.log);
    gnutls_free(peer.ticket.data);
    gnutls_free(peer.ticket_key.data);
    if (peer.anti_replay) gnutls_anti_replay_deinit(peer.anti_replay);
    identity_fini(&peer.identity);
    return 0;
}
