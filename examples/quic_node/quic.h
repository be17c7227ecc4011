/* SPDX-License-Identifier: MIT
 *
 * QUIC for a peer-to-peer node: one UDP socket and many connections, dialled or accepted, all mutually authenticated.
 * The application sees peers that join and leave, and streams that carry one message each way.
 *
 * With tracing, every stream belongs to a request, and the first TRACE_CONTEXT_BYTES bytes that its opener sends say to which:
 * the transport writes and reads them, so it can say which request's bytes each packet carries.  With tracing off they are 0
 * bytes, and everything in TRACE_ONLY is gone.
 *
 * All of this runs on the loop's thread.  Callbacks may call anything here except quic_endpoint_close. */
#ifndef QUIC_NODE_QUIC_H
#define QUIC_NODE_QUIC_H

#include "identity.h"
#include <netinet/in.h>
#include <p2ptrace/ngtcp2.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct quic_endpoint;
struct quic_conn;
struct quic_stream;

/* An address of either family. */
union quic_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* What the application is notified of. */
struct quic_app {
    /* A peer was authenticated; or it has left, after stream_closed for each of its streams. */
    void (*peer_joined)(void *arg, struct quic_conn *conn);
    void (*peer_left)(void *arg, struct quic_conn *conn);
    /* Bytes of a stream, in order, each once; fin: no more will come. */
    void (*stream_data)(void *arg, struct quic_stream *stream, const uint8_t *bytes, size_t count, bool fin);
    /* The last call for a stream, which is freed afterwards. */
    void (*stream_closed)(void *arg, struct quic_stream *stream);
    void *arg;
};

struct quic_config {
    uv_loop_t *loop;
    const struct identity *identity;
    const char *name;                  /* of the node; the names of the qlog files begin with it */
    const char *qlog_dir;              /* NULL: no qlog files */
    unsigned drop_every;               /* drop each Nth datagram instead of sending it; 0: none */
    union quic_address drop_to;        /* but only those to this address; family 0: all */
    union quic_address listen;         /* port 0: any */
    struct quic_app app;               /* copied */
    TRACE_ONLY(struct trace_log *log;) /* NULL: runs untraced */
    TRACE_ONLY(enum trace_ngtcp2_source trace_source;)
};

/* Binds the socket and begins.  Returns 0 or a negative errno. */
int quic_endpoint_open(struct quic_endpoint **ret_endpoint, const struct quic_config *config);

/* Closes every connection at once.  Memory is freed when the loop has closed the handles: run it to its end. */
void quic_endpoint_close(struct quic_endpoint *endpoint);

/* The address that it listens on. */
const union quic_address *quic_endpoint_address(const struct quic_endpoint *endpoint);

/* Keeps a connection to that address: dials now, and again whenever it is lost.  Returns 0 or -ENOSPC. */
int quic_endpoint_keep(struct quic_endpoint *endpoint, const union quic_address *address);

/* The established connection after `conn`, or the first one for NULL; NULL when there are no more.  A peer with
 * two connections (each dialled the other) is listed once. */
struct quic_conn *quic_endpoint_next_peer(struct quic_endpoint *endpoint, struct quic_conn *conn);

/* The peer's id; NULL before it is authenticated. */
const struct trace_node_id *quic_conn_peer(const struct quic_conn *conn);
const union quic_address *quic_conn_address(const struct quic_conn *conn);
TRACE_ONLY(const struct trace_context *quic_conn_context(const struct quic_conn *conn);) /* the connection's own trace */

/* Opens a stream for one request, as part of the span that `context` names.  NULL if the peer accepts no more for now. */
struct quic_stream *quic_stream_open(struct quic_conn *conn, void *app_data TRACE_ONLY(, const struct trace_context *context));

/* Sends a stream's only message and its end.  Copies it.  Returns 0, -ENOMEM, or -EALREADY. */
int quic_stream_send(struct quic_stream *stream, const uint8_t *bytes, size_t count);

/* Gives up a stream in both directions. */
void quic_stream_reset(struct quic_stream *stream, uint64_t code);

/* The application's pointer: as given at open; NULL for a stream that the peer opened, until it is set. */
void *quic_stream_data(const struct quic_stream *stream);
void quic_stream_set_data(struct quic_stream *stream, void *app_data);

struct quic_conn *quic_stream_conn(const struct quic_stream *stream);
TRACE_ONLY(const struct trace_context *quic_stream_context(const struct quic_stream *stream);) /* the opener's span */

/* Parses HOST:PORT or [HOST]:PORT with a numeric host.  Returns 0 or -EINVAL. */
int quic_address_parse(union quic_address *ret_address, const char *text);
socklen_t quic_address_bytes(const union quic_address *address);

#define QUIC_ADDRESS_TEXT_BYTES 64
/* Writes HOST:PORT and a NUL.  Returns out. */
const char *quic_address_text(char out[QUIC_ADDRESS_TEXT_BYTES], const union quic_address *address);

#endif
