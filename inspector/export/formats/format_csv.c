/* SPDX-License-Identifier: MIT
 *
 * csv (RFC 4180, lines end with LF) and tsv (\t, \n, \r and \\ for these characters in a value): a line of titles, then a line
 * for each event, with the chosen columns.  A value is empty if the event does not have it.
 *
 * A column is one of those listed below; or a field of the data: `size` of any kind, `packet_sent.size` of one kind; or
 * `fields.NAME`, a field that an application registered for its data bytes.  Values are those of the JSON form. */
#include "export_format.h"
#include "nearest.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/json_memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS_MAX 64
#define KINDS_MAX 64
#define NAME_MAX_BYTES 64
#define USUAL_COLUMNS "time,node,lane,sequence,kind,peer_id,trace_id,app,command,data,peer"

struct table;
struct column {
    char name[NAME_MAX_BYTES];
    char *(*put)(struct table *table, const struct column *column, char *out, const struct export_event *event);
    const struct trace_field_info *fields[KINDS_MAX]; /* for put_field, by kind */
};

struct table {
    const struct export *export;
    bool tabs;
    unsigned count;
    struct column columns[COLUMNS_MAX];
    uint64_t second; /* the second that second_text shows */
    char second_text[sizeof "2026-01-31T12:00:00."];
};

/* ---- values ------------------------------------------------------------------------------------------------------------- */

/* Each writes plain text; put_csv or put_tsv quotes it. */

static char *put_timestamp(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_u64(out, event->event->timestamp);
}

static char *put_time(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)column;
    time_t second = (time_t)(event->event->timestamp / 1000000000);
    if (table->second != (uint64_t)second || !*table->second_text) {
        struct tm parts;
        if (!gmtime_r(&second, &parts) || !strftime(table->second_text, sizeof table->second_text, "%Y-%m-%dT%H:%M:%S.", &parts))
            return out; /* beyond the year 9999 */
        table->second = (uint64_t)second;
    }
    char digits[24];
    put_fixed(digits, event->event->timestamp % 1000000000, 9);
    out = put_text(out, table->second_text);
    out = put_bytes(out, digits + 2, 9);
    *out++ = 'Z';
    return out;
}

static char *put_node(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_text(out, event->node->name);
}

static char *put_node_id(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_bytes(out, event->node->hex, 64);
}

static char *put_lane(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_u64(out, event->lane);
}

static char *put_sequence(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_u64(out, event->event->sequence);
}

static char *put_kind(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_text(out, event->kind_name);
}

static char *put_peer_id(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return event_has_peer(event) ? put_hex(out, event->event->peer_id.bytes, sizeof event->event->peer_id.bytes) : out;
}

/* Its name; of a peer that is no node, the beginning of its id. */
static char *put_peer(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    if (!event_has_peer(event)) return out;
    const struct export_node *node = export_node_of(table->export, &event->event->peer_id);
    (void)column;
    return node ? put_text(out, node->name) : put_hex(out, event->event->peer_id.bytes, 4);
}

static char *put_trace_id(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    const struct trace_id *id = &event->event->trace_id;
    return trace_id_is_zero(id) ? out : put_hex(out, id->bytes, sizeof id->bytes);
}

static char *put_flags(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    char *begin = out;
    for (unsigned bit = 0; bit < 8; bit++) {
        const char *name = trace_flag_name(bit);
        if (!(event->event->flags >> bit & 1) || 1U << bit == TRACE_FLAG_HAS_PEER) continue;
        if (out > begin) *out++ = ' ';
        out = name ? put_text(out, name) : put_u64(put_text(out, "bit"), bit);
    }
    return out;
}

