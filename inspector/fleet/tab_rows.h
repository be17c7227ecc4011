/* SPDX-License-Identifier: MIT
 *
 * Rows of a statement that somebody else wrote, of any types: ClickHouse's TabSeparatedWithNamesAndTypes, which all its versions
 * write in the same way.
 *
 *     tab_rows_begin(&rows, answer.bytes, answer.count)
 *     while (tab_rows_next(&rows)) rows.cells[i] ...          rows.titles[i] is its name, for rows.count columns
 *     rows.failed: out of memory; rows.broken: this is not that format
 *     tab_rows_fini(&rows)
 *
 * A server may lie about its types: what it calls a number is one.  Texts are UTF-8, with U+FFFD for what is not, as in the JSON
 * of events. */
#ifndef INSPECTOR_TAB_ROWS_H
#define INSPECTOR_TAB_ROWS_H

#include "strbuf.h"

#include <stdbool.h>
#include <stddef.h>

enum tab_type {
    TAB_TEXT,
    TAB_INTEGER,
    TAB_REAL,
    TAB_BOOL,
    TAB_LIST, /* as in SQL: ['a',NULL,'it\'s'] */
    TAB_ID,   /* FixedString of 16 bytes or more, of which the text has the hex digits; zero is null */
};

struct tab_cell {
    enum tab_type type;
    bool null;
    const char *text; /* NUL-terminated */
    size_t bytes;
};

struct tab_rows {
    const char **titles;
    enum tab_type *types;
    size_t count;
    struct tab_cell *cells; /* of the row */
    bool failed, broken;
    bool totals; /* the row is the first behind the rows: of WITH TOTALS, or of extremes */
    const char *at, *end;
    struct strbuf names, line;
};

/* Reads names and types.  Returns false, with `failed` or `broken`, if there are none. */
bool tab_rows_begin(struct tab_rows *rows, const char *text, size_t bytes);
void tab_rows_fini(struct tab_rows *rows);

/* Reads the next row.  Returns false at the end, or with `failed` or `broken`. */
bool tab_rows_next(struct tab_rows *rows);

/* Appends a list as JSON.  Returns false if it is no list of numbers, texts and lists; then what it appended is to be removed. */
bool tab_put_list(struct strbuf *out, const struct tab_cell *list);

#endif
