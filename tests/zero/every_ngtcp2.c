/* SPDX-License-Identifier: MIT
 *
 * As every_macro.c, for p2ptrace/ngtcp2.h. */
#include <ngtcp2/ngtcp2.h>

#include <p2ptrace/ngtcp2.h>

struct connection {
    ngtcp2_conn *ngtcp2;
    TRACE_ONLY(struct trace_ngtcp2 *trace; struct trace_log * log; struct trace_context context; struct trace_node_id peer;)
};

int connection_use(struct connection *connection, const ngtcp2_callbacks *callbacks, const ngtcp2_settings *settings);
int connection_use(struct connection *connection, const ngtcp2_callbacks *callbacks, const ngtcp2_settings *settings) {
    int64_t stream_id = 4, taken = 1200;
    ngtcp2_vec vec = {NULL, 1200};
    ngtcp2_ssize written = 1250;
    const ngtcp2_callbacks *used = callbacks;
    const ngtcp2_settings *chosen = settings;
    void *user_data = connection;
    int result = used->rand != NULL && chosen->qlog.write != NULL && user_data != NULL;
    TRACE_NGTCP2_CREATE(&connection->trace, connection->log, TRACE_NGTCP2_QLOG, &used, &chosen, &user_data);
    TRACE_NGTCP2_PEER(connection->trace, &connection->peer);
    if (result) {
        TRACE_NGTCP2_SCOPE(connection->trace);
        TRACE_NGTCP2_STREAM(connection->trace, stream_id, &connection->context);
        TRACE_NGTCP2_STREAM_SENT(connection->trace, stream_id, taken, 0);
        TRACE_NGTCP2_STREAM_WRITTEN(connection->trace, written, taken, NGTCP2_WRITE_STREAM_FLAG_FIN, stream_id, &vec, 1);
        TRACE_NGTCP2_METRICS_EVERY(connection->trace, 10000000);
    }
    TRACE_NGTCP2_CLOSED(connection->trace, result, NULL);
    TRACE_NGTCP2_DESTROY(connection->trace);
    return result;
}
