/* SPDX-License-Identifier: MIT */
#include "export_connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool is_transport(const struct export_event *event) {
    uint16_t kind = event->event->kind;
    return (kind >= TRACE_KIND_CONN_INIT && kind <= TRACE_KIND_METRICS) ||
           (kind >= TRACE_KIND_CONN_MIGRATED && kind <= TRACE_KIND_KEY_UPDATED);
}

bool is_message(const struct export_event *event) {
    return event->event->kind == TRACE_KIND_MESSAGE_SENT || event->event->kind == TRACE_KIND_MESSAGE_RECEIVED;
}

/* ---- what carries an event ---------------------------------------------------------------------------------------------- */

static unsigned medium_of_space(unsigned space) {
    const char *name = trace_space_name(space), *transport;
    if (space <= TRACE_SPACE_1RTT) return TRACE_TRANSPORT_QUIC;
    for (unsigned i = 0; name && (transport = trace_transport_name(i)); i++)
        if (!strcmp(name, transport)) return i;
    return MEDIUM_SPACE + space;
}

/* Returns false when the event does not say. */
static bool medium_of(const struct export_event *event, unsigned *ret_medium) {
    const union trace_event_data *data = &event->event->data;
    switch (event->event->kind) {
    case TRACE_KIND_STREAM_OPENED:
    case TRACE_KIND_STREAM_DATA:
    case TRACE_KIND_STREAM_CLOSED: return *ret_medium = TRACE_TRANSPORT_QUIC, true;
    case TRACE_KIND_PACKET_SENT: return *ret_medium = medium_of_space(data->packet_sent.space), true;
    case TRACE_KIND_PACKET_RECEIVED: return *ret_medium = medium_of_space(data->packet_received.space), true;
    case TRACE_KIND_PACKET_LOST: return *ret_medium = medium_of_space(data->packet_lost.space), true;
    case TRACE_KIND_MESSAGE_SENT: return *ret_medium = data->message_sent.transport, true;
    case TRACE_KIND_MESSAGE_RECEIVED: return *ret_medium = data->message_received.transport, true;
    default: return false;
    }
}

/* Could an event of this medium be one of the connection's?  Before its first packet we do not know, and assume QUIC, which
 * is the usual case. */
static bool fits(const struct connection *connection, const unsigned *medium) {
    if (!medium) return true;
    return connection->knows_medium ? connection->medium == *medium : *medium == TRACE_TRANSPORT_QUIC;
}

/* ---- connections -------------------------------------------------------------------------------------------------------- */

static struct connection *create(struct connections *connections, const struct export_event *event) {
    struct connection *connection = calloc(1, sizeof *connection);
    struct map_key key = {.part = connections->count + 1};
    void **at = connection ? map_at(&connections->all, &key) : NULL;
    if (!at) {
        free(connection);
        return NULL;
    }
    *at = connection;
    connection->number = ++connections->count;
    connection->node = event->node;
    connection->open = true;
    connection->begun_ns = event->event->timestamp;
    return connection;
}

static struct map_key peer_key(const struct export_event *event) {
    return map_key(event->node->number, 0, event->event->peer_id.bytes, sizeof event->event->peer_id.bytes);
}

static struct map_key trace_key(const struct export_event *event) {
    return map_key(event->node->number, 0, event->event->trace_id.bytes, sizeof event->event->trace_id.bytes);
}

/* Records its peer, once authenticated. */
static int note_peer(struct connections *connections, struct connection *connection, const struct export_event *event) {
    if (connection->has_peer || !event_has_peer(event)) return 0;
    struct map_key key = peer_key(event);
    void **at = map_at(&connections->by_peer, &key);
    if (!at) return -1;
    connection->has_peer = true;
    connection->peer_id = event->event->peer_id;
    connection->next_of_peer = *at;
    if (connection->next_of_peer) connection->next_of_peer->before_of_peer = connection;
    *at = connection;
    return 0;
}

/* The only open connection of this medium with the event's peer; or, if none is open, the newest.  NULL: there is none, or there
 * are *ret_several. */
