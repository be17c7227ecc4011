/* SPDX-License-Identifier: MIT
 *
 * A connection of quic_peer: see quic_peer.h. */
#include "quic_peer.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char alpn[] = "peer";
static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-X25519:"
                                 "%DISABLE_TLS13_COMPAT_MODE";
static const uint8_t zeros[1 << 14];

/* ---- TLS: tickets are sent once the handshake is complete, and kept for the next connection -------------------------------- */

static ngtcp2_conn *conn_of_tls(ngtcp2_crypto_conn_ref *ref) { return ((struct quic_peer_conn *)ref->user_data)->ngtcp2; }

static int on_ticket(gnutls_session_t tls, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *message) {
    ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(tls);
    struct quic_peer *peer = ((struct quic_peer_conn *)ref->user_data)->peer;
    (void)type, (void)when, (void)incoming, (void)message;
    gnutls_free(peer->ticket.data);
    peer->ticket.data = NULL;
    if (gnutls_session_get_data2(tls, &peer->ticket) != 0) die("no ticket", 0);
    return 0;
}

static int on_replay_check(void *arg, time_t expires, const gnutls_datum_t *key, const gnutls_datum_t *data) {
    (void)arg, (void)expires, (void)key, (void)data;
    return 0;
}

static void server_tls(struct quic_peer *peer, gnutls_session_t tls) {
    if (!peer->anti_replay) {
        gnutls_anti_replay_init(&peer->anti_replay);
        gnutls_anti_replay_set_add_function(peer->anti_replay, on_replay_check);
    }
    if (gnutls_session_ticket_enable_server(tls, &peer->ticket_key) != 0) die("no tickets", 0);
    gnutls_anti_replay_enable(tls, peer->anti_replay);
    gnutls_record_set_max_early_data_size(tls, UINT32_MAX);
    if (ngtcp2_crypto_gnutls_configure_server_session(tls) != 0) die("no TLS session", 0);
}

static void client_tls(struct quic_peer_conn *conn) {
    struct quic_peer *peer = conn->peer;
    gnutls_handshake_set_hook_function(conn->tls, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST, on_ticket);
    if (ngtcp2_crypto_gnutls_configure_client_session(conn->tls) != 0) die("no TLS session", 0);
    if (conn->wants_early && gnutls_session_set_data(conn->tls, peer->ticket.data, peer->ticket.size) != 0) die("bad ticket", 0);
}

static void tls_open(struct quic_peer_conn *conn) {
    struct quic_peer *peer = conn->peer;
    const gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)alpn, sizeof alpn - 1};

    if (gnutls_init(&conn->tls, (peer->is_server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT) |
                                    GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA) != 0)
        die("no TLS", 0);
    if (gnutls_priority_set_direct(conn->tls, priorities, NULL) != 0) die("no TLS priorities", 0);
    conn->tls_ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of_tls, .user_data = conn};
    gnutls_session_set_ptr(conn->tls, &conn->tls_ref);
    if (peer->is_server)
        server_tls(peer, conn->tls);
    else
        client_tls(conn);
    gnutls_credentials_set(conn->tls, GNUTLS_CRD_CERTIFICATE, peer->identity.credentials);
    gnutls_alpn_set_protocols(conn->tls, &protocol, 1, GNUTLS_ALPN_MANDATORY);
    ngtcp2_conn_set_tls_native_handle(conn->ngtcp2, conn->tls);
}

/* ---- ngtcp2's callbacks -------------------------------------------------------------------------------------------------- */

static void on_random(uint8_t *out, size_t count, const ngtcp2_rand_ctx *context) {
    (void)context;
    gnutls_rnd(GNUTLS_RND_NONCE, out, count);
}

static int on_new_cid(ngtcp2_conn *ngtcp2, ngtcp2_cid *cid, uint8_t *token, size_t count, void *arg) {
    struct quic_peer *peer = ((struct quic_peer_conn *)arg)->peer;
    (void)ngtcp2;
    gnutls_rnd(GNUTLS_RND_NONCE, cid->data, count);
    cid->datalen = count;
    return ngtcp2_crypto_generate_stateless_reset_token(token, peer->secret, sizeof peer->secret, cid) == 0
               ? 0
               : NGTCP2_ERR_CALLBACK_FAILURE;
}

