/* SPDX-License-Identifier: MIT
 *
 * Two connections without a socket: see quic_pair.h. */
#include "quic_pair.h"

#include "ngtcp2_names.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_BYTES_MAX 1500
#define DATAGRAM_NS 1000 /* how long a datagram takes */
#define CID_BYTES 16
#define IDLE_NS (30 * NGTCP2_SECONDS)

static const uint8_t zeros[1 << 16];
const uint8_t quic_pair_reset_token[NGTCP2_STATELESS_RESET_TOKENLEN] = {0x7e, 0x5e, 0x7e, [15] = 1};

__attribute__((noreturn)) static void die(const char *what, int error) {
    fprintf(stderr, "quic_pair: %s: %s\n", what, ngtcp2_strerror(error));
    abort();
}

/* ---- callbacks: each must get the end as user_data ----------------------------------------------------------------------- */

static struct quic_end *end_of(void *user_data) {
    struct quic_end *end = user_data;
    if (!end->other || end->other->other != end) die("user_data does not belong to the user", 0);
    return end;
}

static void on_random(uint8_t *out, size_t count, const ngtcp2_rand_ctx *context) {
    (void)context;
    gnutls_rnd(GNUTLS_RND_NONCE, out, count);
}

static int on_new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t count, void *user_data) {
    (void)conn;
    end_of(user_data);
    gnutls_rnd(GNUTLS_RND_NONCE, cid->data, count);
    cid->datalen = count;
    gnutls_rnd(GNUTLS_RND_NONCE, token, NGTCP2_STATELESS_RESET_TOKENLEN);
    return 0;
}

static int on_handshake_completed(ngtcp2_conn *conn, void *user_data) {
    struct quic_end *end = end_of(user_data);
    struct trace_node_id peer = {{end == &end->pair->ends[0] ? 2 : 1}};
    (void)conn;
    TRACE_NGTCP2_PEER(end->trace, &peer);
    return 0;
}

static int on_stream_open(ngtcp2_conn *conn, int64_t id, void *user_data) {
    (void)conn, (void)id;
    end_of(user_data)->stream_opens++;
    return 0;
}

static int on_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *bytes, size_t count,
                          void *user_data, void *stream_user_data) {
    struct quic_end *end = end_of(user_data);
    (void)flags, (void)offset, (void)bytes, (void)stream_user_data;
    if (end->pair->options.received) end->pair->options.received(end, id);
    end->received += count;
    ngtcp2_conn_extend_max_stream_offset(conn, id, count);
    ngtcp2_conn_extend_max_offset(conn, count);
    return 0;
}

static int on_stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user_data,
                           void *stream_user_data) {
    (void)flags, (void)code, (void)stream_user_data;
    end_of(user_data)->stream_closes++;
    if (!ngtcp2_conn_is_local_stream(conn, id)) ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    return 0;
}

static void on_qlog(void *user_data, uint32_t flags, const void *record, size_t count) {
    struct quic_end *end = end_of(user_data);
    (void)record;
    if (count != 0) end->qlog_records++;
    if (flags & NGTCP2_QLOG_WRITE_FLAG_FIN) end->qlog_ends++;
}

