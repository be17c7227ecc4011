/* SPDX-License-Identifier: MIT
 *
 * json: one document, with what explains the events.  ndjson: a line for each event, like `inspector follow --json`, with the
 * names of its node and peer.
 *
 * Both contain each event in full, as traced wrote it. */
#include "export_format.h"

#include "export_map.h"
#include "involved.h"
#include "json_put.h"
#include "strbuf.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/json_memory.h>
#include <stdlib.h>
#include <string.h>

/* Valid JSON has no control characters but the delete character. */
static bool is_printable_ascii(const char *text, size_t bytes) {
    bool printable = true;
    for (size_t i = 0; i < bytes; i++) printable &= (unsigned char)text[i] < 0x7f;
    return printable;
}

/* The text in printable ASCII: control characters that a node wrote must not reach a terminal. */
static int put_escaped(struct export *export, struct json_span text) {
    json_t *event = trace_json_loadb(text.text, text.bytes, JSON_ALLOW_NUL, NULL);
    char *escaped = event ? json_text_new(event, JSON_COMPACT) : NULL;
    json_decref(event);
    if (!escaped) return export_out_of_memory(export);
    writer_puts(export->out, escaped);
    free(escaped);
    return 0;
}

static int put_event(struct export *export, struct json_span text) {
    if (!is_printable_ascii(text.text, text.bytes)) return put_escaped(export, text);
    writer_put(export->out, text.text, text.bytes);
    return 0;
}

/* ---- ndjson ------------------------------------------------------------------------------------------------------------- */

/* Appends `,"node":"alice"`, if the node is known by a name. */
static void add_name(struct strbuf *out, const char *member, const struct export_node *node) {
    if (node && export_node_is_named(node)) strbuf_printf(out, ",\"%s\":%s", member, node->json_name);
}

/* The event as traced wrote it, and then the names, which no other line has. */
static int put_line(struct export *export, const struct export_event *event) {
    struct strbuf *names = export->state;
    struct json_span text = event->text;
    strbuf_clear(names);
    add_name(names, "node", event->node);
    if (event_has_peer(event)) add_name(names, "peer", export_node_of(export, &event->event->peer_id));
    if (!names->bytes || text.text[text.bytes - 1] != '}') {
        int result = put_event(export, text);
        writer_puts(export->out, "\n");
        return result;
    }
    if (is_printable_ascii(text.text, text.bytes) && is_printable_ascii(names->text, names->bytes)) {
        writer_put(export->out, text.text, text.bytes - 1);
        writer_put(export->out, names->text, names->bytes);
        writer_puts(export->out, "}\n");
        return 0;
    }
    struct strbuf whole = {0};
    strbuf_add(&whole, text.text, text.bytes - 1);
    strbuf_add(&whole, names->text, names->bytes);
    strbuf_puts(&whole, "}");
    int result = whole.failed ? export_out_of_memory(export) : put_escaped(export, (struct json_span){whole.text, whole.bytes});
    strbuf_fini(&whole);
    writer_puts(export->out, "\n");
    return result;
}

static void fini_lines(struct export *export) { strbuf_fini(export->state); }

/* In a stream, reports missed events where they are missing, like `follow --json`; otherwise the last line counts them, as in
 * other commands. */
static int put_gap_line(struct export *export, const struct export_gap *gap) {
    if (gap->lost) return put_line(export, gap->lost);
    if (export->settings->follow) writer_printf(export->out, "{\"missed\":%" PRIu64 ",\"why\":\"%s\"}\n", gap->count, gap->why);
    return 0;
}

static int end_lines(struct export *export) {
    if (export->evicted && !export->settings->follow) writer_printf(export->out, "{\"evicted\":%" PRIu64 "}\n", export->evicted);
    return 0;
}

const struct export_format export_format_ndjson = {
    .name = "ndjson",
    .suffixes = ".ndjson .jsonl",
    .doc = "a line for each event: jq, and anything that reads JSON lines",
    .follow_ms = 100,
    .state_bytes = sizeof(struct strbuf),
    .event = put_line,
    .gap = put_gap_line,
    .end = end_lines,
    .fini = fini_lines,
};

/* ---- json --------------------------------------------------------------------------------------------------------------- */

struct document {
    bool any;           /* an event was written */
    struct strbuf gaps; /* elements of an array */
    struct map ids;     /* of nodes, peers and aliases that events have; the values say nothing */
    struct trace_node_id last_peer;
};

static int put_member(struct export *export, const char *name, const json_t *value) {
    char *text = value ? json_text_new(value, JSON_COMPACT) : strdup("null");
    if (!text) return export_out_of_memory(export);
    writer_puts(export->out, ",\n\"");
    writer_puts(export->out, name);
    writer_puts(export->out, "\":");
    writer_puts(export->out, text);
    free(text);
    return 0;
}

