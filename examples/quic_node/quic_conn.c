/* SPDX-License-Identifier: MIT
 *
 * One connection: ngtcp2's callbacks, reading, and closing.
 *
 * States: handshake -> established -> closing or draining -> freed by the endpoint.  Only conn_over leaves the first
 * two, and it is never called from inside an ngtcp2 callback. */
#include "quic_internal.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS_(ms) ((ngtcp2_duration)(ms)*NGTCP2_MILLISECONDS)

const struct trace_node_id *quic_conn_peer(const struct quic_conn *conn) { return conn->has_peer ? &conn->peer_id : NULL; }
const union quic_address *quic_conn_address(const struct quic_conn *conn) { return &conn->remote; }
TRACE_ONLY(const struct trace_context *quic_conn_context(const struct quic_conn *conn) {
    return trace_ngtcp2_context(conn->trace);
})

/* ---- ngtcp2's callbacks ------------------------------------------------------------------------------------------------ */

static void on_random(uint8_t *out, size_t count, const ngtcp2_rand_ctx *context) {
    (void)context;
    gnutls_rnd(GNUTLS_RND_NONCE, out, count);
}

static int on_new_cid(ngtcp2_conn *ngtcp2, ngtcp2_cid *cid, uint8_t *token, size_t cid_bytes, void *arg) {
    struct quic_conn *conn = arg;
    struct quic_endpoint *endpoint = conn->endpoint;
    (void)ngtcp2;

    if (gnutls_rnd(GNUTLS_RND_NONCE, cid->data, cid_bytes) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
    cid->datalen = cid_bytes;
    if (ngtcp2_crypto_generate_stateless_reset_token(token, endpoint->secret, sizeof endpoint->secret, cid) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return endpoint_cid_add(endpoint, conn, cid) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_old_cid(ngtcp2_conn *ngtcp2, const ngtcp2_cid *cid, void *arg) {
    struct quic_conn *conn = arg;
    (void)ngtcp2;
    endpoint_cid_remove(conn->endpoint, cid);
    return 0;
}

static int on_handshake_completed(ngtcp2_conn *ngtcp2, void *arg) {
    struct quic_conn *conn = arg;
    (void)ngtcp2;

    if (identity_of_peer(conn->tls, &conn->peer_id) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
    if (memcmp(&conn->peer_id, &conn->endpoint->config.identity->id, sizeof conn->peer_id) == 0)
        return NGTCP2_ERR_CALLBACK_FAILURE; /* we dialled ourselves */
    conn->has_peer = true;
    conn->state = QUIC_ESTABLISHED;
    TRACE_NGTCP2_PEER(conn->trace, &conn->peer_id);
    return 0;
}

static int on_stream_open(ngtcp2_conn *ngtcp2, int64_t id, void *arg) {
    struct quic_stream *stream = stream_create(arg, id, NULL);
    if (!stream) return NGTCP2_ERR_CALLBACK_FAILURE;
    return ngtcp2_conn_set_stream_user_data(ngtcp2, id, stream) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_data(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *bytes, size_t count,
                          void *arg, void *stream_arg) {
    struct quic_stream *stream = stream_arg;
    (void)arg, (void)offset;

    if (stream && stream_received(stream, bytes, count, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) != 0)
        ngtcp2_conn_shutdown_stream(ngtcp2, 0, id, NGTCP2_INTERNAL_ERROR);
    /* The application has consumed the bytes: the peer may send that many more. */
    ngtcp2_conn_extend_max_stream_offset(ngtcp2, id, count);
    ngtcp2_conn_extend_max_offset(ngtcp2, count);
    return 0;
}

static int on_stream_close(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t id, uint64_t code, void *arg, void *stream_arg) {
    struct quic_stream *stream = stream_arg;
    (void)arg, (void)flags, (void)code;

    if (stream) stream_bury(stream);
    if (!ngtcp2_conn_is_local_stream(ngtcp2, id)) ngtcp2_conn_extend_max_streams_bidi(ngtcp2, 1);
    return 0;
}

/* ngtcp2_conn_del may call this once more. */
static void on_qlog(void *arg, uint32_t flags, const void *record, size_t count) {
    struct quic_conn *conn = arg;
    (void)flags;
    if (count != 0) fwrite(record, 1, count, conn->qlog);
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
    .remove_connection_id = on_old_cid,
    .handshake_completed = on_handshake_completed,
    .stream_open = on_stream_open,
    .recv_stream_data = on_stream_data,
    .stream_close = on_stream_close,
};

static ngtcp2_conn *conn_of_tls(ngtcp2_crypto_conn_ref *ref) { return ((struct quic_conn *)ref->user_data)->ngtcp2; }

/* ---- beginning --------------------------------------------------------------------------------------------------------- */

void conn_path(struct quic_conn *conn, ngtcp2_path *path) {
    union quic_address *local = &conn->endpoint->local;
    path->local = (ngtcp2_addr){&local->any, quic_address_bytes(local)};
    path->remote = (ngtcp2_addr){&conn->remote.any, quic_address_bytes(&conn->remote)};
    path->user_data = NULL;
}

static void settings_fill(struct quic_conn *conn, ngtcp2_settings *settings) {
    ngtcp2_settings_default(settings);
    settings->initial_ts = monotonic_ns();
    settings->initial_rtt = NS_PER_MS_(100); /* peers are near: losses in the handshake are sent again after 3 of these */
    settings->handshake_timeout = NS_PER_MS_(HANDSHAKE_TIMEOUT_MS);
    if (conn->qlog) SETTINGS_QLOG(settings) = on_qlog;
}

static void params_fill(ngtcp2_transport_params *params) {
    ngtcp2_transport_params_default(params);
    params->initial_max_streams_bidi = STREAMS_BIDI_MAX;
    params->initial_max_stream_data_bidi_local = 256 * 1024;
    params->initial_max_stream_data_bidi_remote = 256 * 1024;
    params->initial_max_data = 1024 * 1024;
    params->max_idle_timeout = NS_PER_MS_(IDLE_TIMEOUT_MS);
    params->active_connection_id_limit = 4;
}

/* When accepting: what the peer's first packet determines. */
static void accept_fill(struct quic_endpoint *endpoint, const ngtcp2_pkt_hd *hd, const ngtcp2_cid *own, ngtcp2_settings *settings,
                        ngtcp2_transport_params *params) {
    SET_ORIGINAL_DCID(settings, params, hd->dcid);
    params->stateless_reset_token_present = 1;
    ngtcp2_crypto_generate_stateless_reset_token(params->stateless_reset_token, endpoint->secret, sizeof endpoint->secret, own);
}

/* Creates the ngtcp2 side of a connection. */
static int conn_start(struct quic_conn *conn, const ngtcp2_pkt_hd *hd) {
    struct quic_endpoint *endpoint = conn->endpoint;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_path path;
    ngtcp2_cid own = {.datalen = CID_BYTES}, original = {.datalen = CID_BYTES};
    /* Tracing replaces these three by its own, which call ours. */
    const ngtcp2_callbacks *used_callbacks = &callbacks;
    const ngtcp2_settings *used_settings = &settings;
    void *arg = conn;
    int rv;

    gnutls_rnd(GNUTLS_RND_NONCE, own.data, own.datalen);
    settings_fill(conn, &settings);
    params_fill(&params);
    conn_path(conn, &path);
    if (hd) accept_fill(endpoint, hd, &own, &settings, &params);
    TRACE_NGTCP2_CREATE(&conn->trace, endpoint->config.log, endpoint->config.trace_source, &used_callbacks, &used_settings, &arg);
    if (!hd) {
        gnutls_rnd(GNUTLS_RND_NONCE, original.data, original.datalen);
        rv = ngtcp2_conn_client_new(&conn->ngtcp2, &original, &own, &path, NGTCP2_PROTO_VER_V1, used_callbacks, used_settings,
                                    &params, NULL, arg);
    } else {
        rv = ngtcp2_conn_server_new(&conn->ngtcp2, &hd->scid, &own, &path, hd->version, used_callbacks, used_settings, &params,
                                    NULL, arg);
    }
    if (rv != 0) return -ENOMEM;
    if (endpoint_cid_add(endpoint, conn, &own) != 0) return -ENOMEM;
    if (hd && endpoint_cid_add(endpoint, conn, &hd->dcid) != 0) return -ENOMEM;
    return 0;
}

/* Creates DIR/NAME-NUMBER.sqlog for the connection's qlog.  NULL, with errno, if that fails. */
static FILE *qlog_open(struct quic_endpoint *endpoint) {
    char path[4096];
    int count =
        snprintf(path, sizeof path, "%s/%s-%u.sqlog", endpoint->config.qlog_dir, endpoint->config.name, endpoint->qlog_count++);
    return count < 0 || (size_t)count >= sizeof path ? NULL : fopen(path, "we");
}

int conn_create(struct quic_conn **ret_conn, struct quic_endpoint *endpoint, const union quic_address *remote,
                const ngtcp2_pkt_hd *hd) {
    struct quic_conn *conn;
    int rv;

    if (endpoint->conn_count >= CONNS_MAX) return -ENOSPC;
    if ((conn = calloc(1, sizeof *conn)) == NULL) return -ENOMEM;
    conn->endpoint = endpoint;
    conn->remote = *remote;
    conn->state = QUIC_HANDSHAKE;
    conn->tls_ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of_tls, .user_data = conn};
    if (endpoint->config.qlog_dir) {
        conn->qlog = qlog_open(endpoint);
        if (!conn->qlog) fprintf(stderr, "no qlog: %s: %s\n", endpoint->config.qlog_dir, strerror(errno));
    }
    rv = -ENOMEM;
    if (identity_session(endpoint->config.identity, !hd, &conn->tls) != 0) goto fail;
    gnutls_session_set_ptr(conn->tls, &conn->tls_ref);
    if ((rv = conn_start(conn, hd)) != 0) goto fail;
    ngtcp2_conn_set_tls_native_handle(conn->ngtcp2, conn->tls);
    ngtcp2_conn_set_keep_alive_timeout(conn->ngtcp2, NS_PER_MS_(KEEP_ALIVE_MS));

    conn->dirty = true;
    conn->next = endpoint->conns;
    endpoint->conns = conn;
    endpoint->conn_count++;
    *ret_conn = conn;
    return 0;
fail:
    conn_destroy(conn);
    return rv;
}

void conn_destroy(struct quic_conn *conn) {
    endpoint_cid_remove_all(conn->endpoint, conn);
    if (conn->ngtcp2) ngtcp2_conn_del(conn->ngtcp2); /* calls back once more */
    TRACE_NGTCP2_DESTROY(conn->trace);
    if (conn->tls) gnutls_deinit(conn->tls);
    if (conn->qlog) fclose(conn->qlog);
    streams_free_buried(conn);
    free(conn->goodbye);
    free(conn);
}

/* ---- end --------------------------------------------------------------------------------------------------------------- */

/* The connection is over: it sends only closing packets from now on, and the application is notified. */
static void conn_over(struct quic_conn *conn, enum quic_state state) {
    const struct quic_app *app = &conn->endpoint->config.app;
    bool app_knew = conn->app_knows;

    conn->state = state;
    conn->app_knows = false;
    conn->gone_ns = monotonic_ns() + 3 * ngtcp2_conn_get_pto(conn->ngtcp2);
    if (conn->target) {
        conn->target->conn = NULL;
        conn->target->dial_ns = monotonic_ns() + REDIAL_MS * NS_PER_MS;
        conn->target = NULL;
    }
    while (conn->streams) stream_bury(conn->streams);
    if (app_knew) app->peer_left(app->arg, conn);
}

void conn_close(struct quic_conn *conn, int error, const char *reason) {
    ngtcp2_ccerr close_error;
    uint8_t packet[PACKET_BYTES_MAX];
    ngtcp2_ssize count;

    TRACE_NGTCP2_SCOPE(conn->trace);
    if (conn->state >= QUIC_CLOSING) return;
    ngtcp2_ccerr_default(&close_error);
    if (error == 0)
        ngtcp2_ccerr_set_application_error(&close_error, 0, (const uint8_t *)reason, strlen(reason));
    else if (error == NGTCP2_ERR_CRYPTO)
        ngtcp2_ccerr_set_tls_alert(&close_error, ngtcp2_conn_get_tls_alert(conn->ngtcp2), NULL, 0);
    else
        ngtcp2_ccerr_set_liberr(&close_error, error, (const uint8_t *)reason, strlen(reason));

    count = ngtcp2_conn_write_connection_close(conn->ngtcp2, NULL, NULL, packet, sizeof packet, &close_error, monotonic_ns());
    if (count > 0) {
        endpoint_send(conn->endpoint, &conn->remote, packet, (size_t)count);
        conn->goodbye = malloc((size_t)count);
        if (conn->goodbye) {
            memcpy(conn->goodbye, packet, (size_t)count);
            conn->goodbye_bytes = (size_t)count;
            conn->goodbye_left = 3;
        }
    }
    TRACE_NGTCP2_CLOSED(conn->trace, 0, &close_error);
    conn_over(conn, QUIC_CLOSING);
}

/* The peer closed the connection, or was silent for too long: ngtcp2's `result` says which. */
static void conn_gone(struct quic_conn *conn, int result) {
    TRACE_NGTCP2_CLOSED(conn->trace, result, NULL);
    conn_over(conn, QUIC_DRAINING);
}

/* ---- reading and time -------------------------------------------------------------------------------------------------- */

void conn_read(struct quic_conn *conn, const union quic_address *from, const uint8_t *packet, size_t count) {
    const struct quic_app *app = &conn->endpoint->config.app;
    ngtcp2_path path;
    ngtcp2_pkt_info info = {0};
    union quic_address remote = *from;
    int rv;

    TRACE_NGTCP2_SCOPE(conn->trace);
    if (conn->state == QUIC_CLOSING) {
        /* Not forever: the peer may be closing, too, and answer each with its own. */
        if (!conn->goodbye || conn->goodbye_left == 0) return;
        conn->goodbye_left--;
        endpoint_send(conn->endpoint, from, conn->goodbye, conn->goodbye_bytes);
        return;
    }
    if (conn->state == QUIC_DRAINING) return;

    conn_path(conn, &path);
    path.remote = (ngtcp2_addr){&remote.any, quic_address_bytes(&remote)};
    rv = ngtcp2_conn_read_pkt(conn->ngtcp2, &path, &info, packet, count, monotonic_ns());
    conn->dirty = true;
    if (rv == NGTCP2_ERR_DRAINING || rv == NGTCP2_ERR_DROP_CONN || rv == NGTCP2_ERR_RETRY)
        conn_gone(conn, rv);
    else if (rv != 0 && rv != NGTCP2_ERR_CLOSING)
        conn_close(conn, rv, ngtcp2_strerror(rv));
    streams_free_buried(conn);

    if (conn->state == QUIC_ESTABLISHED && !conn->app_knows) {
        conn->app_knows = true;
        app->peer_joined(app->arg, conn);
    }
}

uint64_t conn_expiry(const struct quic_conn *conn) {
    if (conn->state >= QUIC_CLOSING) return conn->gone_ns;
    if (conn->dirty) return 0;
    return ngtcp2_conn_get_expiry(conn->ngtcp2);
}

void conn_expire(struct quic_conn *conn, uint64_t now) {
    int rv;
    if (conn->state >= QUIC_CLOSING || ngtcp2_conn_get_expiry(conn->ngtcp2) > now) return;
    rv = ngtcp2_conn_handle_expiry(conn->ngtcp2, now);
    conn->dirty = true;
    if (rv == NGTCP2_ERR_IDLE_CLOSE || rv == NGTCP2_ERR_HANDSHAKE_TIMEOUT)
        conn_gone(conn, rv);
    else if (rv != 0)
        conn_close(conn, rv, ngtcp2_strerror(rv));
}