/* ngtcp2's lines begin with "I" and a time. */
__attribute__((format(printf, 2, 3))) static void on_log(void *user_data, const char *format, ...) {
    char text[16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (text[0] == 'I') end_of(user_data)->log_lines++;
}

const ngtcp2_callbacks quic_pair_callbacks = {
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
    .stream_open = on_stream_open,
    .recv_stream_data = on_stream_data,
    .stream_close = on_stream_close,
};

/* ---- beginning ------------------------------------------------------------------------------------------------------------- */

static struct sockaddr_in addresses[2] = {{.sin_family = AF_INET}, {.sin_family = AF_INET}};

static ngtcp2_path path_of(const struct quic_end *end) {
    size_t self = end == &end->pair->ends[0] ? 0 : 1;
    return (ngtcp2_path){.local = {(struct sockaddr *)&addresses[self], sizeof addresses[self]},
                         .remote = {(struct sockaddr *)&addresses[1 - self], sizeof addresses[1 - self]}};
}

static ngtcp2_conn *conn_of_tls(ngtcp2_crypto_conn_ref *ref) { return ((struct quic_end *)ref->user_data)->conn; }

static void fill(const struct quic_pair *pair, ngtcp2_settings *settings, ngtcp2_transport_params *params) {
    ngtcp2_settings_default(settings);
    settings->initial_ts = pair->now_ns;
    if (pair->options.user_qlog) SETTINGS_QLOG(settings) = on_qlog;
    if (pair->options.user_log) settings->log_printf = on_log;
    ngtcp2_transport_params_default(params);
    params->initial_max_streams_bidi = 100;
    params->initial_max_stream_data_bidi_local = params->initial_max_stream_data_bidi_remote = 1 << 20;
    params->initial_max_data = 4 << 20;
    params->max_idle_timeout = IDLE_NS;
}

static void end_open(struct quic_end *end, const ngtcp2_cid *client_id) {
    struct quic_pair *pair = end->pair;
    bool is_client = end == &pair->ends[0];
    ngtcp2_settings own_settings;
    ngtcp2_transport_params params;
    ngtcp2_path path = path_of(end);
    ngtcp2_cid own = {.datalen = CID_BYTES};
    const ngtcp2_callbacks *callbacks = pair->options.callbacks != NULL ? pair->options.callbacks : &quic_pair_callbacks;
    const ngtcp2_settings *settings = &own_settings;
    void *user_data = end;
    int rv;

    fill(pair, &own_settings, &params);
    gnutls_rnd(GNUTLS_RND_NONCE, own.data, own.datalen);
    if (!is_client) {
        SET_ORIGINAL_DCID(&own_settings, &params, pair->original);
        params.stateless_reset_token_present = 1;
        memcpy(params.stateless_reset_token, quic_pair_reset_token, sizeof quic_pair_reset_token);
    }
    TRACE_NGTCP2_CREATE(&end->trace, pair->options.logs[is_client ? 0 : 1], pair->options.source, &callbacks, &settings,
                        &user_data);
    if (is_client)
        rv = ngtcp2_conn_client_new(&end->conn, &pair->original, client_id, &path, NGTCP2_PROTO_VER_V1, callbacks, settings,
                                    &params, NULL, user_data);
    else
        rv = ngtcp2_conn_server_new(&end->conn, client_id, &own, &path, NGTCP2_PROTO_VER_V1, callbacks, settings, &params, NULL,
                                    user_data);
    if (rv != 0) die("no connection", rv);
    if (identity_session(&pair->identity, is_client, &end->tls) != 0) die("no TLS session", 0);
    end->tls_ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of_tls, .user_data = end};
    gnutls_session_set_ptr(end->tls, &end->tls_ref);
    ngtcp2_conn_set_tls_native_handle(end->conn, end->tls);
}

