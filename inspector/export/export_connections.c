/* SPDX-License-Identifier: MIT */
#include "export_connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool is_transport(const struct export_event *event) {
    return event->event->kind >= TRACE_KIND_CONN_INIT && event->event->kind <= TRACE_KIND_METRICS;
}

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

/* Notes whom it is with, once that is authenticated. */
static int note_peer(struct connections *connections, struct connection *connection, const struct export_event *event) {
    if (connection->has_peer || !event_has_peer(event)) return 0;
    struct map_key key = peer_key(event);
    void **at = map_at(&connections->by_peer, &key);
    if (!at) return -1;
    connection->has_peer = true;
    connection->peer_id = event->event->peer_id;
    connection->next_of_peer = *at;
    *at = connection;
    return 0;
}

/* The one connection with the event's peer that is open; or, with none open, the newest.  NULL: there is none, or
 * *ret_several. */
static struct connection *find_by_peer(struct connections *connections, const struct export_event *event, bool *ret_several) {
    struct map_key key = peer_key(event);
    struct connection *newest = map_get(&connections->by_peer, &key), *open = NULL;
    *ret_several = false;
    for (struct connection *at = newest; at; at = at->next_of_peer) {
        if (!at->open) continue;
        if (open) return *ret_several = true, NULL;
        open = at;
    }
    return open ? open : newest;
}

/* Does an event of this kind always have its connection's own trace?  What carries a request has the request's. */
static bool has_own_trace(const struct export_event *event) {
    uint16_t kind = event->event->kind;
    return kind == TRACE_KIND_CONN_INIT || kind == TRACE_KIND_CONN_ESTABLISHED || kind == TRACE_KIND_CONN_CLOSED;
}

/* Notes which trace is its own. */
static int note_trace(struct connections *connections, struct connection *connection, const struct export_event *event) {
    struct map_key key = trace_key(event);
    void **at = map_at(&connections->by_trace, &key);
    if (!at) return -1;
    *at = connection;
    connection->trace_id = event->event->trace_id;
    return 0;
}

/* Of an event whose trace no connection has: the one whose beginning is not here, so that its own trace was not known yet. */
static struct connection *find_traceless(struct connections *connections, const struct export_event *event) {
    bool several;
    if (!event_has_peer(event) || event->event->kind == TRACE_KIND_CONN_INIT) return NULL;
    struct connection *connection = find_by_peer(connections, event, &several);
    return connection && trace_id_is_zero(&connection->trace_id) ? connection : NULL;
}

static int find(struct connections *connections, const struct export_event *event, struct connection **ret_connection) {
    struct map_key key = trace_key(event);
    bool own = has_own_trace(event) && !trace_id_is_zero(&event->event->trace_id), several = false;
    struct connection *connection = map_get(&connections->by_trace, &key);
    bool known = connection;
    if (!known && own)
        connection = find_traceless(connections, event);
    else if (!known && event_has_peer(event))
        connection = find_by_peer(connections, event, &several);
    /* An event without its connection's trace and without a peer could be any connection's. */
    if (!connection && !several && (own || event_has_peer(event)) && !(connection = create(connections, event))) return -1;
    if (connection && own && !known && note_trace(connections, connection, event)) return -1;
    if (connection && note_peer(connections, connection, event)) return -1;
    *ret_connection = connection;
    return 0;
}

int connection_of(struct export *export, struct connections *connections, const struct export_event *event,
                  struct connection **ret_connection) {
    struct connection *connection = NULL;
    if (is_transport(event) && find(connections, event, &connection)) return export_out_of_memory(export);
    *ret_connection = connection;
    if (!connection) return 0;
    if (event->event->kind == TRACE_KIND_CONN_CLOSED) connection->open = false;
    if (event->event->kind == TRACE_KIND_CONN_INIT) {
        connection->open = connection->knows_role = true;
        connection->dialled = !event->event->data.conn_init.by_remote;
    }
    return 0;
}

void connection_peer_name(const struct export *export, const struct connection *connection, char out[PEER_NAME_BYTES]) {
    strcpy(out, "?");
    if (!connection->has_peer) return;
    *put_hex(out, connection->peer_id.bytes, 4) = 0;
    for (size_t i = 0; i < export->node_count; i++)
        if (!memcmp(&export->nodes[i]->id, &connection->peer_id, sizeof connection->peer_id))
            snprintf(out, PEER_NAME_BYTES, "%s", export->nodes[i]->name);
}

static void free_connection(void *value) {
    struct connection *connection = value;
    free(connection->own);
    free(connection);
}

void connections_fini(struct connections *connections) {
    map_fini(&connections->by_trace, NULL);
    map_fini(&connections->by_peer, NULL);
    map_fini(&connections->all, free_connection);
}