/* ngtcp2 may leave it to the program to check whether the server accepted the early data. */
static int on_handshake_completed(ngtcp2_conn *ngtcp2, void *arg) {
    struct quic_peer_conn *conn = arg;
    if (conn->peer->is_server) return gnutls_session_ticket_send(conn->tls, 1, 0) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
    conn->peer->early_params_bytes = early_params_get(ngtcp2, conn->peer->early_params);
    if (conn->wants_early && !(gnutls_session_get_flags(conn->tls) & GNUTLS_SFLAGS_EARLY_DATA))
        return ngtcp2_conn_tls_early_data_rejected(ngtcp2);
    return 0;
}

static int on_early_data_rejected(ngtcp2_conn *ngtcp2, void *arg) {
    (void)ngtcp2;
    ((struct quic_peer_conn *)arg)->early_refused = true;
    return 0;
}

static int on_path_validation(ngtcp2_conn *ngtcp2, uint32_t flags, const ngtcp2_path *path,
                              FALLBACK_PATH ngtcp2_path_validation_result result, void *arg) {
    (void)ngtcp2, (void)flags, (void)path;
    if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) ((struct quic_peer_conn *)arg)->paths_validated++;
    return 0;
}

/* A server answers a stream that has ended with one byte and the end. */
static int on_stream_data(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *bytes, size_t count,
                          void *arg, void *stream_arg) {
    struct quic_peer_conn *conn = arg;
    (void)offset, (void)bytes, (void)stream_arg;
    ngtcp2_conn_extend_max_stream_offset(ngtcp2, id, count);
    ngtcp2_conn_extend_max_offset(ngtcp2, count);
    if (!(flags & NGTCP2_STREAM_DATA_FLAG_FIN)) return 0;
    if (conn->peer->is_server) {
        conn->stream_id = id;
        conn->out_left = 1;
    } else {
        conn->echoes++;
    }
    return 0;
}

static int on_stream_close(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t id, uint64_t code, void *arg, void *stream_arg) {
    (void)flags, (void)code, (void)arg, (void)stream_arg;
    if (!ngtcp2_conn_is_local_stream(ngtcp2, id)) ngtcp2_conn_extend_max_streams_bidi(ngtcp2, 1);
    return 0;
}

static void on_qlog(void *arg, uint32_t flags, const void *record, size_t count) {
    struct quic_peer_conn *conn = arg;
    (void)flags;
    if (count != 0) fwrite(record, 1, count, conn->qlog);
    fflush(conn->qlog);
}

static const ngtcp2_callbacks callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .rand = on_random,
    .get_new_connection_id = on_new_cid,
    .handshake_completed = on_handshake_completed,
    .tls_early_data_rejected = on_early_data_rejected,
    .path_validation = on_path_validation,
    .recv_stream_data = on_stream_data,
    .stream_close = on_stream_close,
};

/* ---- beginning and end ----------------------------------------------------------------------------------------------------- */

static ngtcp2_path path_of(struct quic_peer_conn *conn) {
    return (ngtcp2_path){.local = {(struct sockaddr *)&conn->local, sizeof conn->local},
                         .remote = {(struct sockaddr *)&conn->remote, sizeof conn->remote}};
}

static void qlog_open(struct quic_peer_conn *conn) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%u.sqlog", conn->peer->qlog_dir, conn->peer->name, conn->peer->conn_count);
    conn->qlog = fopen(path, "we");
    if (!conn->qlog) die("no qlog", 0);
}

static void params_fill(ngtcp2_transport_params *params) {
    ngtcp2_transport_params_default(params);
    params->initial_max_streams_bidi = 100;
    params->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_remote = 1 << 20;
    params->initial_max_data = 4 << 20;
    params->max_idle_timeout = 300 * NGTCP2_SECONDS;
    params->active_connection_id_limit = 7;
}

