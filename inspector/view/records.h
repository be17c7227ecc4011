/* SPDX-License-Identifier: MIT
 *
 * Rows for programs: JSON, a line each; csv (RFC 4180, lines end with LF), or tsv (\t, \n, \r and \\ for these in a value), with
 * a line of names first.  A row is a JSON object.  A field is a member of it; or further down with dots, lost_by.overwritten; or
 * of an event one of its data, size, also of one kind alone, packet_sent.size; or one that is computed.
 *
 * A value is in csv and tsv what it is in JSON, a text without its quotes and escapes, null empty; but a time {"timestamp", "ns"}
 * is 2026-01-31T12:00:00.123456789Z there. */
#ifndef INSPECTOR_RECORDS_H
#define INSPECTOR_RECORDS_H

#include "strbuf.h"

#include <jansson.h>
#include <stdint.h>

enum record_format { RECORD_JSON, RECORD_CSV, RECORD_TSV };

#define RECORD_FIELDS_MAX 64U
#define RECORD_NAME_BYTES 64U

/* Names of fields. */
struct field_names {
    char names[RECORD_FIELDS_MAX][RECORD_NAME_BYTES];
    unsigned count;
};

/* Reads "a,b".  Returns 0, or -1 when there are too many, or one is too long. */
int field_names_parse(struct field_names *ret_names, const char *text);

/* The value of a row that has a name, borrowed; NULL when it has none. */
const json_t *record_value(const json_t *row, const char *name);

/* Appends Unix nanoseconds as csv has them. */
void record_time(struct strbuf *out, uint64_t unix_ns);

struct records {
    enum record_format format;
    bool header;              /* the line of names */
    bool harmless;            /* goes to a terminal: control characters are escaped in csv and tsv, too */
    bool chosen;              /* by the user: JSON has them alone, too */
    struct field_names names; /* none: JSON has all; of csv and tsv the first row's members */
    bool begun;
    /* The value of a field that is not in the row, a new reference; NULL: there is none of that name. */
    json_t *(*compute)(const void *context, const char *name, const json_t *row);
    const void *context;
};

/* Appends a row.  Returns 0, or -1 without memory. */
int records_put(struct records *records, struct strbuf *out, const json_t *row);

/* Appends the line of names, when there was no row to do it. */
void records_end(struct records *records, struct strbuf *out);

/* Appends a value as csv or tsv has it, behind a separator unless it is the first. */
void record_cell(struct strbuf *out, enum record_format format, bool harmless, bool first, const char *text, size_t bytes);

#endif
