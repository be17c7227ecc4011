/* SPDX-License-Identifier: MIT
 *
 * Between ngtcp2 and the user.  ngtcp2's user_data is the connection's tracing, so we replace every callback that carries
 * user_data, to pass on the user's; also those that we do not trace (ngtcp2_callbacks.def).  A callback that the user did not
 * set stays unset, unless we trace it.
 *
 * Order: an event is emitted before the user's callback runs, so that it precedes the user's own events.  The exception is the
 * end of the handshake, where the user has to set the peer first. */
#include "ngtcp2_callbacks.h"

#include "ngtcp2_events.h"

#include <stdarg.h>
#include <stdio.h>

/* A piece of a parameter list that only 1.x has, or only 0.12. */
#if NGTCP2_VERSION_NUM >= 0x010000
#define IF_0(...)
#define IF_1(...) __VA_ARGS__
#else
#define IF_0(...) __VA_ARGS__
#define IF_1(...)
#endif

#define PASS_ON(name, parameters, arguments) +1
enum {
    PASSED_ON = 0
#include "ngtcp2_callbacks.def"
};

/* A callback of ngtcp2 that we do not know would pass our user_data to the user.  15 more are replaced below, some only where
 * ngtcp2 has them, and 4 carry no user_data.  If a newer ngtcp2 fails here, add its callbacks to ngtcp2_callbacks.def. */
#define TAKEN (15 + (NGTCP2_CALLBACKS >= 3) + (NGTCP2_CALLBACKS >= 5))
_Static_assert(sizeof(ngtcp2_callbacks) == (PASSED_ON + TAKEN + 4) * sizeof(void (*)(void)),
               "all callbacks of this ngtcp2 are known");

/* ---- callbacks that are traced ------------------------------------------------------------------------------------------ */

static int on_client_initial(ngtcp2_conn *conn, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__begin(trace, conn);
    return trace->user.client_initial(conn, trace->user_data);
}

static int on_recv_client_initial(ngtcp2_conn *conn, const ngtcp2_cid *dcid, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__begin(trace, conn);
    return trace->user.recv_client_initial(conn, dcid, trace->user_data);
}

static int on_handshake_completed(ngtcp2_conn *conn, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    int rv = trace->user.handshake_completed ? trace->user.handshake_completed(conn, trace->user_data) : 0;
    if (rv == 0) trace_ngtcp2__established(trace);
    return rv;
}

static int on_stream_open(ngtcp2_conn *conn, int64_t stream_id, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__stream_opened(trace, stream_id);
    return trace->user.stream_open ? trace->user.stream_open(conn, stream_id, trace->user_data) : 0;
}

static int on_recv_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t stream_id, uint64_t offset, const uint8_t *data,
                               size_t datalen, void *user_data, void *stream_user_data) {
    struct trace_ngtcp2 *trace = user_data;
    struct trace_ngtcp2_pending bytes = {true, stream_id, offset, (uint32_t)datalen, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0};
    int rv = 0;

    trace_ngtcp2__stream_received(trace, &bytes);
    if (trace->user.recv_stream_data)
        rv = trace->user.recv_stream_data(conn, flags, stream_id, offset, data, datalen, trace->user_data, stream_user_data);
    trace_ngtcp2__flush(trace);
    return rv;
}

static int on_stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t stream_id, uint64_t code, void *user_data,
                           void *stream_user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__stream_closed(trace, stream_id, flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET ? code : 0);
    if (!trace->user.stream_close) return 0;
    return trace->user.stream_close(conn, flags, stream_id, code, trace->user_data, stream_user_data);
}