static void versions_fill(struct quic_peer *peer, ngtcp2_settings *settings) {
    settings->preferred_versions = settings->available_versions = peer->versions;
    settings->preferred_versionslen = settings->available_versionslen = peer->version_count;
}

static void accept_fill(struct quic_peer *peer, const ngtcp2_pkt_hd *hd, const ngtcp2_cid *original, const ngtcp2_cid *own,
                        ngtcp2_settings *settings, ngtcp2_transport_params *params) {
    SET_ORIGINAL_DCID(settings, params, original ? *original : hd->dcid);
    use_token(settings, hd, original != NULL);
    params->retry_scid_present = original != NULL;
    if (original) params->retry_scid = hd->dcid;
    params->stateless_reset_token_present = 1;
    ngtcp2_crypto_generate_stateless_reset_token(params->stateless_reset_token, peer->secret, sizeof peer->secret, own);
}

struct quic_peer_conn *conn_create(struct quic_peer *peer, const struct sockaddr_in *remote, const ngtcp2_pkt_hd *hd,
                                   const ngtcp2_cid *original, uint32_t version) {
    struct quic_peer_conn *conn = calloc(1, sizeof *conn);
    ngtcp2_cid own = {.datalen = CID_BYTES}, first = {.datalen = CID_BYTES};
    ngtcp2_settings own_settings;
    ngtcp2_transport_params params;
    const ngtcp2_callbacks *used_callbacks = &callbacks;
    const ngtcp2_settings *settings = &own_settings;
    void *arg = conn;
    int rv;

    if (!conn || peer->conn_count == CONNS_MAX) die("too many connections", 0);
    *conn = (struct quic_peer_conn){.peer = peer, .remote = *remote, .local = address_of(peer->fds[0]), .stream_id = -1};
    ngtcp2_path path = path_of(conn);
    qlog_open(conn);
    params_fill(&params);
    ngtcp2_settings_default(&own_settings);
    own_settings.initial_ts = monotonic_ns();
    SETTINGS_QLOG(&own_settings) = on_qlog;
    versions_fill(peer, &own_settings);
    gnutls_rnd(GNUTLS_RND_NONCE, own.data, own.datalen);
    gnutls_rnd(GNUTLS_RND_NONCE, first.data, first.datalen);
    if (hd) accept_fill(peer, hd, original, &own, &own_settings, &params);
    TRACE_NGTCP2_CREATE(&conn->trace, peer->log, peer->source, &used_callbacks, &settings, &arg);
    if (hd)
        rv = ngtcp2_conn_server_new(&conn->ngtcp2, &hd->scid, &own, &path, hd->version, used_callbacks, settings, &params, NULL,
                                    arg);
    else
        rv = ngtcp2_conn_client_new(&conn->ngtcp2, &first, &own, &path, version, used_callbacks, settings, &params, NULL, arg);
    if (rv != 0) die("no connection", rv);
    if (hd) conn->first_dcid = hd->dcid;
    conn->wants_early = !hd && peer->early_next;
    tls_open(conn);
    if (conn->wants_early && early_params_set(conn->ngtcp2, peer->early_params, peer->early_params_bytes) != 0)
        die("bad parameters of early data", 0);
    peer->conns[peer->conn_count++] = conn;
    return conn;
}

void conn_destroy(struct quic_peer_conn *conn) {
    ngtcp2_conn_del(conn->ngtcp2);
    TRACE_NGTCP2_DESTROY(conn->trace);
    gnutls_deinit(conn->tls);
    fclose(conn->qlog);
    free(conn);
}

/* ---- packets --------------------------------------------------------------------------------------------------------------- */

static void conn_over(struct quic_peer_conn *conn, int result) {
    conn->over = true;
    conn->result = result;
    TRACE_NGTCP2_CLOSED(conn->trace, result, NULL);
}