static struct connection *find_by_peer(struct connections *connections, const struct export_event *event, const unsigned *medium,
                                       bool *ret_several) {
    struct map_key key = peer_key(event);
    struct connection *newest = NULL, *open = NULL;
    *ret_several = false;
    for (struct connection *at = map_get(&connections->by_peer, &key); at; at = at->next_of_peer) {
        if (!fits(at, medium)) continue;
        if (!newest) newest = at;
        if (!at->open) continue;
        if (open) return *ret_several = true, NULL;
        open = at;
    }
    return open ? open : newest;
}

/* Does an event of this kind always have its connection's own trace?  Events that carry a request have the request's. */
static bool has_own_trace(const struct export_event *event) {
    uint16_t kind = event->event->kind;
    return kind == TRACE_KIND_CONN_INIT || kind == TRACE_KIND_CONN_ESTABLISHED || kind == TRACE_KIND_CONN_CLOSED;
}

/* Records its own trace. */
static int note_trace(struct connections *connections, struct connection *connection, const struct export_event *event) {
    struct map_key key = trace_key(event);
    void **at = map_at(&connections->by_trace, &key);
    if (!at) return -1;
    *at = connection;
    connection->trace_id = event->event->trace_id;
    return 0;
}

/* For an event whose trace no connection has: the connection whose beginning is not here, so that its own trace was not known
 * yet. */
static struct connection *find_traceless(struct connections *connections, const struct export_event *event) {
    bool several;
    if (!event_has_peer(event) || event->event->kind == TRACE_KIND_CONN_INIT) return NULL;
    struct connection *connection = find_by_peer(connections, event, NULL, &several);
    return connection && trace_id_is_zero(&connection->trace_id) ? connection : NULL;
}

/* medium: NULL when the event does not say.  Only an event over QUIC, or one that does not say, begins a connection. */
static int find(struct connections *connections, const struct export_event *event, const unsigned *medium,
                struct connection **ret_connection) {
    struct map_key key = trace_key(event);
    bool own = has_own_trace(event) && !trace_id_is_zero(&event->event->trace_id), several = false;
    bool begins = is_transport(event) && (!medium || *medium == TRACE_TRANSPORT_QUIC);
    struct connection *connection = map_get(&connections->by_trace, &key);
    bool known = connection;
    if (!known && own)
        connection = find_traceless(connections, event);
    else if (!known && event_has_peer(event))
        connection = find_by_peer(connections, event, medium, &several);
    /* An event without its connection's trace and without a peer could be any connection's. */
    if (!connection && !several && begins && (own || event_has_peer(event)) && !(connection = create(connections, event)))
        return -1;
    if (connection && own && !known && note_trace(connections, connection, event)) return -1;
    if (connection && note_peer(connections, connection, event)) return -1;
    *ret_connection = connection;
    return 0;
}

static void free_connection(void *value) {
    struct connection *connection = value;
    free(connection->own);
    free(connection);
}

/* Removes it from its peer's list. */
static void leave_peer(struct connections *connections, struct connection *connection) {
    struct map_key key = map_key(connection->node->number, 0, connection->peer_id.bytes, sizeof connection->peer_id.bytes);
    if (!connection->has_peer) return;
    struct connection *next = connection->next_of_peer, *before = connection->before_of_peer;
    if (next) next->before_of_peer = before;
    if (before) {
        before->next_of_peer = next;
        return;
    }
    void **head = next ? map_at(&connections->by_peer, &key) : NULL; /* the key exists: allocates nothing */
    if (head)
        *head = next;
    else
        map_remove(&connections->by_peer, &key);
}

static void forget(struct connections *connections, struct connection *connection) {
    struct map_key trace = map_key(connection->node->number, 0, connection->trace_id.bytes, sizeof connection->trace_id.bytes),
                   number = {.part = connection->number};
    if (map_get(&connections->by_trace, &trace) == connection) map_remove(&connections->by_trace, &trace);
    leave_peer(connections, connection);
    map_remove(&connections->all, &number);
    free_connection(connection);
}

/* Lists a closed connection, and forgets the one that was closed longest ago; if that one is open again, it only leaves the list.
 * Returns 0, or -1 when out of memory. */
