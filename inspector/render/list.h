/* SPDX-License-Identifier: MIT
 *
 * Lists: rows of JSON as a table for people.  A list declares its fields once; the table, --fields, csv, help and completion
 * follow from that. */
#ifndef INSPECTOR_LIST_H
#define INSPECTOR_LIST_H

#include "failure.h"
#include "render.h"
#include "table.h"

/* Appends a cell: the field of a row, escaped.  Returns its style. */
typedef enum style list_draw(struct strbuf *cell, const struct view *view, const json_t *row, const char *field);

/* Computes a value that the row does not have, for --fields of csv, tsv and JSON: a new reference, or NULL when out of memory. */
typedef json_t *list_compute(const struct view *view, const json_t *row);

enum list_flags {
    LIST_ASKED = 1,         /* shown only when --fields names it */
    LIST_UNLESS_ZERO = 2,   /* shown only when a row has it and it is not 0; a list counts, even an empty one */
    LIST_HOSTS = 16,        /* shown only when nodes run on several machines */
    LIST_IN_DATA = 8,       /* in csv, although it is computed */
    LIST_NAMED = 32,        /* in csv only when --fields names it */
    LIST_TIME = 64,         /* the value is Unix microseconds, in csv a time */
    LIST_AGO = 4,           /* shown only if the present time is known */
    LIST_UNLESS_NULL = 256, /* shown only when a row has it, or the object that it is in */
    LIST_APART = 128,       /* never hidden if rows with the same first column differ in it */
};

struct list_column {
    const char *field; /* a member of the row, or a path (record_value) */
    const char *title; /* NULL: the field's name */
    enum table_align align;
    unsigned char rank, least; /* as in struct table_column */
    unsigned short flags;
    list_draw *draw;       /* NULL: the value as it is in csv */
    list_compute *compute; /* NULL: the row has the value */
    const char *path;      /* where the row has the value; NULL: under its name */
};

struct list {
    const struct list_column *columns;
    unsigned count;
    bool has_data; /* rows are events: they have the fields of their kinds, too */
};

extern const struct list node_list, peer_list, trace_list, app_list, control_list, event_list, finding_list, diff_list,
    stats_list;

/* Appends the rows, an array.  Without any, appends `none`, unless titles are off. */
void list_put(struct strbuf *out, const struct view *view, const struct list *list, const json_t *rows, const char *none);

/* Appends what an answer to `count` or `requests` covers, behind the number of its events or requests: " in 3 s; 1 more has not
 * ended; the 20 largest of 50 groups, --limit shows more", and ends the line.  order: "largest" or "newest"; unit: "groups" or
 * "rows". */
void list_put_extent(struct strbuf *out, const json_t *answer, const char *order, const char *unit);

/* Appends a line about what the rows lack: `why`, how many of what, and `more`; nothing for a count of 0. */
void list_put_lacking(struct strbuf *out, const struct view *view, enum style style, const char *why, uint64_t count,
                      const char *what, const char *more);

/* Is each name a field?  Replaces a column's title by the name of its field.  Returns 0, or -1 with a failure that suggests a
 * field. */
int list_check(const struct list *list, struct field_names *names, struct failure *failure);

/* The fields of csv and tsv by default. */
void list_usual(const struct list *list, struct field_names *ret_names);

/* Is a field's integer a time in Unix microseconds, which csv writes as a time? */
bool list_is_time(const struct list *list, const char *name);

/* The value of a field that is computed or has a path, a new reference; NULL if the list has no such field. */
json_t *list_value_new(const struct list *list, const struct view *view, const char *name, const json_t *row);

/* Appends the cell of one column.  Returns its style. */
enum style list_draw_cell(struct strbuf *cell, const struct view *view, const struct list_column *column, const json_t *row);

/* ---- cells of several lists ---- */

list_draw draw_text, draw_head, draw_count, draw_bad_count, draw_duration, draw_stepped, draw_bytes, draw_time, draw_node_id,
    draw_names;

/* Appends how long ago a time {"timestamp", "ns"} was. */
enum style draw_ago(struct strbuf *cell, const struct view *view, const json_t *time);

/* The same in nanoseconds. */
json_t *ago_new(const struct view *view, const json_t *time);

#endif
