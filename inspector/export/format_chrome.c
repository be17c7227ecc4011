/* SPDX-License-Identifier: MIT
 *
 * chrome: the Trace Event Format in JSON, for ui.perfetto.dev, chrome://tracing and speedscope.
 *
 *     process   a node
 *     track     a connection of the node; a link, which is a peer and a transport of messages; a trace on the node, several where
 *               its spans there overlap; and one for the rest
 *     slice     a connection, from its first event here to conn_closed; an application's span
 *     instant   any other event
 *     counter   round-trip time, congestion window and bytes in flight, of each connection
 *     arrow     from a span to the one on another node that it caused
 *
 * Times are microseconds since the first event, so that a reader who takes them as doubles keeps the nanoseconds. */
#include "export_connections.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAPS_MAX 64 /* spans of one trace that are open on one node at a time */
#define OTHER_TRACK 1

struct track {
    uint32_t id;
    bool slice_open; /* of a connection */
    bool names_peer;
};

/* Of a trace on a node. */
struct trace_tracks {
    uint64_t busy; /* bits: which have an open span */
    uint32_t ids[OVERLAPS_MAX];
};

struct span {
    uint32_t process, track, place;
    struct trace_tracks *tracks;
};

struct chrome {
    struct connections connections;
    struct map traces, spans;
    uint64_t base_ns; /* of the first event */
    bool any;
    uint32_t tracks; /* the last track's number, over all nodes */
};

/* ---- records ------------------------------------------------------------------------------------------------------------ */

static char *put_time(char *out, const struct chrome *chrome, uint64_t now_ns) {
    if (now_ns < chrome->base_ns) {
        *out++ = '-';
        return put_fixed(out, chrome->base_ns - now_ns, 3);
    }
    return put_fixed(out, now_ns - chrome->base_ns, 3);
}

/* Begins a record: {"ph":"B","pid":1,"tid":2,"ts":0.000 */
static char *begin_record(struct export *export, const char *phase, uint32_t process, uint32_t track, uint64_t now_ns) {
    struct chrome *chrome = export->state;
    char *out = writer_room(export->out, TRACE_EVENT_JSON_MAX + 2 * EXPORT_TITLE_MAX);
    if (chrome->any) out = PUT(out, ",\n");
    chrome->any = true;
    out = PUT(out, "{\"ph\":\"");
    out = put_text(out, phase);
    out = PUT(out, "\",\"pid\":");
    out = put_u64(out, process);
    out = PUT(out, ",\"tid\":");
    out = put_u64(out, track);
    out = PUT(out, ",\"ts\":");
    return put_time(out, chrome, now_ns);
}

static void end_record(struct export *export, char *out) {
    *out++ = '}';
    writer_done(export->out, out);
}

/* What a process or a track is called.  json_name: with quotes. */
static void name(struct export *export, const char *what, uint32_t process, uint32_t track, const char *json_name) {
    char *out = begin_record(export, "M", process, track, ((struct chrome *)export->state)->base_ns);
    out = PUT(out, ",\"name\":\"");
    out = put_text(out, what);
    out = PUT(out, "\",\"args\":{\"name\":");
    out = put_text(out, json_name);
    end_record(export, PUT(out, "}"));
}

/* ,"args":{...} with all that the event has. */
static char *put_args(char *out, const struct export_event *event) {
    out = PUT(out, ",\"args\":{\"data\":");
    out = trace_event_data_json(out, event->event);
    if (event->fields.bytes) {
        out = PUT(out, ",\"fields\":");
        out = put_span(out, event->fields);
    }
    if (!trace_id_is_zero(&event->event->trace_id)) {
        out = PUT(out, ",\"trace_id\":\"");
        out = put_hex(out, event->event->trace_id.bytes, 16);
        *out++ = '"';
    }
    if (event_has_peer(event)) {
        out = PUT(out, ",\"peer_id\":\"");
        out = put_hex(out, event->event->peer_id.bytes, 32);
        *out++ = '"';
    }
    out = PUT(out, ",\"lane\":");
    out = put_u64(out, event->lane);
    out = PUT(out, ",\"sequence\":");
    out = put_u64(out, event->event->sequence);
    return PUT(out, "}");
}