/* A JSON value as text: a string without quotes and escapes; nothing for null. */
static char *put_value(char *out, struct json_span value) {
    struct json_span plain;
    if (!value.bytes || (value.bytes == 4 && !memcmp(value.text, "null", 4))) return out;
    if (*value.text != '"') return put_span(out, value);
    if (json_scan_plain(value, &plain)) return put_span(out, plain);
    json_t *string = trace_json_loadb(value.text, value.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (string) out = put_bytes(out, json_string_value(string), json_string_length(string));
    json_decref(string);
    return out;
}

static char *put_app(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_value(out, event->app);
}

static char *put_command(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_value(out, event->command);
}

static char *put_data(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return trace_event_data_json(out, event->event);
}

static char *put_app_fields(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table, (void)column;
    return put_value(out, event->fields);
}

static char *put_field(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table;
    char json[TRACE_EVENT_JSON_MAX];
    const struct trace_field_info *field = event->event->kind < KINDS_MAX ? column->fields[event->event->kind] : NULL;
    if (!field) return out;
    char *end = trace_field_json(json, event->event, field);
    return put_value(out, (struct json_span){json, (size_t)(end - json)});
}

static char *put_app_field(struct table *table, const struct column *column, char *out, const struct export_event *event) {
    (void)table;
    struct json_span value = {NULL, 0};
    if (!event->fields.bytes || !json_scan_find(event->fields, column->name + strlen("fields."), &value)) return out;
    return put_value(out, value);
}

static const struct {
    const char *name;
    char *(*put)(struct table *table, const struct column *column, char *out, const struct export_event *event);
} known_columns[] = {
    {"time", put_time},       {"timestamp", put_timestamp}, {"node", put_node},         {"node_id", put_node_id},
    {"lane", put_lane},       {"sequence", put_sequence},   {"kind", put_kind},         {"flags", put_flags},
    {"peer_id", put_peer_id}, {"peer", put_peer},           {"trace_id", put_trace_id}, {"app", put_app},
    {"command", put_command}, {"data", put_data},           {"fields", put_app_fields},
};

/* ---- quoting ------------------------------------------------------------------------------------------------------------ */

static bool needs_quotes(const char *text, const char *end) {
    for (; text < end; text++)
        if (*text == ',' || *text == '"' || *text == '\n' || *text == '\r') return true;
    return false;
}

static char *put_csv(char *out, const char *text, const char *end) {
    if (!needs_quotes(text, end)) return put_bytes(out, text, (size_t)(end - text));
    *out++ = '"';
    for (; text < end; text++) {
        if (*text == '"') *out++ = '"';
        *out++ = *text;
    }
    *out++ = '"';
    return out;
}

static char *put_tsv(char *out, const char *text, const char *end) {
    for (; text < end; text++) {
        const char *escape = *text == '\t'   ? "\\t"
                             : *text == '\n' ? "\\n"
                             : *text == '\r' ? "\\r"
                             : *text == '\\' ? "\\\\"
                                             : NULL;
        if (escape)
            out = put_text(out, escape);
        else
            *out++ = *text;
    }
    return out;
}

/* ---- columns ------------------------------------------------------------------------------------------------------------ */

/* Looks the name up among the fields of all kinds.  Returns false when no kind has it. */
static bool find_fields(struct column *column) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    const char *dot = strchr(column->name, '.'), *name = dot ? dot + 1 : column->name;
    bool any = false;
    for (unsigned k = 0; k < count; k++) {
        const struct trace_kind_info *kind = &kinds[k];
        if (kind->id >= KINDS_MAX) continue;
        if (dot &&
            (strlen(kind->name) != (size_t)(dot - column->name) || strncmp(kind->name, column->name, strlen(kind->name)) != 0))
            continue;
        for (unsigned i = 0; i < kind->field_count; i++)
            if (!strcmp(kind->fields[i].name, name)) column->fields[kind->id] = &kind->fields[i], any = true;
    }
    return any;
}