static int list_closed(struct connections *connections, struct connection *connection) {
    if (connection->listed) return 0;
    if (!connections->closed) connections->closed = calloc(CONNECTIONS_CLOSED_MAX, sizeof *connections->closed);
    if (!connections->closed) return -1;
    struct connection **place = &connections->closed[connections->closed_count++ % CONNECTIONS_CLOSED_MAX], *oldest = *place;
    *place = connection;
    connection->listed = true;
    if (oldest && oldest->open)
        oldest->listed = false;
    else if (oldest)
        forget(connections, oldest);
    return 0;
}

/* Updates the connection from its event.  Returns 0, or -1 when out of memory. */
static int note_event(struct connections *connections, struct connection *connection, const struct export_event *event,
                      const unsigned *medium) {
    if (medium && is_transport(event) && !connection->knows_medium) {
        connection->knows_medium = true;
        connection->medium = *medium;
    }
    if (event->event->kind == TRACE_KIND_CONN_INIT) {
        connection->open = connection->knows_role = true;
        connection->dialled = !event->event->data.conn_init.by_remote;
    }
    if (event->event->kind != TRACE_KIND_CONN_CLOSED) return 0;
    connection->open = false;
    return list_closed(connections, connection);
}

/* ---- links -------------------------------------------------------------------------------------------------------------- */

static struct link *find_link(struct connections *connections, const struct export_event *event, unsigned medium) {
    bool has_peer = event_has_peer(event);
    struct map_key key = map_key(event->node->number, 2 * medium + has_peer, event->event->peer_id.bytes,
                                 has_peer ? sizeof event->event->peer_id.bytes : 0);
    void **at = map_at(&connections->links, &key);
    if (!at || *at) return at ? *at : NULL;
    struct link *link = *at = calloc(1, sizeof *link);
    if (!link) return NULL;
    link->node = event->node;
    link->has_peer = has_peer;
    link->peer_id = event->event->peer_id;
    link->medium = medium;
    return link;
}

int place_of(struct export *export, struct connections *connections, const struct export_event *event, struct place *ret_place) {
    unsigned said;
    *ret_place = (struct place){NULL, NULL};
    if (!is_transport(event) && !is_message(event)) return 0;
    const unsigned *medium = medium_of(event, &said) ? &said : NULL;
    if (find(connections, event, medium, &ret_place->connection)) return export_out_of_memory(export);
    if (ret_place->connection)
        return note_event(connections, ret_place->connection, event, medium) ? export_out_of_memory(export) : 0;
    /* A QUIC packet has a connection that we do not know; a message over QUIC has a link all the same. */
    if (!medium || (*medium == TRACE_TRANSPORT_QUIC && is_transport(event))) return 0;
    ret_place->link = find_link(connections, event, *medium);
    return ret_place->link ? 0 : export_out_of_memory(export);
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

static void peer_name(const struct export *export, const struct trace_node_id *peer_id, char out[PEER_NAME_BYTES]) {
    const char *name = export_node_name(export, peer_id);
    if (name)
        snprintf(out, PEER_NAME_BYTES, "%s", name);
    else
        *put_hex(out, peer_id->bytes, 4) = 0;
}

void connection_peer_name(const struct export *export, const struct connection *connection, char out[PEER_NAME_BYTES]) {
    strcpy(out, "?");
    if (connection->has_peer) peer_name(export, &connection->peer_id, out);
}

const char *link_medium_name(const struct link *link) {
    const char *name =
        link->medium >= MEDIUM_SPACE ? trace_space_name(link->medium - MEDIUM_SPACE) : trace_transport_name(link->medium);
    return name ? name : "unknown";
}

void link_name(const struct export *export, const struct link *link, char out[LINK_NAME_BYTES]) {
    char peer[PEER_NAME_BYTES];
    if (link->has_peer) peer_name(export, &link->peer_id, peer);
    snprintf(out, LINK_NAME_BYTES, "%s%s%s", link_medium_name(link), link->has_peer ? " with " : "", link->has_peer ? peer : "");
}

static void free_link(void *value) {
    struct link *link = value;
    free(link->own);
    free(link);
}

void connections_fini(struct connections *connections) {
    map_fini(&connections->by_trace, NULL);
    map_fini(&connections->by_peer, NULL);
    map_fini(&connections->all, free_connection);
    map_fini(&connections->links, free_link);
    free(connections->closed);
}