static char *put_name(char *out, const struct export_event *event) {
    out = PUT(out, ",\"name\":\"");
    out = put_title(out, event);
    return PUT(out, "\"");
}

static char *put_category(char *out, const struct export_event *event) {
    uint16_t kind = event->event->kind;
    bool is_app = kind == TRACE_KIND_APP_START || kind == TRACE_KIND_APP_END || kind == TRACE_KIND_APP_COMMAND;
    return put_text(out, is_transport(event) ? ",\"cat\":\"transport\""
                         : is_message(event) ? ",\"cat\":\"message\""
                         : is_app            ? ",\"cat\":\"app\""
                                             : ",\"cat\":\"other\"");
}

/* ---- tracks ------------------------------------------------------------------------------------------------------------- */

/* "connection 3 to bob", by its peer once that is known. */
static void name_connection(struct export *export, struct connection *connection, struct track *track) {
    char peer[PEER_NAME_BYTES], text[PEER_NAME_BYTES + 64], json[6 * sizeof text + 3];
    track->names_peer = connection->has_peer;
    connection_peer_name(export, connection, peer);
    int bytes = snprintf(text, sizeof text, "connection %" PRIu32 " %s %s", connection->number,
                         connection->dialled ? "to" : "with", peer);
    *trace_json_string(json, text, (size_t)bytes) = 0;
    name(export, "thread_name", connection->node->number, track->id, json);
}

/* The connection's track, named when it is new and when its peer is known. */
static struct track *track_of(struct export *export, struct connection *connection) {
    struct chrome *chrome = export->state;
    struct track *track = connection->own;
    if (!track) {
        connection->own = track = calloc(1, sizeof *track);
        if (!track) return NULL;
        track->id = OTHER_TRACK + ++chrome->tracks;
        name_connection(export, connection, track);
    }
    if (connection->has_peer && !track->names_peer) name_connection(export, connection, track);
    return track;
}

static uint32_t *track_of_link(struct export *export, struct link *link) {
    struct chrome *chrome = export->state;
    uint32_t *id = link->own;
    char text[LINK_NAME_BYTES], json[6 * sizeof text + 3];
    if (id) return id;
    link->own = id = malloc(sizeof *id);
    if (!id) return NULL;
    *id = OTHER_TRACK + ++chrome->tracks;
    link_name(export, link, text);
    *trace_json_string(json, text, strlen(text)) = 0;
    name(export, "thread_name", link->node->number, *id, json);
    return id;
}

/* A place in the tracks of the event's trace on its node where no span is open.  Returns OVERLAPS_MAX when there is none, a
 * negative number without memory. */
static int take_place(struct export *export, const struct export_event *event, struct trace_tracks **ret_tracks) {
    struct chrome *chrome = export->state;
    struct map_key key = map_key(event->node->number, 0, event->event->trace_id.bytes, 16);
    void **at = map_at(&chrome->traces, &key);
    if (at && !*at) *at = calloc(1, sizeof(struct trace_tracks));
    if (!at || !*at) return -1;
    struct trace_tracks *tracks = *ret_tracks = *at;
    if (!~tracks->busy) return OVERLAPS_MAX;
    int place = __builtin_ctzll(~tracks->busy);
    tracks->busy |= UINT64_C(1) << place;
    if (tracks->ids[place]) return place;
    char json[64], *out = PUT(json, "\"trace ");
    tracks->ids[place] = OTHER_TRACK + ++chrome->tracks;
    out = put_hex(out, event->event->trace_id.bytes, 4);
    if (place) {
        out = PUT(out, " (");
        out = put_u64(out, (unsigned)place + 1);
        *out++ = ')';
    }
    *PUT(out, "\"") = 0;
    name(export, "thread_name", event->node->number, tracks->ids[place], json);
    return place;
}