#if NGTCP2_CALLBACKS >= 5
/* The two directions may end with different codes; we report the one that is an error. */
static int on_stream_close2(ngtcp2_conn *conn, uint32_t flags, int64_t stream_id, uint64_t rx_code, uint64_t tx_code,
                            void *user_data, void *stream_user_data) {
    struct trace_ngtcp2 *trace = user_data;
    uint64_t rx = flags & NGTCP2_STREAM_CLOSE2_FLAG_RX_APP_ERROR_CODE_SET ? rx_code : 0;
    uint64_t tx = flags & NGTCP2_STREAM_CLOSE2_FLAG_TX_APP_ERROR_CODE_SET ? tx_code : 0;

    trace_ngtcp2__stream_closed(trace, stream_id, rx != 0 ? rx : tx);
    return trace->user.stream_close2(conn, flags, stream_id, rx_code, tx_code, trace->user_data, stream_user_data);
}
#endif

/* ---- events of the connection -------------------------------------------------------------------------------------------- */

static int on_recv_retry(ngtcp2_conn *conn, const ngtcp2_pkt_hd *hd, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__retried(trace);
    return trace->user.recv_retry(conn, hd, trace->user_data);
}

static int on_recv_version_negotiation(ngtcp2_conn *conn, const ngtcp2_pkt_hd *hd, const uint32_t *versions, size_t count,
                                       void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__version(trace, 0);
    return trace->user.recv_version_negotiation
               ? trace->user.recv_version_negotiation(conn, hd, versions, count, trace->user_data)
               : 0;
}

static int on_version_negotiation(ngtcp2_conn *conn, uint32_t version, const ngtcp2_cid *dcid, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__version(trace, version);
    return trace->user.version_negotiation(conn, version, dcid, trace->user_data);
}

static int on_recv_stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *reset, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__reset(trace);
    return trace->user.recv_stateless_reset ? trace->user.recv_stateless_reset(conn, reset, trace->user_data) : 0;
}

#if NGTCP2_CALLBACKS >= 3
static int on_recv_stateless_reset2(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset2 *reset, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__reset(trace);
    return trace->user.recv_stateless_reset2(conn, reset, trace->user_data);
}
#endif

static int on_path_validation(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,
                              IF_1(const ngtcp2_path *fallback, ) ngtcp2_path_validation_result result, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) trace_ngtcp2__path(trace, path);
    if (!trace->user.path_validation) return 0;
    return trace->user.path_validation(conn, flags, path, IF_1(fallback, ) result, trace->user_data);
}

/* ngtcp2 has the next keys made in advance: the first time before any update, and then once the last update was confirmed. */
static int on_update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx_ctx,
                         uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx_ctx, uint8_t *tx_iv, const uint8_t *old_rx_secret,
                         const uint8_t *old_tx_secret, size_t count, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__keys_made(trace);
    return trace->user.update_key(conn, rx_secret, tx_secret, rx_ctx, rx_iv, tx_ctx, tx_iv, old_rx_secret, old_tx_secret, count,
                                  trace->user_data);
}

static int on_early_data_rejected(ngtcp2_conn *conn, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace_ngtcp2__early_data_rejected(trace);
    if (!trace->user.EARLY_DATA_REJECTED) return 0;
    return trace->user.EARLY_DATA_REJECTED(conn, trace->user_data);
}

/* Each call has one whole record; ngtcp2_conn_del writes the last. */
static void on_qlog(void *user_data, uint32_t flags, const void *record, size_t count) {
    struct trace_ngtcp2 *trace = user_data;
    struct trace_ngtcp2_packet packet;

    if (trace->user_qlog) trace->user_qlog(trace->user_data, flags, record, count);
    if (trace->source != TRACE_NGTCP2_QLOG && trace->source != TRACE_NGTCP2_CRYPTO_LOST) return;
    if (!trace_ngtcp2__wants_packets(trace)) return;
    if (trace_ngtcp2__qlog_packet(&packet, record, count, trace->source == TRACE_NGTCP2_CRYPTO_LOST))
        trace_ngtcp2__packet(trace, &packet);
}

/* ---- callbacks that are passed on ---------------------------------------------------------------------------------------- */

