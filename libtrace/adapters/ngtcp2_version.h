/* SPDX-License-Identifier: MIT
 *
 * The names that differ between ngtcp2 0.12 and 1.x.  The version is that of the headers that the adapter is compiled with.
 * The program must use the same headers: ngtcp2's structs grow, and the adapter copies them. */
#ifndef TRACE_ADAPTERS_NGTCP2_VERSION_H
#define TRACE_ADAPTERS_NGTCP2_VERSION_H

#include <ngtcp2/ngtcp2.h>

#if NGTCP2_VERSION_NUM < 0x000c00 || (NGTCP2_VERSION_NUM >= 0x000d00 && NGTCP2_VERSION_NUM < 0x010000)
#error "the adapter needs ngtcp2 0.12 or 1.x: the versions between them differ from both"
#elif NGTCP2_VERSION_NUM < 0x010000

typedef ngtcp2_crypto_level trace_ngtcp2_level;
typedef ngtcp2_conn_stat trace_ngtcp2_stat;
#define NGTCP2_GET_STAT(conn, stat) ngtcp2_conn_get_conn_stat(conn, stat)
#define NGTCP2_QLOG_OF(settings) ((settings)->qlog.write)
#define NGTCP2_VERSION_2_DRAFT NGTCP2_PROTO_VER_V2_DRAFT
#define EARLY_DATA_REJECTED early_data_rejected

/* The close that the peer sent; `space` is used if the library returns a copy. */
static inline const ngtcp2_connection_close_error *trace_ngtcp2__close_of(ngtcp2_conn *conn,
                                                                          ngtcp2_connection_close_error *space) {
    ngtcp2_conn_get_connection_close_error(conn, space);
    return space;
}

#else

typedef ngtcp2_encryption_level trace_ngtcp2_level;
typedef ngtcp2_conn_info trace_ngtcp2_stat;
#define NGTCP2_GET_STAT(conn, stat) ngtcp2_conn_get_conn_info(conn, stat)
#define NGTCP2_QLOG_OF(settings) ((settings)->qlog_write)
#define NGTCP2_VERSION_2_DRAFT 0x709a50c4U /* what 0.12 speaks; 1.x does not */
#define EARLY_DATA_REJECTED tls_early_data_rejected

static inline const ngtcp2_ccerr *trace_ngtcp2__close_of(ngtcp2_conn *conn, ngtcp2_ccerr *space) {
    (void)space;
    return ngtcp2_conn_get_ccerr(conn);
}

#endif

/* Versions of the callbacks and of the settings, which have grown; 0.12 does not number them. */
#ifdef NGTCP2_CALLBACKS_VERSION
#define NGTCP2_CALLBACKS NGTCP2_CALLBACKS_VERSION
#else
#define NGTCP2_CALLBACKS 1
#endif
#ifdef NGTCP2_SETTINGS_VERSION
#define NGTCP2_SETTINGS NGTCP2_SETTINGS_VERSION
#else
#define NGTCP2_SETTINGS 1
#endif

#endif