static uint32_t track_of_trace(struct export *export, const struct export_event *event) {
    struct chrome *chrome = export->state;
    struct map_key key = map_key(event->node->number, 0, event->event->trace_id.bytes, 16);
    const struct trace_tracks *tracks = map_get(&chrome->traces, &key);
    return tracks && tracks->ids[0] ? tracks->ids[0] : OTHER_TRACK;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static void put_instant(struct export *export, const struct export_event *event, uint32_t track) {
    char *out = begin_record(export, "i", event->node->number, track, event->event->timestamp);
    out = PUT(out, ",\"s\":\"t\"");
    out = put_name(out, event);
    out = put_category(out, event);
    end_record(export, put_args(out, event));
}

static void put_begin(struct export *export, const struct export_event *event, uint32_t track, bool is_connection) {
    char *out = begin_record(export, "B", event->node->number, track, event->event->timestamp);
    out = is_connection ? PUT(out, ",\"name\":\"connection\"") : put_name(out, event);
    out = put_category(out, event);
    end_record(export, put_args(out, event));
}

static void put_end(struct export *export, const struct export_event *event, uint32_t track, bool is_connection) {
    char *out = begin_record(export, "E", event->node->number, track, event->event->timestamp);
    out = is_connection ? PUT(out, ",\"name\":\"connection\"") : put_name(out, event);
    end_record(export, put_args(out, event));
}

/* One counter track of a connection's. */
static char *begin_counter(struct export *export, const struct export_event *event, const struct connection *connection,
                           const char *what) {
    char *out = begin_record(export, "C", event->node->number, OTHER_TRACK, event->event->timestamp);
    out = PUT(out, ",\"name\":\"");
    out = put_text(out, what);
    out = PUT(out, ", connection ");
    out = put_u64(out, connection->number);
    return PUT(out, "\",\"args\":{\"");
}

static void put_counters(struct export *export, const struct export_event *event, const struct connection *connection) {
    const struct trace_metrics *metrics = &event->event->data.metrics;
    char *out = begin_counter(export, event, connection, "rtt");
    out = PUT(out, "us\":");
    end_record(export, PUT(put_fixed(out, metrics->rtt, 3), "}"));
    out = begin_counter(export, event, connection, "cwnd");
    out = PUT(out, "bytes\":");
    end_record(export, PUT(put_u64(out, metrics->cwnd), "}"));
    out = begin_counter(export, event, connection, "in flight");
    out = PUT(out, "bytes\":");
    end_record(export, PUT(put_u64(out, metrics->in_flight), "}"));
}

static int put_transport(struct export *export, const struct export_event *event) {
    struct chrome *chrome = export->state;
    struct place place;
    if (place_of(export, &chrome->connections, event, &place)) return -1;
    if (place.link) {
        const uint32_t *id = track_of_link(export, place.link);
        return id ? put_instant(export, event, *id), 0 : export_out_of_memory(export);
    }
    struct connection *connection = place.connection;
    if (!connection) return put_instant(export, event, OTHER_TRACK), 0;
    struct track *track = track_of(export, connection);
    uint16_t kind = event->event->kind;
    if (!track) return export_out_of_memory(export);
    if (kind == TRACE_KIND_CONN_CLOSED && track->slice_open) {
        put_end(export, event, track->id, true);
        track->slice_open = false;
        return 0;
    }
    if (kind == TRACE_KIND_METRICS) put_counters(export, event, connection);
    if (!track->slice_open && connection->open) {
        put_begin(export, event, track->id, true);
        track->slice_open = true;
        if (kind == TRACE_KIND_CONN_INIT) return 0;
    }
    if (kind != TRACE_KIND_METRICS) put_instant(export, event, track->id);
    return 0;
}

/* Spans of one trace have ids of their own. */
static struct map_key span_key(const struct trace_id *trace_id, uint64_t span_id) {
    struct map_key key = map_key(0, 0, trace_id->bytes, sizeof trace_id->bytes);
    memcpy(key.id + sizeof trace_id->bytes, &span_id, sizeof span_id);
    return key;
}

/* An arrow from the parent, which is open somewhere, to the span that begins. */
static void put_flow(struct export *export, const struct export_event *event, const struct span *parent,
                     const struct span *span) {
    const struct trace_event *start = event->event;
    for (int end = 0; end < 2; end++) {
        const struct span *side = end ? span : parent;
        char *out = begin_record(export, end ? "f" : "s", side->process, side->track, start->timestamp);
        if (end) out = PUT(out, ",\"bp\":\"e\"");
        out = PUT(out, ",\"cat\":\"request\",\"name\":\"request\",\"id\":\"0x");
        uint64_t id = __builtin_bswap64(start->data.app_start.span_id);
        out = put_hex(out, &id, sizeof id);
        end_record(export, PUT(out, "\""));
    }
}

static int put_start(struct export *export, const struct export_event *event) {
    struct chrome *chrome = export->state;
    const struct trace_event *start = event->event;
    struct map_key key = span_key(&start->trace_id, start->data.app_start.span_id),
                   parent_key = span_key(&start->trace_id, start->data.app_start.parent_id);
    struct trace_tracks *tracks;
    void **at = map_at(&chrome->spans, &key);
    if (!at) return export_out_of_memory(export);
    if (*at) return put_instant(export, event, track_of_trace(export, event)), 0; /* it began before: a second span of this id */
    int place = take_place(export, event, &tracks);
    if (place < 0) return export_out_of_memory(export);
    if (place == OVERLAPS_MAX) return put_instant(export, event, tracks->ids[0]), 0;
    struct span *span = *at = malloc(sizeof *span);
    if (!span) return export_out_of_memory(export);
    *span = (struct span){event->node->number, tracks->ids[place], (uint32_t)place, tracks};
    put_begin(export, event, span->track, false);
    const struct span *parent = start->data.app_start.parent_id ? map_get(&chrome->spans, &parent_key) : NULL;
    if (parent && parent->process != span->process) put_flow(export, event, parent, span);
    return 0;
}

static int put_span_end(struct export *export, const struct export_event *event) {
    struct chrome *chrome = export->state;
    struct map_key key = span_key(&event->event->trace_id, event->event->data.app_end.span_id);
    struct span *span = map_get(&chrome->spans, &key);
    if (!span || span->process != event->node->number) return put_instant(export, event, track_of_trace(export, event)), 0;
    map_remove(&chrome->spans, &key);
    put_end(export, event, span->track, false);
    span->tracks->busy &= ~(UINT64_C(1) << span->place);
    free(span);
    return 0;
}

static int put_event(struct export *export, const struct export_event *event) {
    if (is_transport(event) || is_message(event)) return put_transport(export, event);
    if (event->event->kind == TRACE_KIND_APP_START) return put_start(export, event);
    if (event->event->kind == TRACE_KIND_APP_END) return put_span_end(export, event);
    put_instant(export, event, track_of_trace(export, event));
    return 0;
}

static int put_gap(struct export *export, const struct export_gap *gap) {
    struct chrome *chrome = export->state;
    uint64_t now_ns = gap->lost ? gap->lost->event->timestamp : export->last_ns;
    if (!chrome->base_ns) chrome->base_ns = now_ns;
    char *out = begin_record(export, "i", gap->lost ? gap->lost->node->number : 0, OTHER_TRACK, now_ns);
    out = put_text(out, gap->lost ? ",\"s\":\"p\",\"name\":\"" : ",\"s\":\"g\",\"name\":\"");
    out = put_u64(out, gap->count);
    out = PUT(out, " events lost\",\"cat\":\"lost\"");
    end_record(export, gap->lost ? put_args(out, gap->lost) : out);
    return 0;
}

static int begin_node(struct export *export, struct export_node *node) {
    struct chrome *chrome = export->state;
    if (!chrome->base_ns) chrome->base_ns = export->first_ns;
    name(export, "process_name", node->number, OTHER_TRACK, node->json_name);
    name(export, "thread_name", node->number, OTHER_TRACK, "\"other events\"");
    return 0;
}

static int begin(struct export *export) {
    writer_puts(export->out, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    return 0;
}

static int end(struct export *export) {
    const struct chrome *chrome = export->state;
    writer_printf(export->out,
                  "\n],\"metadata\":{\"tool\":\"inspector\",\"first_event_unix_ns\":\"%" PRIu64 "\",\"events\":%" PRIu64
                  ",\"lost\":%" PRIu64 ",\"evicted\":%" PRIu64 "}}\n",
                  chrome->base_ns, export->events, export->lost, export->evicted);
    return 0;
}

static void fini(struct export *export) {
    struct chrome *chrome = export->state;
    connections_fini(&chrome->connections);
    map_fini(&chrome->traces, free);
    map_fini(&chrome->spans, free);
}

const struct export_format export_format_chrome = {
    .name = "chrome",
    .suffix = ".json",
    .doc = "timelines: ui.perfetto.dev, chrome://tracing, speedscope",
    .state_bytes = sizeof(struct chrome),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .end = end,
    .fini = fini,
};