void conn_read(struct quic_peer_conn *conn, int fd, const struct sockaddr_in *from, const uint8_t *packet, size_t count) {
    struct sockaddr_in remote = *from, local = fd == conn->peer->fds[1] ? address_of(fd) : conn->local;
    ngtcp2_path path = path_of(conn);
    ngtcp2_pkt_info info = {0};

    TRACE_NGTCP2_SCOPE(conn->trace);
    if (conn->over) return;
    path =
        (ngtcp2_path){.local = {(struct sockaddr *)&local, sizeof local}, .remote = {(struct sockaddr *)&remote, sizeof remote}};
    int rv = ngtcp2_conn_read_pkt(conn->ngtcp2, &path, &info, packet, count, monotonic_ns());
    if (rv != 0) conn_over(conn, rv);
}

/* Sends from the socket of the path; after a move, from the new one. */
static void datagram_send(const struct quic_peer_conn *conn, const ngtcp2_path *path, const uint8_t *packet, size_t count) {
    struct sockaddr_in local;
    int fd = conn->peer->fds[0];

    memcpy(&local, path->local.addr, sizeof local);
    if (conn->peer->fds[1] >= 0 && address_of(conn->peer->fds[1]).sin_port == local.sin_port) fd = conn->peer->fds[1];
    if (sendto(fd, packet, count, 0, path->remote.addr, path->remote.addrlen) < 0) return; /* treated like a lost datagram */
}

static bool write_one(struct quic_peer_conn *conn) {
    uint8_t packet[1500];
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    ngtcp2_ssize taken = -1, count;
    ngtcp2_vec vec = {(uint8_t *)(uintptr_t)zeros, conn->out_left < sizeof zeros ? conn->out_left : sizeof zeros};
    uint32_t flags = vec.len == conn->out_left ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0;
    uint64_t now = monotonic_ns();

    TRACE_NGTCP2_SCOPE(conn->trace);
    ngtcp2_path_storage_zero(&path);
    count = ngtcp2_conn_writev_stream(conn->ngtcp2, &path.path, &info, packet, sizeof packet, &taken, flags, conn->stream_id,
                                      &vec, 1, now);
    TRACE_NGTCP2_STREAM_WRITTEN(conn->trace, count, taken, flags, conn->stream_id, &vec, 1);
    if (count == NGTCP2_ERR_STREAM_DATA_BLOCKED)
        count = ngtcp2_conn_write_pkt(conn->ngtcp2, &path.path, &info, packet, sizeof packet, now);
    if (count < 0) {
        conn_over(conn, (int)count);
        return false;
    }
    if (taken >= 0) {
        if (flags != 0 && (size_t)taken == vec.len) conn->stream_id = -1;
        conn->out_left -= (size_t)taken;
    }
    if (count == 0) return false;
    datagram_send(conn, &path.path, packet, (size_t)count);
    return true;
}

void conn_write(struct quic_peer_conn *conn) {
    if (!conn->over && ngtcp2_conn_get_expiry(conn->ngtcp2) <= monotonic_ns()) {
        TRACE_NGTCP2_SCOPE(conn->trace);
        int rv = ngtcp2_conn_handle_expiry(conn->ngtcp2, monotonic_ns());
        if (rv != 0) conn_over(conn, rv);
    }
    while (!conn->over && write_one(conn)) {}
    if (!conn->over && ngtcp2_conn_get_handshake_completed(conn->ngtcp2))
        ngtcp2_conn_update_pkt_tx_time(conn->ngtcp2, monotonic_ns());
}

void conn_close(struct quic_peer_conn *conn) {
    ngtcp2_ccerr error;
    ngtcp2_path_storage path;
    uint8_t packet[1500];
    ngtcp2_ssize count;

    TRACE_NGTCP2_SCOPE(conn->trace);
    if (conn->over) return;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_ccerr_default(&error);
    count = ngtcp2_conn_write_connection_close(conn->ngtcp2, &path.path, NULL, packet, sizeof packet, &error, monotonic_ns());
    if (count > 0) datagram_send(conn, &path.path, packet, (size_t)count);
    conn->over = true;
    TRACE_NGTCP2_CLOSED(conn->trace, 0, &error);
}
