/* SPDX-License-Identifier: MIT
 *
 * Columns of the SQL tables: their names, and where in a row's JSON their values are.  The rows of all tables are
 * objects as docs/protocol.md describes them. */
#ifndef INSPECTOR_SQL_COLUMNS_H
#define INSPECTOR_SQL_COLUMNS_H

#include "json_scan.h"
#include "limits.h"
#include "names.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>

enum sql_source {
    SQL_MEMBER,    /* row[key] */
    SQL_PARENT,    /* a member of the object that contains the row */
    SQL_DATA,      /* row.data[key] */
    SQL_FIELD,     /* row.fields[key] */
    SQL_TIME,      /* row[key].timestamp */
    SQL_ENDED,     /* row.ended[key].timestamp */
    SQL_TIME_TEXT, /* the row's timestamp as text */
    SQL_NODE_NAME, /* the name of the node whose id is row[key] */
};

/* How a request can express a condition on a column. */
enum sql_push {
    SQL_PUSH_NOTHING,
    SQL_PUSH_TRACE_ID,
    SQL_PUSH_PEER_ID,
    SQL_PUSH_PEER,
    SQL_PUSH_NODE_ID,
    SQL_PUSH_NODE,
    SQL_PUSH_KIND,
    SQL_PUSH_TIMESTAMP,
    SQL_PUSH_NS,     /* only for sorting */
    SQL_PUSH_FILTER, /* a number, for a filter */
    SQL_PUSH_TEXT,   /* equality of text, for a filter */
    SQL_PUSH_BYTES,  /* equality of bytes, as hex digits */
};

struct sql_column {
    const char *name;
    const char *type; /* its affinity: INTEGER, REAL or TEXT */
    enum sql_source source;
    const char *key;
    enum sql_push push;
    bool hidden;        /* not in `select *` */
    const char *filter; /* its name in filters; NULL: the same */
    const char *unit;   /* of its numbers in filters; NULL: none */
};

/* A list of columns that grows; its texts are its own copies. */
struct sql_columns {
    struct sql_column *columns;
    int count;
    size_t capacity;
    bool failed; /* out of memory */
};

/* Adds a column.  If the name is taken (ignoring case) it gets the prefix "field_"; if that is taken too, nothing is
 * added. */
void sql_columns_add(struct sql_columns *columns, const struct sql_column *column);
void sql_columns_fini(struct sql_columns *columns);

/* The columns of `events`; and those of an application's own table.  Several elements of the answer to `apps` may describe one
 * application; we use those with this app_id. */
void sql_columns_of_events(struct sql_columns *ret_columns);
void sql_columns_of_app(struct sql_columns *ret_columns, const json_t *apps, const char *app_id);

/* Finds out which fields of an application filters can compare: those that all nodes describe alike.  Called before each
 * statement, because a new node may describe them differently. */
void sql_columns_choose_fields(struct sql_columns *columns, const json_t *apps, const char *app_id);

/* Appends text as it is written between the double quotes of a filter.  Returns false if it might differ from the text in an
 * answer's JSON: only printable ASCII is certainly the same. */
bool sql_filter_text(struct strbuf *filter, const char *text, size_t bytes);

/* CREATE TABLE x(...), for sqlite3_declare_vtab; free it with sqlite3_free.  NULL when out of memory. */
char *sql_columns_declare(const struct sql_column *columns, int count);

/* ---- rows ---- */

/* A row in the text of an answer; its members are found when the first column is needed. */
struct sql_row {
    struct json_span object;
    struct json_span parent; /* the object whose array contains it; usually none */
    struct json_member members[SQL_MEMBERS_MAX];
    int member_count; /* -1: not searched yet */
};

void sql_row_set(struct sql_row *row, struct json_span object, struct json_span parent);

/* Passes a column's value to SQLite: NULL if it is missing.  Integers above 2^63 - 1 become REAL; arrays and objects are
 * JSON text. */
void sql_column_result(sqlite3_context *context, const struct sql_column *column, struct sql_row *row, const struct names *names,
                       bool utc);

#endif
