/* SPDX-License-Identifier: MIT */
#include "export_tracks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define OVERLAPS_MAX 64 /* spans of one trace that are open on one node at a time */

/* Of a connection. */
struct track {
    uint32_t id;
    bool slice_open;
    bool names_peer;
    bool counted; /* has had a metrics event */
};

/* Of a trace on a node. */
struct trace_tracks {
    uint64_t busy;  /* bits: which tracks have an open span */
    uint32_t first; /* the only track of most traces: few have overlapping spans */
    uint32_t *more; /* OVERLAPS_MAX, the first unused; NULL: none */
};

struct span {
    uint32_t process, track, place;
    struct trace_tracks *tracks;
};

int tracks_init(struct export *export, struct tracks *tracks, const struct tracks_ops *ops) {
    tracks->ops = ops;
    return sent_init(&tracks->sent, free) ? export_out_of_memory(export) : 0;
}

static void free_trace_tracks(void *value) {
    free(((struct trace_tracks *)value)->more);
    free(value);
}

void tracks_fini(struct tracks *tracks) {
    connections_fini(&tracks->connections);
    sent_fini(&tracks->sent);
    map_fini(&tracks->traces, free_trace_tracks);
    map_fini(&tracks->spans, free);
}

const char *event_category(const struct export_event *event) {
    uint16_t kind = event->event->kind;
    if (is_transport(event)) return "transport";
    if (is_message(event)) return "message";
    return kind == TRACE_KIND_APP_START || kind == TRACE_KIND_APP_END || kind == TRACE_KIND_APP_COMMAND ? "app" : "other";
}

static void mark(struct export *export, const struct tracks *tracks, const struct export_event *event, enum mark_type type,
                 uint32_t track) {
    tracks->ops->mark(export, event, &(struct mark){.type = type, .process = event->node->number, .track = track});
}

static uint32_t new_track(struct tracks *tracks) { return TRACK_OTHER + ++tracks->count; }

/* ---- connections and links ---------------------------------------------------------------------------------------------- */

/* "connection 3 to bob", with its peer once known. */
static void name_connection(struct export *export, const struct tracks *tracks, const struct connection *connection,
                            struct track *track) {
    char peer[PEER_NAME_BYTES], text[PEER_NAME_BYTES + 64];
    track->names_peer = connection->has_peer;
    connection_peer_name(export, connection, peer);
    snprintf(text, sizeof text, "connection %" PRIu32 " %s %s", connection->number, connection->dialled ? "to" : "with", peer);
    tracks->ops->name(export, connection->node->number, track->id, text);
}

/* The connection's track, named when new and when its peer becomes known.  NULL when out of memory. */
static struct track *track_of(struct export *export, struct tracks *tracks, struct connection *connection) {
    struct track *track = connection->own;
    if (!track) {
        connection->own = track = calloc(1, sizeof *track);
        if (!track) return NULL;
        track->id = new_track(tracks);
        name_connection(export, tracks, connection, track);
    }
    if (connection->has_peer && !track->names_peer) name_connection(export, tracks, connection, track);
    return track;
}

static const uint32_t *track_of_link(struct export *export, struct tracks *tracks, struct link *link) {
    uint32_t *id = link->own;
    char text[LINK_NAME_BYTES];
    if (id) return id;
    link->own = id = malloc(sizeof *id);
    if (!id) return NULL;
    *id = new_track(tracks);
    link_name(export, link, text);
    tracks->ops->name(export, link->node->number, *id, text);
    return id;
}

/* ---- transport and messages --------------------------------------------------------------------------------------------- */

