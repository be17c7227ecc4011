/* SPDX-License-Identifier: MIT
 *
 * perfetto: the same marks as chrome (export_tracks.h) in Perfetto's protocol buffers (perfetto.proto), several times smaller.
 *
 * Names of kinds and fields are written once, in the first packet, and referred to by number afterwards; so are ids of peers,
 * from their first event on.  No event needs an allocation: its messages are on the stack, and are packed into the writer's
 * buffer. */
#include "export_tracks.h"
#include "perfetto.pb-c.h"

#include <errno.h>
#include <proto/event_json.h>
#include <proto/json_memory.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE 1
#define STATE_CLEARED 1u /* flags of sequence_flags: the numbering of names begins here, */
#define STATE_NEEDED 2u  /* or is used here */
#define CLOCK_REAL 1
#define CLOCK_BOOT 6
#define KINDS_MAX 64
#define FIELDS_MAX 16     /* fields of a kind */
#define NOTES_MAX 32      /* notes of an event: its fields, and what all events have */
#define APP_FIELDS_MAX 32 /* fields of an application's event */

/* Perfetto's enums, as far as we need them. */
enum { TYPE_SLICE_BEGIN = 1, TYPE_SLICE_END, TYPE_INSTANT, TYPE_COUNTER };
enum { UNIT_NS = 1, UNIT_BYTES = 3 };
enum { MERGE_NONE = 2 };

/* Tracks and counters have ids of their own. */
enum { UUID_PROCESS = 1, UUID_OTHER, UUID_TRACK, UUID_COUNTER };
static uint64_t uuid(unsigned what, uint64_t number) { return (uint64_t)what << 56 | number; }
static uint64_t track_uuid(uint32_t process, uint32_t track) {
    return track == TRACK_OTHER ? uuid(UUID_OTHER, process) : uuid(UUID_TRACK, track);
}

/* Names that are in no table; those of kinds and fields follow. */
enum { NAME_CONNECTION = 1, NAME_ARROW, NAME_KINDS = 16 };
enum {
    NOTE_TRACE_ID = 1,
    NOTE_PEER_ID,
    NOTE_LANE,
    NOTE_SEQUENCE,
    NOTE_FLAGS,
    NOTE_KIND_ID,
    NOTE_BYTES,
    NOTE_FIELDS,
    NOTE_KINDS = 16
};
static const char *const note_names[] = {
    [NOTE_TRACE_ID] = "trace_id", [NOTE_PEER_ID] = "peer_id", [NOTE_LANE] = "lane",   [NOTE_SEQUENCE] = "sequence",
    [NOTE_FLAGS] = "flags",       [NOTE_KIND_ID] = "kind_id", [NOTE_BYTES] = "bytes", [NOTE_FIELDS] = "fields"};
static const char *const categories[] = {"transport", "message", "app", "other", "lost"};
#define CATEGORIES (sizeof categories / sizeof *categories)
#define CATEGORY_LOST CATEGORIES

struct perfetto {
    struct tracks tracks;
    struct map peers; /* by id: the number of its text, as a pointer */
    bool began;
};

/* ---- packets ------------------------------------------------------------------------------------------------------------ */