/* The user's function is variadic and cannot take a va_list, so it gets the formatted text.  ngtcp2's lines are shorter than
 * that. */
__attribute__((format(printf, 2, 3))) static void on_printf(void *user_data, const char *format, ...) {
    struct trace_ngtcp2 *trace = user_data;
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace->user_printf(trace->user_data, "%s", text);
}

#if NGTCP2_SETTINGS >= 4
static void on_log(void *user_data, char *text, size_t count) {
    struct trace_ngtcp2 *trace = user_data;
    trace->user_log(trace->user_data, text, count);
}
#endif

static void on_delete_crypto_aead_ctx(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *ctx, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace->user.delete_crypto_aead_ctx(conn, ctx, trace->user_data);
}

static void on_delete_crypto_cipher_ctx(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *ctx, void *user_data) {
    struct trace_ngtcp2 *trace = user_data;
    trace->user.delete_crypto_cipher_ctx(conn, ctx, trace->user_data);
}

#define MINE ((struct trace_ngtcp2 *)user_data)->user_data
#define PASS_ON(name, parameters, arguments) \
    static int on_##name parameters { return ((struct trace_ngtcp2 *)user_data)->user.name arguments; }
#include "ngtcp2_callbacks.def"

void trace_ngtcp2__take_callbacks(struct trace_ngtcp2 *trace) {
    ngtcp2_callbacks *callbacks = &trace->callbacks;
    ngtcp2_settings *settings = &trace->settings;

    if (callbacks->client_initial) callbacks->client_initial = on_client_initial;
    if (callbacks->recv_client_initial) callbacks->recv_client_initial = on_recv_client_initial;
    callbacks->handshake_completed = on_handshake_completed;
    callbacks->stream_open = on_stream_open;
    callbacks->recv_stream_data = on_recv_stream_data;
    callbacks->stream_close = on_stream_close;
#if NGTCP2_CALLBACKS >= 5
    if (callbacks->stream_close2) callbacks->stream_close2 = on_stream_close2; /* then ngtcp2 does not call stream_close */
#endif
    if (callbacks->recv_retry) callbacks->recv_retry = on_recv_retry; /* required of a client: its absence is the user's error */
    callbacks->recv_version_negotiation = on_recv_version_negotiation;
    if (callbacks->version_negotiation) callbacks->version_negotiation = on_version_negotiation;
    callbacks->recv_stateless_reset = on_recv_stateless_reset;
#if NGTCP2_CALLBACKS >= 3
    if (callbacks->recv_stateless_reset2) callbacks->recv_stateless_reset2 = on_recv_stateless_reset2;
#endif
    callbacks->path_validation = on_path_validation;
    if (callbacks->update_key) callbacks->update_key = on_update_key;
    callbacks->EARLY_DATA_REJECTED = on_early_data_rejected;
    if (callbacks->delete_crypto_aead_ctx) callbacks->delete_crypto_aead_ctx = on_delete_crypto_aead_ctx;
    if (callbacks->delete_crypto_cipher_ctx) callbacks->delete_crypto_cipher_ctx = on_delete_crypto_cipher_ctx;
#define PASS_ON(name, parameters, arguments) \
    if (callbacks->name) callbacks->name = on_##name;
#include "ngtcp2_callbacks.def"
    trace->user_qlog = NGTCP2_QLOG_OF(settings);
    if (trace->source == TRACE_NGTCP2_QLOG || trace->source == TRACE_NGTCP2_CRYPTO_LOST || NGTCP2_QLOG_OF(settings))
        NGTCP2_QLOG_OF(settings) = on_qlog;
    trace->user_printf = settings->log_printf;
    if (settings->log_printf) settings->log_printf = on_printf;
#if NGTCP2_SETTINGS >= 4
    trace->user_log = settings->log_write;
    if (settings->log_write) settings->log_write = on_log;
#endif
}
