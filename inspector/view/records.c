/* SPDX-License-Identifier: MIT */
#include "records.h"

#include "json_get.h"
#include "json_put.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- fields ---- */

int field_names_parse(struct field_names *ret_names, const char *text) {
    *ret_names = (struct field_names){0};
    for (size_t bytes; *text; text += bytes + (text[bytes] == ',')) {
        bytes = strcspn(text, ",");
        if (!bytes) continue;
        if (ret_names->count == RECORD_FIELDS_MAX || bytes >= RECORD_NAME_BYTES) return -1;
        memcpy(ret_names->titles[ret_names->count], text, bytes);
        memcpy(ret_names->names[ret_names->count++], text, bytes);
    }
    return 0;
}

/* Follows a name with dots from a value downward. */
static const json_t *value_at(const json_t *value, const char *name) {
    const json_t *exact = json_object_get(value, name);
    const char *dot = strchr(name, '.');
    if (exact || !dot) return exact;
    char head[RECORD_NAME_BYTES];
    if ((size_t)(dot - name) >= sizeof head) return NULL;
    memcpy(head, name, (size_t)(dot - name));
    head[dot - name] = 0;
    return value_at(json_object_get(value, head), dot + 1);
}

const json_t *record_value(const json_t *row, const char *name) {
    const json_t *value = value_at(row, name), *data = json_object_get(row, "data");
    const char *kind = json_get_text(row, "kind");
    if (value || !data) return value;
    if ((value = value_at(data, name))) return value;
    size_t bytes = kind ? strlen(kind) : 0;
    return kind && !strncmp(name, kind, bytes) && name[bytes] == '.' ? value_at(data, name + bytes + 1) : NULL;
}

/* ---- csv and tsv ---- */

static bool needs_quotes(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r') return true;
    return false;
}

static void put_csv(struct strbuf *out, const char *text, size_t bytes) {
    if (!needs_quotes(text, bytes)) {
        strbuf_add(out, text, bytes);
        return;
    }
    strbuf_puts(out, "\"");
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"') strbuf_puts(out, "\"");
        strbuf_add(out, text + i, 1);
    }
    strbuf_puts(out, "\"");
}

static void put_tsv(struct strbuf *out, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        const char *escape = text[i] == '\t'   ? "\\t"
                             : text[i] == '\n' ? "\\n"
                             : text[i] == '\r' ? "\\r"
                             : text[i] == '\\' ? "\\\\"
                                               : NULL;
        if (escape)
            strbuf_puts(out, escape);
        else
            strbuf_add(out, text + i, 1);
    }
}

void record_cell(struct strbuf *out, enum record_format format, bool harmless, bool first, const char *text, size_t bytes) {
    struct strbuf shown = {0};
    if (!first) strbuf_puts(out, format == RECORD_TSV ? "\t" : ",");
    if (harmless) {
        text_untrusted(&shown, text, bytes, UINT32_MAX);
        text = strbuf_text(&shown);
        bytes = shown.bytes;
    }
    if (format == RECORD_TSV)
        put_tsv(out, text, bytes);
    else
        put_csv(out, text, bytes);
    out->failed |= shown.failed;
    strbuf_fini(&shown);
}

void record_line_end(struct strbuf *out, enum record_format format, size_t begin) {
    if (format == RECORD_CSV && out->bytes == begin) strbuf_puts(out, "\"\"");
    strbuf_puts(out, "\n");
}

void record_time(struct strbuf *out, uint64_t unix_ns) {
    time_t second = (time_t)(unix_ns / 1000000000);
    struct tm tm;
    char text[sizeof "2026-01-31T12:00:00"];
    if (!gmtime_r(&second, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm)) return; /* beyond the year 9999 */
    strbuf_printf(out, "%s.%09uZ", text, (unsigned)(unix_ns % 1000000000));
}

static bool is_time(const json_t *value, uint64_t *ret_ns) {
    return json_object_size(value) == 2 && json_object_get(value, "ns") && json_get_time(value, ret_ns);
}

/* Appends a value as plain text.  time: an integer is Unix microseconds. */
static int put_plain(struct strbuf *out, const json_t *value, bool time) {
    uint64_t ns;
    if (!value || json_is_null(value)) return 0;
    if (time && json_is_integer(value) && json_integer_value(value) >= 0) {
        record_time(out, (uint64_t)json_integer_value(value) * 1000);
        return 0;
    }
    if (json_is_string(value)) {
        strbuf_add(out, json_string_value(value), json_string_length(value));
        return 0;
    }
    if (json_is_object(value) && is_time(value, &ns)) {
        record_time(out, ns);
        return 0;
    }
    return json_put(out, value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* ---- rows ---- */

/* The value of a field, a new reference; JSON null when the row has none. */
static json_t *value_new(const struct records *records, const char *name, const json_t *row) {
    const json_t *value = record_value(row, name);
    if (value) return json_incref((json_t *)value);
    json_t *computed = records->compute ? records->compute(records->context, name, row) : NULL;
    return computed ? computed : json_null();
}

static void name_members(struct records *records, const json_t *row) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)row, key, value) {
        (void)value;
        if (records->names.count == RECORD_FIELDS_MAX || strlen(key) >= RECORD_NAME_BYTES) continue;
        strcpy(records->names.names[records->names.count++], key);
    }
}

static void put_header(struct records *records, struct strbuf *out) {
    records->begun = true;
    if (!records->header || records->format == RECORD_JSON || !records->names.count) return;
    for (unsigned i = 0; i < records->names.count; i++) {
        const char *title = *records->names.titles[i] ? records->names.titles[i] : records->names.names[i];
        record_cell(out, records->format, records->harmless, !i, title, strlen(title));
    }
    strbuf_puts(out, "\n");
}

static int put_json(const struct records *records, struct strbuf *out, const json_t *row) {
    json_t *chosen = json_object();
    int failed = !chosen;
    for (unsigned i = 0; i < records->names.count; i++)
        failed |= json_object_set_new(chosen, records->names.names[i], value_new(records, records->names.names[i], row));
    if (!failed) failed = json_put(out, chosen, JSON_COMPACT);
    json_decref(chosen);
    strbuf_puts(out, "\n");
    return failed ? -1 : 0;
}

int records_put(struct records *records, struct strbuf *out, const json_t *row) {
    bool json = records->format == RECORD_JSON;
    if (json && records->chosen) return put_json(records, out, row);
    if (json) {
        int failed = json_put(out, row, JSON_COMPACT);
        strbuf_puts(out, "\n");
        return failed;
    }
    if (!records->names.count) name_members(records, row);
    if (!records->begun) put_header(records, out);
    int failed = 0;
    size_t begin = out->bytes;
    for (unsigned i = 0; i < records->names.count; i++) {
        const char *name = records->names.names[i];
        struct strbuf text = {0};
        json_t *value = value_new(records, name, row);
        failed |= put_plain(&text, value, records->is_time && records->is_time(records->context, name)) || text.failed;
        record_cell(out, records->format, records->harmless, !i, strbuf_text(&text), text.bytes);
        json_decref(value);
        strbuf_fini(&text);
    }
    record_line_end(out, records->format, begin);
    return failed ? -1 : 0;
}

void records_end(struct records *records, struct strbuf *out) {
    if (!records->begun) put_header(records, out);
}
