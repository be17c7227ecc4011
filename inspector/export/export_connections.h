/* SPDX-License-Identifier: MIT
 *
 * Which connection or link a transport event belongs to.
 *
 * A connection is identified by its own trace (docs/decisions/006), or else by its peer.  A packet that carries a request has the
 * request's trace, so only its peer identifies the connection: while a node has several open connections with that peer, the
 * packet could belong to any, and is assigned to none.
 *
 * A link is what a node and a peer exchange over one transport without a known connection: a program's own messages, and packets
 * of transports other than QUIC.  Messages over QUIC belong to the connection, if there is just one.
 *
 * Memory: about 150 bytes for each link, and for each connection that is open or among the last CONNECTIONS_CLOSED_MAX
 * closed ones; older ones are forgotten. */
#ifndef INSPECTOR_EXPORT_CONNECTIONS_H
#define INSPECTOR_EXPORT_CONNECTIONS_H

#include "export_format.h"
#include "export_map.h"

/* A transport of tbl/transports.def, or MEDIUM_SPACE + a packet number space that belongs to none of them. */
#define MEDIUM_SPACE 0x100u

#define CONNECTIONS_CLOSED_MAX 4096

struct connection {
    uint32_t number; /* from 1, in the order of their first events, over all nodes */
    struct export_node *node;
    struct trace_id trace_id; /* its own trace: the original destination connection id; zero: not known */
    struct trace_node_id peer_id;
    bool has_peer;
    bool open;                                        /* an event was seen, and conn_closed was not */
    bool dialled;                                     /* by the node itself: it is the client */
    bool knows_role;                                  /* conn_init was seen */
    bool knows_medium;                                /* a packet or a stream was seen */
    bool listed;                                      /* among the closed ones */
    unsigned medium;                                  /* what carries it: a transport, or MEDIUM_SPACE + a space */
    uint64_t begun_ns;                                /* its first event here */
    struct connection *next_of_peer, *before_of_peer; /* older, newer */
    void *own;                                        /* belongs to the format; freed by free() */
};

struct link {
    struct export_node *node;
    struct trace_node_id peer_id;
    bool has_peer;
    unsigned medium;
    void *own; /* belongs to the format; freed by free() */
};

struct connections {
    struct map by_trace, by_peer, all; /* of a peer: the newest, and by next_of_peer the older ones */
    struct map links;                  /* by node, medium and peer */
    uint32_t count;
    struct connection **closed; /* a ring of CONNECTIONS_CLOSED_MAX, once one was closed */
    uint32_t closed_count;
};

/* At most one of these is not NULL. */
struct place {
    struct connection *connection;
    struct link *link;
};

/* Is it a transport event, conn_init to metrics? */
bool is_transport(const struct export_event *event);

/* Is it one of the program's own messages? */
bool is_message(const struct export_event *event);

/* Which connection or link a transport event or message belongs to; creates it for its first event.  None if that is not known,
 * and for other events.  Returns 0, or -1 with the failure. */
int place_of(struct export *export, struct connections *connections, const struct export_event *event, struct place *ret_place);

/* The name of the peer's node, if known; or else the beginning of its id; "?" when the peer is not known. */
#define PEER_NAME_BYTES 256
void connection_peer_name(const struct export *export, const struct connection *connection, char out[PEER_NAME_BYTES]);

/* "udp", "noise"; "unknown" for one defined by a later version. */
const char *link_medium_name(const struct link *link);

/* "udp with bob", or "udp" without a peer. */
#define LINK_NAME_BYTES (PEER_NAME_BYTES + 32)
void link_name(const struct export *export, const struct link *link, char out[LINK_NAME_BYTES]);

void connections_fini(struct connections *connections);

#endif