static int begin_document(struct export *export) {
    const struct export_settings *settings = export->settings;
    const char *id = settings->trace_id;
    writer_printf(export->out, "{\"export\":1,\n\"trace_id\":%s%s%s", id ? "\"" : "", id ? id : "null", id ? "\"" : "");
    writer_printf(export->out, ",\n\"exported\":{\"timestamp\":%" PRIu64 ",\"ns\":%u}", settings->exported_ns / 1000,
                  (unsigned)(settings->exported_ns % 1000));
    int result = put_member(export, "traced", settings->traced);
    writer_puts(export->out, ",\n\"events\":[");
    return result;
}

static int note_id(struct export *export, const void *id) {
    struct map_key key = map_key(0, 0, id, TRACE_NODE_ID_BYTES);
    return map_at(&((struct document *)export->state)->ids, &key) ? 0 : export_out_of_memory(export);
}

static int note_node(struct export *export, struct export_node *node) { return note_id(export, &node->id); }

static int note_ids(struct export *export, const struct trace_event *event) {
    struct document *document = export->state;
    if (event->kind == TRACE_KIND_ALIAS && note_id(export, event->data.alias.alias_id)) return -1;
    if (!(event->flags & TRACE_FLAG_HAS_PEER) || !memcmp(&document->last_peer, &event->peer_id, sizeof event->peer_id)) return 0;
    document->last_peer = event->peer_id;
    return note_id(export, &event->peer_id);
}

static int put_element(struct export *export, const struct export_event *event) {
    struct document *document = export->state;
    if (note_ids(export, event->event)) return -1;
    writer_puts(export->out, document->any ? ",\n" : "\n");
    document->any = true;
    return put_event(export, event->text);
}

static int keep_gap(struct export *export, const struct export_gap *gap) {
    struct document *document = export->state;
    if (!gap->lost) return 0;
    strbuf_puts(&document->gaps, document->gaps.bytes ? ",\n" : "\n");
    strbuf_add(&document->gaps, gap->lost->text.text, gap->lost->text.bytes); /* ASCII: it contains no text of a node */
    if (document->gaps.failed) return export_out_of_memory(export);
    return gap->among_events ? put_element(export, gap->lost) : 0;
}

/* The ids as keys of an object; NULL when out of memory. */
static json_t *ids_new(const struct map *map) {
    char hex[2 * TRACE_NODE_ID_BYTES + 1] = "";
    json_t *ids = json_object();
    int failed = !ids;
    for (size_t i = 0; i < map->slot_count; i++) {
        for (const struct map_entry *entry = map->slots[i]; entry; entry = entry->next) {
            put_hex(hex, entry->key.id, TRACE_NODE_ID_BYTES);
            failed |= json_object_set_new(ids, hex, json_true());
        }
    }
    if (!failed) return ids;
    json_decref(ids);
    return NULL;
}

static int put_explanation(struct export *export) {
    const struct export_settings *settings = export->settings;
    json_t *ids = ids_new(&((struct document *)export->state)->ids), *nodes = NULL, *who = NULL;
    int result = ids && !involved_pick(ids, settings->nodes, settings->who, &nodes, &who) ? 0 : export_out_of_memory(export);
    if (!result) result = put_member(export, "nodes", nodes);
    if (!result) result = put_member(export, "apps", settings->apps);
    if (!result) result = put_member(export, "who", who);
    json_decref(ids);
    json_decref(nodes);
    json_decref(who);
    return result;
}

static int end_document(struct export *export) {
    struct document *document = export->state;
    writer_puts(export->out, "\n],\n\"gaps\":[");
    writer_put(export->out, strbuf_text(&document->gaps), document->gaps.bytes);
    writer_printf(export->out, "],\n\"lost\":%" PRIu64 ",\n\"evicted\":%" PRIu64, export->lost, export->evicted);
    int result = put_explanation(export);
    writer_puts(export->out, "}\n");
    return result;
}

static void fini_document(struct export *export) {
    struct document *document = export->state;
    strbuf_fini(&document->gaps);
    map_fini(&document->ids, NULL);
}

const struct export_format export_format_json = {
    .name = "json",
    .suffixes = ".json",
    .doc = "one document: the events, and what explains them",
    .has_who = true,
    .state_bytes = sizeof(struct document),
    .begin = begin_document,
    .node = note_node,
    .event = put_element,
    .gap = keep_gap,
    .end = end_document,
    .fini = fini_document,
};