static int unknown_column(struct export *export, const char *name) {
    struct nearest nearest = nearest_to(name);
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (size_t i = 0; i < sizeof known_columns / sizeof *known_columns; i++) nearest_look(&nearest, known_columns[i].name);
    for (unsigned k = 0; k < count; k++)
        for (unsigned i = 0; i < kinds[k].field_count; i++) nearest_look(&nearest, kinds[k].fields[i].name);
    if (nearest.word)
        return failure_set(export->failure, EXIT_USAGE, "there is no field %s; did you mean %s?", name, nearest.word);
    return failure_set(export->failure, EXIT_USAGE, "there is no field %s; see docs/exports.md", name);
}

static int add_column(struct export *export, struct table *table, const char *name, size_t bytes) {
    if (table->count == COLUMNS_MAX || bytes >= NAME_MAX_BYTES)
        return failure_set(export->failure, EXIT_USAGE, "too many fields, or a name is too long: at most %d fields of %d letters",
                           COLUMNS_MAX, NAME_MAX_BYTES - 1);
    struct column *column = &table->columns[table->count++];
    memcpy(column->name, name, bytes);
    for (size_t i = 0; i < sizeof known_columns / sizeof *known_columns; i++)
        if (!strcmp(column->name, known_columns[i].name)) column->put = known_columns[i].put;
    if (column->put) return 0;
    bool of_app = !strncmp(column->name, "fields.", strlen("fields.")) && bytes > strlen("fields.");
    column->put = of_app ? put_app_field : put_field;
    return of_app || find_fields(column) ? 0 : unknown_column(export, column->name);
}

static int begin(struct export *export, bool tabs) {
    struct table *table = export->state;
    const char *names = export->settings->columns ? export->settings->columns : USUAL_COLUMNS;
    table->tabs = tabs;
    table->export = export;
    for (const char *at = names; *at;) {
        size_t bytes = strcspn(at, ",");
        if (bytes && add_column(export, table, at, bytes)) return -1;
        at += bytes + (at[bytes] == ',');
    }
    if (!table->count) return failure_set(export->failure, EXIT_USAGE, "--fields names no field");
    for (unsigned i = 0; i < table->count; i++) {
        const char *name = table->columns[i].name;
        char *out = writer_room(export->out, 4 * NAME_MAX_BYTES);
        if (i) *out++ = tabs ? '\t' : ',';
        writer_done(export->out, (tabs ? put_tsv : put_csv)(out, name, name + strlen(name)));
    }
    writer_puts(export->out, "\n");
    return 0;
}
static int begin_csv(struct export *export) { return begin(export, false); }
static int begin_tsv(struct export *export) { return begin(export, true); }

static int put_row(struct export *export, const struct export_event *event) {
    struct table *table = export->state;
    char value[TRACE_EVENT_JSON_MAX];
    for (unsigned i = 0; i < table->count; i++) {
        const struct column *column = &table->columns[i];
        char *end = column->put(table, column, value, event), *out = writer_room(export->out, 2 * sizeof value + 3);
        if (i) *out++ = table->tabs ? '\t' : ',';
        if (table->count == 1 && !table->tabs && end == value) out = put_text(out, "\"\""); /* many readers skip an empty line */
        writer_done(export->out, table->tabs ? put_tsv(out, value, end) : put_csv(out, value, end));
    }
    writer_puts(export->out, "\n");
    return 0;
}

static int put_gap(struct export *export, const struct export_gap *gap) { return gap->lost ? put_row(export, gap->lost) : 0; }

const struct export_format export_format_csv = {
    .name = "csv",
    .suffixes = ".csv",
    .doc = "a table with --fields: spreadsheets, DuckDB, pandas",
    .follow_ms = 100,
    .state_bytes = sizeof(struct table),
    .begin = begin_csv,
    .event = put_row,
    .gap = put_gap,
};

const struct export_format export_format_tsv = {
    .name = "tsv",
    .suffixes = ".tsv",
    .doc = "the same, with tabs: cut, awk, sort",
    .follow_ms = 100,
    .state_bytes = sizeof(struct table),
    .begin = begin_tsv,
    .event = put_row,
    .gap = put_gap,
};
