/* SPDX-License-Identifier: MIT
 *
 * One connection: what ngtcp2 calls, reading, and the end.
 *
 * Life: handshake -> established -> closing or draining -> freed by the endpoint.  conn_over is the only way out of the first
 * two, and is never called from inside an ngtcp2 callback. */
#include "qlog_tap.h"
#include "quic_internal.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS_(ms) ((ngtcp2_duration)(ms)*NGTCP2_MILLISECONDS)

const struct trace_node_id *quic_conn_peer(const struct quic_conn *conn) { return conn->has_peer ? &conn->peer_id : NULL; }
const union quic_address *quic_conn_address(const struct quic_conn *conn) { return &conn->remote; }
TRACE_ONLY(const struct trace_context *quic_conn_context(const struct quic_conn *conn) { return &conn->trace.context; })

/* ---- what ngtcp2 calls ------------------------------------------------------------------------------------------------- */

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
    TRACE_ONLY({
        ngtcp2_conn_stat stat;
        ngtcp2_conn_get_conn_stat(ngtcp2, &stat);
        TRACE_CONN_ESTABLISHED(conn->endpoint->config.log, &conn->trace.context, &conn->peer_id, stat.latest_rtt);
    })
    return 0;
}

static int on_stream_open(ngtcp2_conn *ngtcp2, int64_t id, void *arg) {
    struct quic_stream *stream = stream_create(arg, id, NULL);
    if (stream == NULL) return NGTCP2_ERR_CALLBACK_FAILURE;
    return ngtcp2_conn_set_stream_user_data(ngtcp2, id, stream) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_data(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *bytes, size_t count,
                          void *arg, void *stream_arg) {
    struct quic_stream *stream = stream_arg;
    (void)arg;

    if (stream != NULL && stream_received(stream, offset, bytes, count, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) != 0)
        ngtcp2_conn_shutdown_stream(ngtcp2, id, NGTCP2_INTERNAL_ERROR);
    /* The application has taken the bytes: the peer may send as many again. */
    ngtcp2_conn_extend_max_stream_offset(ngtcp2, id, count);
    ngtcp2_conn_extend_max_offset(ngtcp2, count);
    return 0;
}

static int on_stream_close(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t id, uint64_t code, void *arg, void *stream_arg) {
    struct quic_stream *stream = stream_arg;
    bool has_code = (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0;
    (void)arg;

    if (stream != NULL) stream_bury(stream, has_code ? code : 0);
    if (!ngtcp2_conn_is_local_stream(ngtcp2, id)) ngtcp2_conn_extend_max_streams_bidi(ngtcp2, 1);
    return 0;
}

/* Every record of ngtcp2's qlog, whole.  May come once more from ngtcp2_conn_del. */
static void on_qlog(void *arg, uint32_t flags, const void *record, size_t count) {
    struct quic_conn *conn = arg;
    (void)flags;

    if (count == 0) return;
    if (conn->qlog != NULL) fwrite(record, 1, count, conn->qlog);
    TRACE_ONLY(conn_trace_record(conn, record, count);)
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
    settings->initial_rtt = NS_PER_MS_(100); /* peers are near: what is lost in the handshake is sent again after 3 of these */
    settings->handshake_timeout = NS_PER_MS_(HANDSHAKE_TIMEOUT_MS);
    if (conn->qlog != NULL) settings->qlog.write = on_qlog;
    TRACE_ONLY(if (conn->endpoint->config.log != NULL) settings->qlog.write = on_qlog;)
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

/* Makes the ngtcp2 side of a connection; *ret_original is the destination id of the first packet, the same on both ends. */
static int conn_start(struct quic_conn *conn, const ngtcp2_pkt_hd *hd, ngtcp2_cid *ret_original) {
    struct quic_endpoint *endpoint = conn->endpoint;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_path path;
    ngtcp2_cid own = {.datalen = CID_BYTES};
    int rv;

    gnutls_rnd(GNUTLS_RND_NONCE, own.data, own.datalen);
    settings_fill(conn, &settings);
    params_fill(&params);
    conn_path(conn, &path);
    if (hd == NULL) {
        ret_original->datalen = CID_BYTES;
        gnutls_rnd(GNUTLS_RND_NONCE, ret_original->data, ret_original->datalen);
        rv = ngtcp2_conn_client_new(&conn->ngtcp2, ret_original, &own, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &params,
                                    NULL, conn);
    } else {
        *ret_original = hd->dcid;
        settings.qlog.odcid = hd->dcid;
        params.original_dcid = hd->dcid;
        params.stateless_reset_token_present = 1;
        ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, endpoint->secret, sizeof endpoint->secret,
                                                     &own);
        rv = ngtcp2_conn_server_new(&conn->ngtcp2, &hd->scid, &own, &path, hd->version, &callbacks, &settings, &params, NULL,
                                    conn);
    }
    if (rv != 0) return -ENOMEM;
    if (endpoint_cid_add(endpoint, conn, &own) != 0) return -ENOMEM;
    if (hd != NULL && endpoint_cid_add(endpoint, conn, &hd->dcid) != 0) return -ENOMEM;
    return 0;
}

int conn_create(struct quic_conn **ret_conn, struct quic_endpoint *endpoint, const union quic_address *remote,
                const ngtcp2_pkt_hd *hd) {
    struct quic_conn *conn;
    ngtcp2_cid original;
    int rv;

    if (endpoint->conn_count >= CONNS_MAX) return -ENOSPC;
    if ((conn = calloc(1, sizeof *conn)) == NULL) return -ENOMEM;
    conn->endpoint = endpoint;
    conn->remote = *remote;
    conn->state = QUIC_HANDSHAKE;
    conn->tls_ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of_tls, .user_data = conn};
    if (endpoint->config.qlog_dir != NULL) {
        conn->qlog = qlog_file_open(endpoint->config.qlog_dir, endpoint->config.name, endpoint->qlog_count++);
        if (conn->qlog == NULL) fprintf(stderr, "no qlog: %s: %s\n", endpoint->config.qlog_dir, strerror(errno));
    }
    rv = -ENOMEM;
    if (identity_session(endpoint->config.identity, hd == NULL, &conn->tls) != 0) goto fail;
    gnutls_session_set_ptr(conn->tls, &conn->tls_ref);
    if ((rv = conn_start(conn, hd, &original)) != 0) goto fail;
    ngtcp2_conn_set_tls_native_handle(conn->ngtcp2, conn->tls);
    ngtcp2_conn_set_keep_alive_timeout(conn->ngtcp2, NS_PER_MS_(KEEP_ALIVE_MS));

    TRACE_ONLY(conn_trace_begin(conn, &original, hd != NULL);)
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
    if (conn->ngtcp2 != NULL) ngtcp2_conn_del(conn->ngtcp2); /* may write to the qlog once more */
    if (conn->tls != NULL) gnutls_deinit(conn->tls);
    if (conn->qlog != NULL) fclose(conn->qlog);
    streams_free_buried(conn);
    free(conn->goodbye);
    free(conn);
}

/* ---- end --------------------------------------------------------------------------------------------------------------- */

/* The connection is over: nothing goes out any more but goodbyes, and the application hears of it. */
static void conn_over(struct quic_conn *conn, enum quic_state state, uint64_t code, bool by_remote, const char *reason) {
    const struct quic_app *app = &conn->endpoint->config.app;
    bool app_knew = conn->app_knows;

    conn->state = state;
    conn->app_knows = false;
    conn->gone_ns = monotonic_ns() + 3 * ngtcp2_conn_get_pto(conn->ngtcp2);
    if (conn->target != NULL) {
        conn->target->conn = NULL;
        conn->target->dial_ns = monotonic_ns() + REDIAL_MS * NS_PER_MS;
        conn->target = NULL;
    }
    while (conn->streams != NULL) stream_bury(conn->streams, code);
    TRACE_CONN_CLOSED(conn->endpoint->config.log, &conn->trace.context, quic_conn_peer(conn), code, by_remote, reason);
    (void)by_remote, (void)reason;
    if (app_knew) app->peer_left(app->arg, conn);
}

void conn_close(struct quic_conn *conn, int error, const char *reason) {
    ngtcp2_connection_close_error close_error;
    uint8_t packet[PACKET_BYTES_MAX];
    ngtcp2_ssize count;

    if (conn->state >= QUIC_CLOSING) return;
    ngtcp2_connection_close_error_default(&close_error);
    if (error == 0)
        ngtcp2_connection_close_error_set_application_error(&close_error, 0, (const uint8_t *)reason, strlen(reason));
    else if (error == NGTCP2_ERR_CRYPTO)
        ngtcp2_connection_close_error_set_transport_error_tls_alert(&close_error, ngtcp2_conn_get_tls_alert(conn->ngtcp2), NULL,
                                                                    0);
    else
        ngtcp2_connection_close_error_set_transport_error_liberr(&close_error, error, (const uint8_t *)reason, strlen(reason));

    count = ngtcp2_conn_write_connection_close(conn->ngtcp2, NULL, NULL, packet, sizeof packet, &close_error, monotonic_ns());
    if (count > 0) {
        endpoint_send(conn->endpoint, &conn->remote, packet, (size_t)count);
        conn->goodbye = malloc((size_t)count);
        if (conn->goodbye != NULL) {
            memcpy(conn->goodbye, packet, (size_t)count);
            conn->goodbye_bytes = (size_t)count;
            conn->goodbye_left = 3;
        }
    }
    conn_over(conn, QUIC_CLOSING, close_error.error_code, false, reason);
}

static void conn_closed_by_remote(struct quic_conn *conn) {
    ngtcp2_connection_close_error close_error;
    char reason[56] = "";
    size_t count;

    ngtcp2_conn_get_connection_close_error(conn->ngtcp2, &close_error);
    count = close_error.reasonlen < sizeof reason - 1 ? close_error.reasonlen : sizeof reason - 1;
    if (count != 0) memcpy(reason, close_error.reason, count);
    conn_over(conn, QUIC_DRAINING, close_error.error_code, true, reason);
}

/* ---- reading and time -------------------------------------------------------------------------------------------------- */

void conn_read(struct quic_conn *conn, const union quic_address *from, const uint8_t *packet, size_t count) {
    const struct quic_app *app = &conn->endpoint->config.app;
    ngtcp2_path path;
    ngtcp2_pkt_info info = {0};
    union quic_address remote = *from;
    int rv;

    if (conn->state == QUIC_CLOSING) {
        /* Not for ever: the peer may be closing too, and answer each with its own. */
        if (conn->goodbye == NULL || conn->goodbye_left == 0) return;
        conn->goodbye_left--;
        endpoint_send(conn->endpoint, from, conn->goodbye, conn->goodbye_bytes);
        return;
    }
    if (conn->state == QUIC_DRAINING) return;

    conn_path(conn, &path);
    path.remote = (ngtcp2_addr){&remote.any, quic_address_bytes(&remote)};
    rv = ngtcp2_conn_read_pkt(conn->ngtcp2, &path, &info, packet, count, monotonic_ns());
    conn->dirty = true;
    if (rv == NGTCP2_ERR_DRAINING)
        conn_closed_by_remote(conn);
    else if (rv == NGTCP2_ERR_DROP_CONN || rv == NGTCP2_ERR_RETRY)
        conn_over(conn, QUIC_DRAINING, 0, false, "dropped");
    else if (rv != 0 && rv != NGTCP2_ERR_CLOSING)
        conn_close(conn, rv, ngtcp2_strerror(rv));
    TRACE_ONLY(conn_trace_metrics(conn);)
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
    if (rv == NGTCP2_ERR_IDLE_CLOSE)
        conn_over(conn, QUIC_DRAINING, 0, false, "idle timeout");
    else if (rv == NGTCP2_ERR_HANDSHAKE_TIMEOUT)
        conn_over(conn, QUIC_DRAINING, 0, false, "handshake timeout");
    else if (rv != 0)
        conn_close(conn, rv, ngtcp2_strerror(rv));
    TRACE_ONLY(conn_trace_metrics(conn);)
}