/* A message's moment, with an arrow from its send to the receive if it is clear which send that is. */
static int put_message(struct export *export, struct tracks *tracks, const struct export_event *event, uint32_t track) {
    struct mark moment = {.type = MARK_INSTANT, .process = event->node->number, .track = track, .arrows = "message"};
    struct sent_item item;
    struct map_key key;
    bool known = sent_key(event, NULL, &key);
    if (known && is_sending(event)) {
        uint64_t *id = malloc(sizeof *id);
        if (!id) return export_out_of_memory(export);
        moment.arrow_out = *id = ++tracks->messages * UINT64_C(0x9e3779b97f4a7c15); /* unlike the ids of spans */
        if (sent_remember(&tracks->sent, &key, event, id)) return export_out_of_memory(export);
    } else if (known && sent_take(&tracks->sent, &key, &item)) {
        if (!item.repeated) moment.arrow_in = *(uint64_t *)item.own;
        free(item.own);
    }
    tracks->ops->mark(export, event, &moment);
    return 0;
}

static int put_instant(struct export *export, struct tracks *tracks, const struct export_event *event, uint32_t track) {
    if (is_message(event)) return put_message(export, tracks, event, track);
    mark(export, tracks, event, MARK_INSTANT, track);
    return 0;
}

static void mark_connection(struct export *export, const struct tracks *tracks, const struct export_event *event,
                            enum mark_type type, struct track *track) {
    tracks->ops->mark(export, event,
                      &(struct mark){.type = type, .process = event->node->number, .track = track->id, .title = "connection"});
    track->slice_open = type == MARK_BEGIN;
}

static int put_on_connection(struct export *export, struct tracks *tracks, const struct export_event *event,
                             struct connection *connection) {
    struct track *track = track_of(export, tracks, connection);
    uint16_t kind = event->event->kind;
    const struct trace_metrics *metrics = &event->event->data.metrics;
    if (!track) return export_out_of_memory(export);
    if (kind == TRACE_KIND_CONN_CLOSED && track->slice_open) return mark_connection(export, tracks, event, MARK_END, track), 0;
    if (kind == TRACE_KIND_METRICS) {
        tracks->ops->count(export, event, connection, (uint64_t[COUNTERS]){metrics->rtt, metrics->cwnd, metrics->in_flight},
                           !track->counted);
        track->counted = true;
    }
    if (!track->slice_open && connection->open) {
        mark_connection(export, tracks, event, MARK_BEGIN, track);
        if (kind == TRACE_KIND_CONN_INIT) return 0;
    }
    return kind == TRACE_KIND_METRICS ? 0 : put_instant(export, tracks, event, track->id);
}

static int put_transport(struct export *export, struct tracks *tracks, const struct export_event *event) {
    struct place place;
    const uint32_t *id;
    if (place_of(export, &tracks->connections, event, &place)) return -1;
    if (place.connection) return put_on_connection(export, tracks, event, place.connection);
    if (!place.link) return put_instant(export, tracks, event, TRACK_OTHER);
    id = track_of_link(export, tracks, place.link);
    return id ? put_instant(export, tracks, event, *id) : export_out_of_memory(export);
}

/* ---- spans -------------------------------------------------------------------------------------------------------------- */

/* The track at a place; 0: none yet.  NULL when out of memory. */
static uint32_t *track_at(struct trace_tracks *own, int place) {
    if (!place) return &own->first;
    if (!own->more) own->more = calloc(OVERLAPS_MAX, sizeof *own->more);
    return own->more ? &own->more[place] : NULL;
}

/* A place in the tracks of the event's trace on its node where no span is open.  Returns OVERLAPS_MAX when there is none, a
 * negative number when out of memory. */
static int take_place(struct export *export, struct tracks *tracks, const struct export_event *event,
                      struct trace_tracks **ret_tracks) {
    struct map_key key = map_key(event->node->number, 0, event->event->trace_id.bytes, 16);
    void **at = map_at(&tracks->traces, &key);
    if (at && !*at) *at = calloc(1, sizeof(struct trace_tracks));
    if (!at || !*at) return -1;
    struct trace_tracks *own = *ret_tracks = *at;
    if (!~own->busy) return OVERLAPS_MAX;
    int place = __builtin_ctzll(~own->busy);
    uint32_t *track = track_at(own, place);
    if (!track) return -1;
    own->busy |= UINT64_C(1) << place;
    if (*track) return place;
    char text[64], *out = put_hex(PUT(text, "trace "), event->event->trace_id.bytes, 4);
    if (place) out = PUT(put_u64(PUT(out, " ("), (unsigned)place + 1), ")");
    *out = 0;
    *track = new_track(tracks);
    tracks->ops->name(export, event->node->number, *track, text);
    return place;
}

