/* SPDX-License-Identifier: MIT
 *
 * chrome: the Trace Event Format in JSON, for ui.perfetto.dev, chrome://tracing and speedscope.  It draws what export_tracks.h
 * describes.
 *
 * Times are microseconds since the first event, so that a reader that stores them as doubles keeps the nanoseconds. */
#include "export_tracks.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <string.h>

struct chrome {
    struct tracks tracks;
    uint64_t base_ns; /* of the first event */
    bool any;
};

/* ---- records ------------------------------------------------------------------------------------------------------------ */

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
    return put_since(out, now_ns, chrome->base_ns, 3);
}

static void end_record(struct export *export, char *out) {
    *out++ = '}';
    writer_done(export->out, out);
}

/* Names a process or a track.  json_name: with quotes. */
static void name(struct export *export, const char *what, uint32_t process, uint32_t track, const char *json_name) {
    char *out = begin_record(export, "M", process, track, ((struct chrome *)export->state)->base_ns);
    out = PUT(out, ",\"name\":\"");
    out = put_text(out, what);
    out = PUT(out, "\",\"args\":{\"name\":");
    out = put_text(out, json_name);
    end_record(export, PUT(out, "}"));
}

/* ,"args":{...} with everything the event has. */
static char *put_args(char *out, const struct export_event *event) {
    out = PUT(out, ",\"args\":{\"data\":");
    out = trace_event_data_json(out, event->event);
    if (event->fields.bytes) {
        out = PUT(out, ",\"fields\":");
        out = put_span(out, event->fields);
    }
    return PUT(put_origin(out, event), "}");
}

static void name_track(struct export *export, uint32_t process, uint32_t track, const char *text) {
    char json[6 * (PEER_NAME_BYTES + 64) + 3];
    *trace_json_string(json, text, strlen(text)) = 0;
    name(export, "thread_name", process, track, json);
}

/* ---- marks -------------------------------------------------------------------------------------------------------------- */

/* An end of an arrow.  The receiving end must say that it binds to the enclosing slice; the sending end does so anyway. */
static void put_arrow(struct export *export, const struct export_event *event, const struct mark *mark, bool end, uint64_t id) {
    char *out = begin_record(export, end ? "f" : "s", mark->process, mark->track, event->event->timestamp);
    if (end) out = PUT(out, ",\"bp\":\"e\"");
    out = put_text(PUT(out, ",\"cat\":\""), mark->arrows);
    out = put_text(PUT(out, "\",\"name\":\""), mark->arrows);
    id = __builtin_bswap64(id);
    out = put_hex(PUT(out, "\",\"id\":\"0x"), &id, sizeof id);
    end_record(export, PUT(out, "\""));
}

static void put_mark(struct export *export, const struct export_event *event, const struct mark *mark) {
    static const char *const phases[] = {[MARK_BEGIN] = "B", [MARK_END] = "E", [MARK_INSTANT] = "i"};
    if (mark->type != MARK_SOURCE) {
        char *out = begin_record(export, phases[mark->type], mark->process, mark->track, event->event->timestamp);
        if (mark->type == MARK_INSTANT) out = PUT(out, ",\"s\":\"t\"");
        out = PUT(out, ",\"name\":\"");
        out = mark->title ? put_text(out, mark->title) : put_title(out, event);
        *out++ = '"';
        if (mark->type != MARK_END) out = PUT(put_text(PUT(out, ",\"cat\":\""), event_category(event)), "\"");
        end_record(export, put_args(out, event));
    }
    if (mark->arrow_out) put_arrow(export, event, mark, false, mark->arrow_out);
    if (mark->arrow_in) put_arrow(export, event, mark, true, mark->arrow_in);
}

/* A counter track of a connection. */
static char *begin_counter(struct export *export, const struct export_event *event, const struct connection *connection,
                           const char *what) {
    char *out = begin_record(export, "C", event->node->number, TRACK_OTHER, event->event->timestamp);
    out = PUT(out, ",\"name\":\"");
    out = put_text(out, what);
    out = PUT(out, ", connection ");
    out = put_u64(out, connection->number);
    return PUT(out, "\",\"args\":{\"");
}

static void put_counters(struct export *export, const struct export_event *event, const struct connection *connection,
                         const uint64_t values[COUNTERS], bool first) {
    (void)first; /* counter tracks need no beginning */
    char *out = begin_counter(export, event, connection, "rtt");
    out = PUT(out, "us\":");
    end_record(export, PUT(put_fixed(out, values[COUNTER_RTT], 3), "}"));
    out = begin_counter(export, event, connection, "cwnd");
    out = PUT(out, "bytes\":");
    end_record(export, PUT(put_u64(out, values[COUNTER_CWND]), "}"));
    out = begin_counter(export, event, connection, "in flight");
    out = PUT(out, "bytes\":");
    end_record(export, PUT(put_u64(out, values[COUNTER_IN_FLIGHT]), "}"));
}

static int put_event(struct export *export, const struct export_event *event) {
    return tracks_event(export, &((struct chrome *)export->state)->tracks, event);
}

static int put_gap(struct export *export, const struct export_gap *gap) {
    struct chrome *chrome = export->state;
    uint64_t now_ns = gap->lost ? gap->lost->event->timestamp : export->last_ns;
    if (!chrome->base_ns) chrome->base_ns = now_ns;
    char *out = begin_record(export, "i", gap->lost ? gap->lost->node->number : 0, TRACK_OTHER, now_ns);
    out = put_text(out, gap->lost ? ",\"s\":\"p\",\"name\":\"" : ",\"s\":\"g\",\"name\":\"");
    out = put_u64(out, gap->count);
    out = PUT(out, " events lost\",\"cat\":\"lost\"");
    end_record(export, gap->lost ? put_args(out, gap->lost) : out);
    return 0;
}

static int begin_node(struct export *export, struct export_node *node) {
    struct chrome *chrome = export->state;
    if (!chrome->base_ns) chrome->base_ns = export->first_ns;
    name(export, "process_name", node->number, TRACK_OTHER, node->json_name);
    name(export, "thread_name", node->number, TRACK_OTHER, "\"other events\"");
    return 0;
}

static int begin(struct export *export) {
    static const struct tracks_ops ops = {.name = name_track, .mark = put_mark, .count = put_counters};
    if (tracks_init(export, &((struct chrome *)export->state)->tracks, &ops)) return -1;
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

static void fini(struct export *export) { tracks_fini(&((struct chrome *)export->state)->tracks); }

const struct export_format export_format_chrome = {
    .name = "chrome",
    .doc = "timelines: ui.perfetto.dev, chrome://tracing, speedscope",
    .state_bytes = sizeof(struct chrome),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .end = end,
    .fini = fini,
};
