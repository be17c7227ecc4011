/* SPDX-License-Identifier: MIT
 *
 * Differences between ngtcp2 0.12 and 1.x in tokens, versions, paths and early data. */
#ifndef TESTS_HELPERS_QUIC_PEER_NAMES_H
#define TESTS_HELPERS_QUIC_PEER_NAMES_H

#include "ngtcp2_names.h"

#include <string.h>

#define EARLY_PARAMS_BYTES_MAX 512

#if NGTCP2_VERSION_NUM < 0x010000
#define VERSION_2 NGTCP2_PROTO_VER_V2_DRAFT
#define NUM_SCID(conn) ngtcp2_conn_get_num_scid(conn)
#define TOKEN(hd) ((hd)->token.base)
#define TOKEN_BYTES(hd) ((hd)->token.len)
#define available_versions other_versions
#define available_versionslen other_versionslen
#define tls_early_data_rejected early_data_rejected
#define ngtcp2_conn_tls_early_data_rejected ngtcp2_conn_early_data_rejected
#define FALLBACK_PATH

static inline void use_token(ngtcp2_settings *settings, const ngtcp2_pkt_hd *hd, bool of_retry) {
    (void)of_retry;
    settings->token = hd->token;
}

/* What a client has to remember of a connection to send early data on the next.  Returns the number of bytes. */
static inline size_t early_params_get(ngtcp2_conn *conn, uint8_t out[EARLY_PARAMS_BYTES_MAX]) {
    _Static_assert(sizeof(ngtcp2_transport_params) <= EARLY_PARAMS_BYTES_MAX, "there is room");
    memcpy(out, ngtcp2_conn_get_remote_transport_params(conn), sizeof(ngtcp2_transport_params));
    return sizeof(ngtcp2_transport_params);
}

static inline int early_params_set(ngtcp2_conn *conn, const uint8_t *bytes, size_t count) {
    ngtcp2_transport_params params;
    memcpy(&params, bytes, count);
    ngtcp2_conn_set_early_remote_transport_params(conn, &params);
    return 0;
}
#else
#define VERSION_2 NGTCP2_PROTO_VER_V2
#define NUM_SCID(conn) ngtcp2_conn_get_scid(conn, NULL)
#define TOKEN(hd) ((hd)->token)
#define TOKEN_BYTES(hd) ((hd)->tokenlen)
#define FALLBACK_PATH const ngtcp2_path *fallback __attribute__((unused)),

static inline void use_token(ngtcp2_settings *settings, const ngtcp2_pkt_hd *hd, bool of_retry) {
    settings->token = hd->token;
    settings->tokenlen = hd->tokenlen;
    settings->token_type = of_retry ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
}

static inline size_t early_params_get(ngtcp2_conn *conn, uint8_t out[EARLY_PARAMS_BYTES_MAX]) {
    ngtcp2_ssize count = ngtcp2_conn_encode_0rtt_transport_params(conn, out, EARLY_PARAMS_BYTES_MAX);
    return count < 0 ? 0 : (size_t)count;
}

static inline int early_params_set(ngtcp2_conn *conn, const uint8_t *bytes, size_t count) {
    return ngtcp2_conn_decode_and_set_0rtt_transport_params(conn, bytes, count);
}
#endif

#endif
