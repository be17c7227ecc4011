/* SPDX-License-Identifier: MIT
 *
 * Where an event of the transport belongs: to a connection, or to a link.
 *
 * A connection is known by its own trace (docs/decisions/006), or else by its peer.  A packet that carries a request has the
 * request's trace, and only its peer tells the connection: while a node has several connections open with that peer, the
 * packet could be of any, and belongs to none.
 *
 * A link is what a node and a peer exchange over one transport without a connection that is known: a program's own messages,
 * and packets of transports other than QUIC.  Messages over QUIC belong to the connection, if there is just one.
 *
 * Memory: about 150 bytes for each link, and for each connection that is open or among the CONNECTIONS_CLOSED_MAX that were
 * closed last; an older one is forgotten. */
#ifndef INSPECTOR_EXPORT_CONNECTIONS_H
#define INSPECTOR_EXPORT_CONNECTIONS_H

#include "export_format.h"
#include "export_map.h"

/* A transport of tbl/transports.def, or MEDIUM_SPACE + a packet number space that is of none of them. */
#define MEDIUM_SPACE 0x100u

#define CONNECTIONS_CLOSED_MAX 4096

struct connection {
    uint32_t number; /* from 1, in the order of their first events, over all nodes */
    struct export_node *node;
    struct trace_id trace_id; /* its own: the original destination connection id; zero: not known */
    struct trace_node_id peer_id;
    bool has_peer;
    bool open;                                        /* conn_init or another event was seen, conn_closed not */
    bool dialled;                                     /* by the node itself: it is the client */
    bool knows_role;                                  /* conn_init was seen */
    bool knows_medium;                                /* a packet or a stream was seen */
    bool listed;                                      /* among the closed ones */
    unsigned medium;                                  /* what carries it: a transport, or MEDIUM_SPACE + a space */
    uint64_t begun_ns;                                /* its first event here */
    struct connection *next_of_peer, *before_of_peer; /* older, newer */
    void *own;                                        /* the format's; freed by free() */
};

struct link {
    struct export_node *node;
    struct trace_node_id peer_id;
    bool has_peer;
    unsigned medium;
    void *own; /* the format's; freed by free() */
};

struct connections {
    struct map by_trace, by_peer, all; /* of a peer: the newest, and by next_of_peer the older ones */
    struct map links;                  /* by node, medium and peer */
    uint32_t count;
    struct connection **closed; /* a ring of CONNECTIONS_CLOSED_MAX, once one was closed */
    uint32_t closed_count;
};

/* At most one of them is not NULL. */
struct place {
    struct connection *connection;
    struct link *link;
};

/* Is it an event of the transport, kinds conn_init to metrics? */
bool is_transport(const struct export_event *event);

/* Is it one of the program's own messages? */
bool is_message(const struct export_event *event);

/* Where an event of the transport, or a message, belongs, which it may be the first event of; nowhere if that is not known, and
 * for other events.  Returns 0, or -1 with the failure. */
int place_of(struct export *export, struct connections *connections, const struct export_event *event, struct place *ret_place);

/* The name of the peer's node, when it is known; else the beginning of its id; "?" when the peer is not known. */
#define PEER_NAME_BYTES 256
void connection_peer_name(const struct export *export, const struct connection *connection, char out[PEER_NAME_BYTES]);

/* "udp", "noise"; "unknown" for what a later version defines. */
const char *link_medium_name(const struct link *link);

/* "udp with bob", or "udp" without a peer. */
#define LINK_NAME_BYTES (PEER_NAME_BYTES + 32)
void link_name(const struct export *export, const struct link *link, char out[LINK_NAME_BYTES]);

void connections_fini(struct connections *connections);

#endif
