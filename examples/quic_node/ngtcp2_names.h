/* SPDX-License-Identifier: MIT
 *
 * The names of ngtcp2 1.x for the headers of 0.12, and a few that hide differences.  A program for only one version
 * needs none of these. */
#ifndef QUIC_NODE_NGTCP2_NAMES_H
#define QUIC_NODE_NGTCP2_NAMES_H

#include <ngtcp2/ngtcp2.h>

#if NGTCP2_VERSION_NUM < 0x010000
#define SETTINGS_QLOG(settings) ((settings)->qlog.write)
/* On the server: the client's first id of the connection. */
#define SET_ORIGINAL_DCID(settings, params, id) ((params)->original_dcid = (settings)->qlog.odcid = (id))

typedef ngtcp2_connection_close_error ngtcp2_ccerr;
typedef ngtcp2_conn_stat ngtcp2_conn_info;
#define ngtcp2_ccerr_default ngtcp2_connection_close_error_default
#define ngtcp2_ccerr_set_application_error ngtcp2_connection_close_error_set_application_error
#define ngtcp2_ccerr_set_liberr ngtcp2_connection_close_error_set_transport_error_liberr
#define ngtcp2_ccerr_set_tls_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#define ngtcp2_conn_get_conn_info ngtcp2_conn_get_conn_stat
#define ngtcp2_conn_shutdown_stream(conn, flags, id, code) ngtcp2_conn_shutdown_stream(conn, id, code)
#else
#define SETTINGS_QLOG(settings) ((settings)->qlog_write)
#define SET_ORIGINAL_DCID(settings, params, id) \
    ((void)(settings), (params)->original_dcid = (id), (params)->original_dcid_present = 1)
#endif

#endif