/* A packet, as the next element of Trace. */
static void put_packet(struct export *export, const Perfetto__TracePacket *packet) {
    size_t bytes = perfetto__trace_packet__get_packed_size(packet);
    if (bytes > WRITER_ROOM_MAX - 16) { /* no event is this large */
        export->out->error = EOVERFLOW;
        return;
    }
    char *out = writer_room(export->out, bytes + 16);
    *out++ = 1 << 3 | 2; /* field 1, with a length */
    for (size_t rest = bytes;; rest >>= 7) {
        *out++ = (char)(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
        if (rest < 0x80) break;
    }
    writer_done(export->out, out + perfetto__trace_packet__pack(packet, (uint8_t *)out));
}

static Perfetto__TracePacket new_packet(void) {
    Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
    packet.has_trusted_packet_sequence_id = packet.has_sequence_flags = true;
    packet.trusted_packet_sequence_id = SEQUENCE;
    packet.sequence_flags = STATE_NEEDED;
    return packet;
}

static void put_track(struct export *export, Perfetto__TrackDescriptor *track) {
    Perfetto__TracePacket packet = new_packet();
    track->has_uuid = true;
    track->has_sibling_merge_behavior = true;
    track->sibling_merge_behavior = MERGE_NONE;
    packet.track_descriptor = track;
    put_packet(export, &packet);
}

static void put_child_track(struct export *export, uint32_t process, uint64_t id, const char *name) {
    Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
    track.uuid = id;
    track.has_parent_uuid = true;
    track.parent_uuid = uuid(UUID_PROCESS, process);
    track.name = (char *)name;
    put_track(export, &track);
}

static void name_track(struct export *export, uint32_t process, uint32_t track, const char *name) {
    put_child_track(export, process, track_uuid(process, track), name);
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

/* A growing array of names, which point into tables. */
struct names {
    Perfetto__Name items[KINDS_MAX * FIELDS_MAX], *pointers[KINDS_MAX * FIELDS_MAX];
    size_t count;
};

static void add_name(struct names *names, uint64_t iid, const char *name) {
    Perfetto__Name *item = &names->items[names->count];
    *item = (Perfetto__Name)PERFETTO__NAME__INIT;
    item->has_iid = true;
    item->iid = iid;
    item->name = (char *)name;
    names->pointers[names->count++] = item;
}

static uint64_t note_of(const struct trace_event *event, unsigned field) { return NOTE_KINDS + event->kind * FIELDS_MAX + field; }

/* The first packet: all names; and it says that times are Unix times. */
static int put_names(struct export *export) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    struct names *names = calloc(3, sizeof *names), *of_events = names, *of_notes = names + 1, *of_categories = names + 2;
    Perfetto__TracePacket packet = new_packet();
    Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
    if (!names) return export_out_of_memory(export);
    add_name(of_events, NAME_CONNECTION, "connection");
    add_name(of_events, NAME_ARROW, "caused a request");
    for (unsigned i = NOTE_TRACE_ID; i < sizeof note_names / sizeof *note_names; i++) add_name(of_notes, i, note_names[i]);
    for (unsigned i = 0; i < CATEGORIES; i++) add_name(of_categories, i + 1, categories[i]);
    for (unsigned k = 0; k < count; k++) {
        struct trace_event event = {.kind = kinds[k].id};
        add_name(of_events, NAME_KINDS + kinds[k].id, kinds[k].name);
        for (unsigned i = 0; i < kinds[k].field_count; i++) add_name(of_notes, note_of(&event, i), kinds[k].fields[i].name);
    }
    data.n_event_names = of_events->count;
    data.event_names = of_events->pointers;
    data.n_debug_annotation_names = of_notes->count;
    data.debug_annotation_names = of_notes->pointers;
    data.n_event_categories = of_categories->count;
    data.event_categories = of_categories->pointers;
    packet.interned_data = &data;
    packet.sequence_flags = STATE_CLEARED | STATE_NEEDED;
    put_packet(export, &packet);
    free(names);
    return 0;
}

/* Perfetto's times count from boot; we say that this clock equals the real-time clock. */
static void put_clocks(struct export *export) {
    Perfetto__TracePacket packet = new_packet();
    Perfetto__ClockSnapshot snapshot = PERFETTO__CLOCK_SNAPSHOT__INIT;
    Perfetto__ClockSnapshot__Clock clocks[2] = {PERFETTO__CLOCK_SNAPSHOT__CLOCK__INIT, PERFETTO__CLOCK_SNAPSHOT__CLOCK__INIT};
    Perfetto__ClockSnapshot__Clock *pointers[2] = {&clocks[0], &clocks[1]};
    for (int i = 0; i < 2; i++) {
        clocks[i].has_clock_id = clocks[i].has_timestamp = true;
        clocks[i].clock_id = i ? CLOCK_BOOT : CLOCK_REAL;
        clocks[i].timestamp = export->first_ns;
    }
    snapshot.n_clocks = 2;
    snapshot.clocks = pointers;
    packet.clock_snapshot = &snapshot;
    packet.has_timestamp = true;
    packet.timestamp = export->first_ns;
    put_packet(export, &packet);
}

static int begin_node(struct export *export, struct export_node *node) {
    struct perfetto *perfetto = export->state;
    Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
    Perfetto__ProcessDescriptor process = PERFETTO__PROCESS_DESCRIPTOR__INIT;
    if (!perfetto->began) put_clocks(export);
    perfetto->began = true;
    /* Two nodes may be in one process, and an earlier process may have had the same pid: use the node's number. */
    process.has_pid = true;
    process.pid = (int32_t)node->number;
    process.process_name = node->name;
    track.uuid = uuid(UUID_PROCESS, node->number);
    track.process = &process;
    put_track(export, &track);
    put_child_track(export, node->number, uuid(UUID_OTHER, node->number), "other events");
    return 0;
}

/* ---- what an event says ------------------------------------------------------------------------------------------------- */

/* An event's notes, and their texts. */
struct notes {
    Perfetto__DebugAnnotation items[NOTES_MAX], *pointers[NOTES_MAX];
    Perfetto__DebugAnnotation fields[APP_FIELDS_MAX], *field_pointers[APP_FIELDS_MAX];
    size_t count;
    Perfetto__InternedData interned; /* a new text */
    Perfetto__Text text, *text_pointer;
    char *at; /* in texts */
    char texts[4 * TRACE_EVENT_JSON_MAX];
};

static Perfetto__DebugAnnotation *add_note(struct notes *notes, uint64_t name) {
    Perfetto__DebugAnnotation *note = &notes->items[notes->count];
    *note = (Perfetto__DebugAnnotation)PERFETTO__DEBUG_ANNOTATION__INIT;
    note->has_name_iid = true;
    note->name_iid = name;
    notes->pointers[notes->count++] = note;
    return note;
}

static void add_unsigned(struct notes *notes, uint64_t name, uint64_t value) {
    Perfetto__DebugAnnotation *note = add_note(notes, name);
    note->has_uint_value = true;
    note->uint_value = value;
}

static void add_hex(struct notes *notes, uint64_t name, const void *bytes, size_t count) {
    add_note(notes, name)->string_value = notes->at;
    notes->at = put_hex(notes->at, bytes, count);
    *notes->at++ = 0;
}

/* The text of a JSON string, up to its first NUL.  Texts of nodes are short. */
static char *put_string(char *out, struct json_span string) {
    struct json_span plain;
    if (json_scan_plain(string, &plain)) return put_span(out, plain);
    json_t *decoded = trace_json_loadb(string.text, string.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    const char *text = json_string_value(decoded);
    if (text) out = put_text(out, text);
    json_decref(decoded);
    return out;
}

/* A JSON value: true, 17, "text"; any other as its JSON text. */
static void set_value(struct notes *notes, Perfetto__DebugAnnotation *note, struct json_span value) {
    if (*value.text == 't' || *value.text == 'f') {
        note->has_bool_value = true;
        note->bool_value = *value.text == 't';
        return;
    }
    if (*value.text >= '0' && *value.text <= '9' && !memchr(value.text, '.', value.bytes)) {
        note->has_uint_value = true;
        note->uint_value = strtoull(value.text, NULL, 10); /* a comma or a bracket follows it */
        return;
    }
    note->string_value = notes->at;
    notes->at = *value.text == '"' ? put_string(notes->at, value) : put_span(notes->at, value);
    *notes->at++ = 0;
}

static void add_field(struct notes *notes, const struct trace_event *event, unsigned index,
                      const struct trace_field_info *field) {
    uint64_t name = note_of(event, index);
    switch (field->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: add_unsigned(notes, name, trace_field_unsigned(event, field)); return;
    default: break;
    }
    char json[TRACE_EVENT_JSON_MAX], *end = trace_field_json(json, event, field);
    *end = 0;
    if (*json != 'n') set_value(notes, add_note(notes, name), (struct json_span){json, (size_t)(end - json)});
}

/* The fields of an application's event, as a dictionary. */
static void add_app_fields(struct notes *notes, struct json_span fields) {
    Perfetto__DebugAnnotation *dictionary = add_note(notes, NOTE_FIELDS);
    struct json_member member;
    dictionary->dict_entries = notes->field_pointers;
    for (size_t at = 0; dictionary->n_dict_entries < APP_FIELDS_MAX && json_scan_member(fields, &at, &member);) {
        Perfetto__DebugAnnotation *note = &notes->fields[dictionary->n_dict_entries];
        *note = (Perfetto__DebugAnnotation)PERFETTO__DEBUG_ANNOTATION__INIT;
        note->name = notes->at;
        notes->at = put_string(notes->at, member.key);
        *notes->at++ = 0;
        set_value(notes, note, member.value);
        notes->field_pointers[dictionary->n_dict_entries++] = note;
    }
}

static void add_flags(struct notes *notes, const struct trace_event *event) {
    char *begin = notes->at;
    for (unsigned bit = 0; bit < 16; bit++) {
        const char *name = trace_flag_name(bit);
        if (!(event->flags >> bit & 1) || 1u << bit == TRACE_FLAG_HAS_PEER) continue;
        if (notes->at > begin) *notes->at++ = ' ';
        notes->at = name ? put_text(notes->at, name) : put_u64(PUT(notes->at, "bit "), bit);
    }
    if (notes->at == begin) return;
    *notes->at++ = 0;
    add_note(notes, NOTE_FLAGS)->string_value = begin;
}

/* The peer's id as the number of its text; a new text is sent in the same packet. */
static void add_peer(struct export *export, struct notes *notes, const struct trace_node_id *id, Perfetto__TracePacket *packet) {
    struct perfetto *perfetto = export->state;
    struct map_key key = map_key(0, 0, id->bytes, sizeof id->bytes);
    void **at = map_at(&perfetto->peers, &key);
    if (!at) {
        export->out->error = ENOMEM;
        return;
    }
    if (!*at) {
        *at = (void *)perfetto->peers.count;
        notes->text = (Perfetto__Text)PERFETTO__TEXT__INIT;
        notes->text_pointer = &notes->text;
        notes->text.has_iid = notes->text.has_str = true;
        notes->text.iid = perfetto->peers.count;
        notes->text.str.data = (uint8_t *)notes->at;
        notes->at = put_hex(notes->at, id->bytes, sizeof id->bytes);
        notes->text.str.len = 2 * sizeof id->bytes;
        notes->interned = (Perfetto__InternedData)PERFETTO__INTERNED_DATA__INIT;
        notes->interned.n_debug_annotation_string_values = 1;
        notes->interned.debug_annotation_string_values = &notes->text_pointer;
        packet->interned_data = &notes->interned;
    }
    Perfetto__DebugAnnotation *note = add_note(notes, NOTE_PEER_ID);
    note->has_string_value_iid = true;
    note->string_value_iid = (uintptr_t)*at;
}

/* packet: the one that gets the notes. */
static void fill_notes(struct export *export, struct notes *notes, const struct export_event *event,
                       Perfetto__TracePacket *packet) {
    notes->count = 0;
    notes->at = notes->texts;
    for (unsigned i = 0; event->kind && i < event->kind->field_count; i++)
        add_field(notes, event->event, i, &event->kind->fields[i]);
    if (!event->kind) add_unsigned(notes, NOTE_KIND_ID, event->event->kind);
    if (!event->kind) add_hex(notes, NOTE_BYTES, event->event->data.bytes, sizeof event->event->data.bytes);
    if (event->fields.bytes) add_app_fields(notes, event->fields);
    if (!trace_id_is_zero(&event->event->trace_id)) add_hex(notes, NOTE_TRACE_ID, event->event->trace_id.bytes, 16);
    if (event_has_peer(event)) add_peer(export, notes, &event->event->peer_id, packet);
    add_flags(notes, event->event);
    add_unsigned(notes, NOTE_LANE, event->lane);
    add_unsigned(notes, NOTE_SEQUENCE, event->event->sequence);
}

/* The event's title: a number if it is a kind's name; otherwise a text in `out`. */
static void set_name(Perfetto__TrackEvent *record, const struct export_event *event, char out[EXPORT_TITLE_MAX + 1]) {
    uint16_t kind = event->event->kind;
    bool has_title = kind == TRACE_KIND_APP_START || kind == TRACE_KIND_APP_END || kind == TRACE_KIND_APP_COMMAND;
    if (event->kind && !has_title) {
        record->has_name_iid = true;
        record->name_iid = NAME_KINDS + kind;
        return;
    }
    char title[EXPORT_TITLE_MAX + 2] = "\"", *end = put_title(title + 1, event);
    *end++ = '"';
    *put_string(out, (struct json_span){title, (size_t)(end - title)}) = 0;
    record->name = out;
}

/* ---- marks -------------------------------------------------------------------------------------------------------------- */

static uint64_t category_of(const struct export_event *event) {
    const char *name = event_category(event);
    uint64_t i = 0;
    while (i < CATEGORIES - 1 && strcmp(name, categories[i]) != 0) i++;
    return i + 1;
}

static void put_mark(struct export *export, const struct export_event *event, const struct mark *mark) {
    static const uint32_t types[] = {[MARK_BEGIN] = TYPE_SLICE_BEGIN,
                                     [MARK_END] = TYPE_SLICE_END,
                                     [MARK_INSTANT] = TYPE_INSTANT,
                                     [MARK_SOURCE] = TYPE_INSTANT};
    Perfetto__TracePacket packet = new_packet();
    Perfetto__TrackEvent record = PERFETTO__TRACK_EVENT__INIT;
    struct notes notes;
    char title[EXPORT_TITLE_MAX + 1];
    uint64_t category = category_of(event), arrow_out = mark->arrow_out, arrow_in = mark->arrow_in;
    packet.has_timestamp = true;
    packet.timestamp = event->event->timestamp;
    packet.track_event = &record;
    record.has_type = record.has_track_uuid = true;
    record.type = types[mark->type];
    record.track_uuid = track_uuid(mark->process, mark->track);
    record.n_category_iids = mark->type != MARK_END;
    record.category_iids = &category;
    record.has_name_iid = mark->title || mark->type == MARK_SOURCE;
    record.name_iid = mark->type == MARK_SOURCE ? NAME_ARROW : NAME_CONNECTION;
    if (!record.has_name_iid) set_name(&record, event, title);
    notes.count = 0; /* not for an arrow's source: the event is at the other end */
    if (mark->type != MARK_SOURCE) fill_notes(export, &notes, event, &packet);
    record.n_debug_annotations = notes.count;
    record.debug_annotations = notes.pointers;
    record.n_flow_ids = arrow_out != 0;
    record.flow_ids = &arrow_out;
    record.n_terminating_flow_ids = arrow_in != 0;
    record.terminating_flow_ids = &arrow_in;
    put_packet(export, &packet);
}

/* ---- counters ----------------------------------------------------------------------------------------------------------- */

static void put_counter_track(struct export *export, const struct connection *connection, unsigned which) {
    static const char *const names[COUNTERS] = {"rtt", "cwnd", "in flight"};
    char name[64];
    Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
    Perfetto__CounterDescriptor counter = PERFETTO__COUNTER_DESCRIPTOR__INIT;
    *put_u64(PUT(put_text(name, names[which]), ", connection "), connection->number) = 0;
    counter.has_unit = true;
    counter.unit = which == COUNTER_RTT ? UNIT_NS : UNIT_BYTES;
    track.uuid = uuid(UUID_COUNTER, (uint64_t)connection->number * COUNTERS + which);
    track.has_parent_uuid = true;
    track.parent_uuid = uuid(UUID_PROCESS, connection->node->number);
    track.name = name;
    track.counter = &counter;
    put_track(export, &track);
}

static void put_counters(struct export *export, const struct export_event *event, const struct connection *connection,
                         const uint64_t values[COUNTERS], bool first) {
    for (unsigned i = 0; i < COUNTERS; i++) {
        Perfetto__TracePacket packet = new_packet();
        Perfetto__TrackEvent record = PERFETTO__TRACK_EVENT__INIT;
        if (first) put_counter_track(export, connection, i);
        packet.has_timestamp = true;
        packet.timestamp = event->event->timestamp;
        packet.track_event = &record;
        record.has_type = record.has_track_uuid = record.has_counter_value = true;
        record.type = TYPE_COUNTER;
        record.track_uuid = uuid(UUID_COUNTER, (uint64_t)connection->number * COUNTERS + i);
        record.counter_value = values[i] < INT64_MAX ? (int64_t)values[i] : INT64_MAX;
        put_packet(export, &packet);
    }
}

/* ---- the rest ----------------------------------------------------------------------------------------------------------- */

static int put_event(struct export *export, const struct export_event *event) {
    return tracks_event(export, &((struct perfetto *)export->state)->tracks, event);
}

/* An instant; for events that left the history, one without a process. */
static int put_gap(struct export *export, const struct export_gap *gap) {
    Perfetto__TracePacket packet = new_packet();
    Perfetto__TrackEvent record = PERFETTO__TRACK_EVENT__INIT;
    struct notes notes;
    uint64_t category = CATEGORY_LOST;
    char title[64];
    *PUT(put_u64(title, gap->count), " events lost") = 0;
    packet.has_timestamp = true;
    packet.timestamp = gap->lost ? gap->lost->event->timestamp : export->last_ns;
    packet.track_event = &record;
    record.has_type = record.has_track_uuid = true;
    record.type = TYPE_INSTANT;
    record.track_uuid = gap->lost ? uuid(UUID_OTHER, gap->lost->node->number) : 0;
    record.n_category_iids = 1;
    record.category_iids = &category;
    record.name = title;
    notes.count = 0;
    if (gap->lost) fill_notes(export, &notes, gap->lost, &packet);
    record.n_debug_annotations = notes.count;
    record.debug_annotations = notes.pointers;
    put_packet(export, &packet);
    return 0;
}

static int begin(struct export *export) {
    static const struct tracks_ops ops = {.name = name_track, .mark = put_mark, .count = put_counters};
    return tracks_init(export, &((struct perfetto *)export->state)->tracks, &ops) ? -1 : put_names(export);
}

static void fini(struct export *export) {
    struct perfetto *perfetto = export->state;
    tracks_fini(&perfetto->tracks);
    map_fini(&perfetto->peers, NULL);
}

const struct export_format export_format_perfetto = {
    .name = "perfetto",
    .suffixes = ".pftrace .perfetto-trace",
    .doc = "the same as chrome, but smaller, and only for ui.perfetto.dev",
    .binary = true,
    .state_bytes = sizeof(struct perfetto),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .fini = fini,
};
