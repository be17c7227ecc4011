/* SPDX-License-Identifier: MIT
 *
 * The rows of a statement, as they come: a table for people, or rows as JSON, csv or tsv.  Whoever ran the statement, all texts
 * that reach a terminal are escaped here, and JSON is printable ASCII.
 *
 *     sql_result_init(&result, session, titles, count)
 *     sql_result_row(&result, cells)                          for each row
 *     sql_result_end(&result, true)
 *     sql_result_fini(&result)
 *
 * Those that return int return 0, or -1 with session->failure. */
#ifndef INSPECTOR_SQL_RESULT_H
#define INSPECTOR_SQL_RESULT_H

#include "session.h"
#include "table.h"

/* A value of a row; its text stays the caller's. */
struct sql_cell {
    enum sql_cell_type {
        SQL_CELL_NULL,
        SQL_CELL_NUMBER,
        SQL_CELL_TEXT,
        SQL_CELL_JSON /* a JSON value, in printable ASCII */
    } type;
    const char *text;
    size_t bytes;
};

struct sql_result {
    struct session *session;
    struct table table;
    struct table_column *columns; /* with escaped titles */
    char **titles, **keys;        /* of columns; keys with --json */
    size_t count;
    bool data; /* as JSON, csv or tsv */
    uint64_t row_count, flushed_ms;
};

/* titles: of `count` columns, at least one; copied.  Call sql_result_fini also after a failure. */
int sql_result_init(struct sql_result *result, struct session *session, const char *const *titles, size_t count);
void sql_result_fini(struct sql_result *result);

/* A row of as many cells as there are columns.  Numbers are valid JSON where the result is data. */
int sql_result_row(struct sql_result *result, const struct sql_cell *cells);

/* done: there are no more; otherwise the statement failed.  Also shows the rows before a failure: they took time. */
int sql_result_end(struct sql_result *result, bool done);

/* Appends a number in as few digits as give the same one, as JSON, which has no infinity. */
void sql_put_real(struct strbuf *out, double value);

/* Appends a text as JSON, with its quotes, in printable ASCII.  What is not UTF-8 is escaped as for people. */
void sql_put_text(struct strbuf *out, const char *text, size_t bytes);

#endif