void quic_pair_open(struct quic_pair *pair, const struct quic_pair_options *options) {
    ngtcp2_cid client_id = {.datalen = CID_BYTES};

    *pair = (struct quic_pair){.options = *options, .now_ns = NGTCP2_SECONDS, .original = {.datalen = CID_BYTES}};
    for (size_t i = 0; i < 2; i++) {
        addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        addresses[i].sin_port = htons((uint16_t)(4000 + i));
        pair->ends[i] = (struct quic_end){.pair = pair, .other = &pair->ends[1 - i], .out_id = -1};
    }
    if (identity_init(&pair->identity, "pair") != 0) die("no certificate", 0);
    gnutls_rnd(GNUTLS_RND_NONCE, pair->original.data, CID_BYTES);
    gnutls_rnd(GNUTLS_RND_NONCE, client_id.data, CID_BYTES);
    for (size_t i = 0; i < 2; i++) end_open(&pair->ends[i], &client_id);
    quic_pair_run(pair);
    for (size_t i = 0; i < 2; i++)
        if (!ngtcp2_conn_get_handshake_completed(pair->ends[i].conn)) die("no handshake", 0);
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------------- */

static struct trace_ngtcp2 *scope_of(const struct quic_end *end) { return end->pair->options.unscoped ? NULL : end->trace; }

void quic_pair_deliver(struct quic_end *end, const uint8_t *packet, size_t count) {
    struct quic_pair *pair = end->pair;
    ngtcp2_path path = path_of(end);
    ngtcp2_pkt_info info = {0};

    TRACE_NGTCP2_SCOPE(scope_of(end));
    pair->datagrams++;
    pair->now_ns += DATAGRAM_NS;
    if (pair->options.drop_larger != 0 && count > pair->options.drop_larger) return;
    if (pair->drop_every != 0 && pair->datagrams % pair->drop_every == 0) return;
    end->result = ngtcp2_conn_read_pkt(end->conn, &path, &info, packet, count, pair->now_ns);
    if (end->result != 0 && end->result != NGTCP2_ERR_DRAINING) die("reading", end->result);
}

/* Writes one datagram, and delivers it.  Returns false when there was none to write. */
static bool write_one(struct quic_end *end) {
    uint8_t packet[PACKET_BYTES_MAX];
    size_t piece = end->out_left < sizeof zeros ? end->out_left : sizeof zeros;
    bool fin = piece == end->out_left;
    ngtcp2_vec vec = {(uint8_t *)(uintptr_t)zeros, piece};
    ngtcp2_path_storage path;
    ngtcp2_ssize taken = -1, count;

    TRACE_NGTCP2_SCOPE(scope_of(end));
    ngtcp2_path_storage_zero(&path);
    count = ngtcp2_conn_writev_stream(end->conn, &path.path, NULL, packet, sizeof packet, &taken,
                                      fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0, end->out_id, &vec, 1, end->pair->now_ns);
    TRACE_NGTCP2_STREAM_WRITTEN(end->trace, count, taken, fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0, end->out_id, &vec, 1);
    if (count == NGTCP2_ERR_STREAM_DATA_BLOCKED)
        count = ngtcp2_conn_write_pkt(end->conn, &path.path, NULL, packet, sizeof packet, end->pair->now_ns);
    if (count < 0) die("writing", (int)count);
    if (taken >= 0) {
        bool ends = fin && (size_t)taken == piece;
        end->out_left -= (size_t)taken;
        if (ends) end->out_id = -1;
    }
    if (count > 0) quic_pair_deliver(end->other, packet, (size_t)count);
    return count > 0;
}

static bool has_written(const struct quic_end *end) {
    return end->out_id == -1 && ngtcp2_conn_get_handshake_completed(end->conn);
}

static bool is_done(const struct quic_end *end) {
    ngtcp2_conn_info stat;
    ngtcp2_conn_get_conn_info(end->conn, &stat);
    return has_written(end) && stat.bytes_in_flight == 0;
}

void quic_pair_run(struct quic_pair *pair) {
    struct quic_end *ends = pair->ends;

    for (;;) {
        bool wrote = false;
        uint64_t next;
        for (size_t i = 0; i < 2; i++)
            while (write_one(&ends[i])) wrote = true;
        if (wrote) continue;
        if (is_done(&ends[0]) && is_done(&ends[1])) return;
        next = ngtcp2_conn_get_expiry(ends[0].conn);
        if (ngtcp2_conn_get_expiry(ends[1].conn) < next) next = ngtcp2_conn_get_expiry(ends[1].conn);
        /* ngtcp2 1.0 may leave packets in flight that it neither retransmits nor gives up: then only the idle timers run. */
        if (has_written(&ends[0]) && has_written(&ends[1]) && next > pair->now_ns + IDLE_NS / 2) return;
        if (next > pair->now_ns) pair->now_ns = next;
        for (size_t i = 0; i < 2; i++) {
            int rv =
                ngtcp2_conn_get_expiry(ends[i].conn) <= pair->now_ns ? ngtcp2_conn_handle_expiry(ends[i].conn, pair->now_ns) : 0;
            if (rv != 0) die("a timer", rv);
        }
    }
}

/* ---- streams, and the end ---------------------------------------------------------------------------------------------- */

void quic_pair_answer(struct quic_end *end, int64_t stream_id, size_t count) {
    end->out_id = stream_id;
    end->out_left = count;
}

int64_t quic_pair_send(struct quic_end *end, size_t count, const struct trace_context *context) {
    int64_t id;
    if (ngtcp2_conn_open_bidi_stream(end->conn, &id, NULL) != 0) die("no stream", 0);
    if (context) TRACE_NGTCP2_STREAM(end->trace, id, context);
    quic_pair_answer(end, id, count);
    return id;
}

void quic_pair_say_goodbye(struct quic_end *end, uint64_t code, const char *reason) {
    uint8_t packet[PACKET_BYTES_MAX];
    ngtcp2_ccerr error;
    ngtcp2_ssize count;

    TRACE_NGTCP2_SCOPE(scope_of(end));
    ngtcp2_ccerr_default(&error);
    ngtcp2_ccerr_set_application_error(&error, code, (const uint8_t *)reason, strlen(reason));
    count = ngtcp2_conn_write_connection_close(end->conn, NULL, NULL, packet, sizeof packet, &error, end->pair->now_ns);
    if (count <= 0) die("no goodbye", (int)count);
    TRACE_NGTCP2_CLOSED(end->trace, 0, &error);
    quic_pair_deliver(end->other, packet, (size_t)count);
    if (end->other->result == NGTCP2_ERR_DRAINING) TRACE_NGTCP2_CLOSED(end->other->trace, end->other->result, NULL);
}

void quic_pair_move_client(struct quic_pair *pair, uint16_t port) {
    struct quic_end *client = &pair->ends[0];
    addresses[0].sin_port = htons(port);
    ngtcp2_path path = path_of(client);
    int rv = ngtcp2_conn_initiate_immediate_migration(client->conn, &path, pair->now_ns);
    if (rv != 0) die("moving", rv);
}

void quic_pair_close(struct quic_pair *pair) {
    for (size_t i = 0; i < 2; i++) {
        ngtcp2_conn_del(pair->ends[i].conn);
        TRACE_NGTCP2_DESTROY(pair->ends[i].trace);
        gnutls_deinit(pair->ends[i].tls);
    }
    identity_fini(&pair->identity);
}