static uint32_t track_of_trace(const struct tracks *tracks, const struct export_event *event) {
    struct map_key key = map_key(event->node->number, 0, event->event->trace_id.bytes, 16);
    const struct trace_tracks *own = map_get(&tracks->traces, &key);
    return own && own->first ? own->first : TRACK_OTHER;
}

/* Span ids are unique within a trace. */
static struct map_key span_key(const struct trace_id *trace_id, uint64_t span_id) {
    struct map_key key = map_key(0, 0, trace_id->bytes, sizeof trace_id->bytes);
    memcpy(key.id + sizeof trace_id->bytes, &span_id, sizeof span_id);
    return key;
}

/* Begins the slice, with an arrow from its parent if that is open on another node. */
static void begin_span(struct export *export, const struct tracks *tracks, const struct export_event *event,
                       const struct map_key *key, const struct span *span) {
    uint64_t parent_id = event->event->data.app_start.parent_id;
    struct map_key parent_key = span_key(&event->event->trace_id, parent_id);
    const struct span *parent = parent_id ? map_get(&tracks->spans, &parent_key) : NULL;
    struct mark begin = {.type = MARK_BEGIN, .process = span->process, .track = span->track, .arrows = "request"};
    if (parent && parent->process != span->process) {
        begin.arrow_in = XXH3_64bits(key->id, sizeof key->id) | 1; /* not 0 */
        tracks->ops->mark(export, event,
                          &(struct mark){.type = MARK_SOURCE,
                                         .process = parent->process,
                                         .track = parent->track,
                                         .arrows = "request",
                                         .arrow_out = begin.arrow_in});
    }
    tracks->ops->mark(export, event, &begin);
}

static int put_start(struct export *export, struct tracks *tracks, const struct export_event *event) {
    struct map_key key = span_key(&event->event->trace_id, event->event->data.app_start.span_id);
    struct trace_tracks *own;
    void **at = map_at(&tracks->spans, &key);
    if (!at) return export_out_of_memory(export);
    /* It has begun already: a second span with this id. */
    if (*at) return put_instant(export, tracks, event, track_of_trace(tracks, event));
    int place = take_place(export, tracks, event, &own);
    if (place < 0) return export_out_of_memory(export);
    if (place == OVERLAPS_MAX) return put_instant(export, tracks, event, own->first);
    struct span *span = *at = malloc(sizeof *span);
    if (!span) return export_out_of_memory(export);
    *span = (struct span){event->node->number, place ? own->more[place] : own->first, (uint32_t)place, own};
    begin_span(export, tracks, event, &key, span);
    return 0;
}

static int put_end(struct export *export, struct tracks *tracks, const struct export_event *event) {
    struct map_key key = span_key(&event->event->trace_id, event->event->data.app_end.span_id);
    struct span *span = map_get(&tracks->spans, &key);
    if (!span || span->process != event->node->number) return put_instant(export, tracks, event, track_of_trace(tracks, event));
    map_remove(&tracks->spans, &key);
    mark(export, tracks, event, MARK_END, span->track);
    span->tracks->busy &= ~(UINT64_C(1) << span->place);
    free(span);
    return 0;
}

int tracks_event(struct export *export, struct tracks *tracks, const struct export_event *event) {
    if (is_transport(event) || is_message(event)) return put_transport(export, tracks, event);
    if (event->event->kind == TRACE_KIND_APP_START) return put_start(export, tracks, event);
    if (event->event->kind == TRACE_KIND_APP_END) return put_end(export, tracks, event);
    return put_instant(export, tracks, event, track_of_trace(tracks, event));
}
