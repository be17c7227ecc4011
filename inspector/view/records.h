/* SPDX-License-Identifier: MIT
 *
 * Rows for programs: JSON, one per line; csv (RFC 4180, but lines end with LF); or tsv (\t, \n, \r and \\ for these in a value),
 * the last two after a line of names.  A row is a JSON object.  A field is a member of it; or a deeper one with dots,
 * lost_by.overwritten; or of an event a field of its data, size, or of one kind only, packet_sent.size; or it is computed.
 *
 * In csv and tsv a value is as in JSON, but a text has no quotes and escapes, null is empty, and a time, {"timestamp", "ns"} or
 * the microseconds of a group, is 2026-01-31T12:00:00.123456789Z. */
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
    char titles[RECORD_FIELDS_MAX][RECORD_NAME_BYTES]; /* as the user wrote them, for the line of names; empty: the names */
    unsigned count;
};

/* Reads "a,b".  Returns 0, or -1 when there are too many, or one is too long. */
int field_names_parse(struct field_names *ret_names, const char *text);

/* The value of a row under a name, borrowed; NULL when it has none. */
const json_t *record_value(const json_t *row, const char *name);

/* Appends Unix nanoseconds as in csv. */
void record_time(struct strbuf *out, uint64_t unix_ns);

struct records {
    enum record_format format;
    bool header;              /* write the line of names */
    bool harmless;            /* for a terminal: control characters are escaped in csv and tsv, too */
    bool chosen;              /* by the user: then JSON has only these, too */
    struct field_names names; /* none: JSON has all members; csv and tsv those of the first row */
    bool begun;
    /* The value of a field that is not in the row, a new reference; NULL: unknown name. */
    json_t *(*compute)(const void *context, const char *name, const json_t *row);
    bool (*is_time)(const void *context, const char *name); /* is an integer of that field a time in microseconds?  or NULL */
    const void *context;
};

/* Appends a row.  Returns 0, or -1 when out of memory. */
int records_put(struct records *records, struct strbuf *out, const json_t *row);

/* Appends the line of names if no row has done it. */
void records_end(struct records *records, struct strbuf *out);

/* Appends a value as in csv or tsv, after a separator unless it is the first. */
void record_cell(struct strbuf *out, enum record_format format, bool harmless, bool first, const char *text, size_t bytes);

/* Ends a row of such cells, which began at that byte of `out`.  An only value that is empty gets quotes in csv: many readers skip
 * an empty line. */
void record_line_end(struct strbuf *out, enum record_format format, size_t begin);

#endif
