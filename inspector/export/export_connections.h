/* SPDX-License-Identifier: MIT
 *
 * Which connection an event of the transport belongs to.
 *
 * A connection is known by its own trace (docs/decisions/006), or else by its peer.  A packet that carries a request has the
 * request's trace, and only its peer tells the connection: while a node has several connections open with that peer, the
 * packet could be of any, and belongs to none.
 *
 * Memory: about 150 bytes for each connection that had an event. */
#ifndef INSPECTOR_EXPORT_CONNECTIONS_H
#define INSPECTOR_EXPORT_CONNECTIONS_H

#include "export_format.h"
#include "export_map.h"

struct connection {
    uint32_t number; /* from 1, in the order of their first events, over all nodes */
    struct export_node *node;
    struct trace_id trace_id; /* its own: the original destination connection id; zero: not known */
    struct trace_node_id peer_id;
    bool has_peer;
    bool open;         /* conn_init or another event was seen, conn_closed not */
    bool dialled;      /* by the node itself: it is the client */
    bool knows_role;   /* conn_init was seen */
    uint64_t begun_ns; /* its first event here */
    struct connection *next_of_peer;
    void *own; /* the format's; freed by free() */
};

struct connections {
    struct map by_trace, by_peer, all; /* of a peer: the newest, and by next_of_peer the older ones */
    uint32_t count;
};

/* Is it an event of the transport, kinds conn_init to metrics? */
bool is_transport(const struct export_event *event);

/* The connection that an event belongs to, which it may be the first of; NULL when it is none's or that is not known.  Returns
 * 0, or -1 with the failure. */
int connection_of(struct export *export, struct connections *connections, const struct export_event *event,
                  struct connection **ret_connection);

/* The name of the peer's node, when it is one of the export's; else the beginning of its id; "?" when the peer is not known. */
#define PEER_NAME_BYTES 256
void connection_peer_name(const struct export *export, const struct connection *connection, char out[PEER_NAME_BYTES]);

void connections_fini(struct connections *connections);

#endif
