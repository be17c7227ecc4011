/* SPDX-License-Identifier: MIT
 *
 * Rows of cells, aligned.  All tables of the inspector use it: those with few rows, all known, and those with many rows that come
 * one by one.  A cell's text is our own or already escaped.
 *
 *     struct table table;
 *     table_init(&table, 2, (const struct table_column[]){{"node", TABLE_LEFT}, {"events", TABLE_RIGHT}}, &style);
 *     strbuf_puts(table_cell_begin(&table), name);
 *     table_cell_end(&table, STYLE_PLAIN);
 *     table_cell(&table, STYLE_DIM, "%u", events);
 *     table_end(&table, out);
 *     table_fini(&table);
 *
 * If the terminal is too narrow, whole columns are hidden, the least important first; then texts that may be cut are cut, and
 * end in "…".  Before a text is hidden, it is cut shorter than it should be.  A number is never cut.  A last line names the
 * hidden columns. */
#ifndef INSPECTOR_TABLE_H
#define INSPECTOR_TABLE_H

#include "text.h"

enum table_align {
    TABLE_LEFT,
    TABLE_RIGHT,
    TABLE_AUTO, /* right-aligned if it has numbers and no text (table_cell_number, table_cell_text) */
};

struct table_column {
    const char *title; /* empty: notes on the row */
    enum table_align align;
    unsigned char rank;  /* 0: always shown; otherwise the highest is hidden first, and of equal ones the last */
    unsigned char least; /* its text may be cut to this many columns; 0: never */
};

struct table_style {
    bool header, color;
    unsigned columns;       /* of the terminal; 0: unlimited */
    unsigned measured_rows; /* fix the widths after this many rows, and write later rows as they come; 0: after all rows */
    const char *hint;       /* a phrase to append to the list of hidden columns; NULL: none */
};

#define TABLE_COLUMNS_MAX 64U /* shown or hidden; further ones are ignored */

struct table_cell_text {
    size_t offset, bytes;
    enum style style;
};

struct table {
    const struct table_column *columns;
    unsigned column_count;
    struct table_style how;
    struct strbuf text; /* of the cells not yet written, one after the other */
    struct table_cell_text *cells;
    size_t cell_count, cell_capacity;
    bool measured; /* the widths are fixed and the titles written */
    struct table_measure {
        unsigned width;
        bool hidden;
        bool squeezed;      /* cut to fewer columns than it should be, because it would have to be hidden otherwise */
        bool numbers, text; /* what its cells were */
        bool times;         /* or texts that would be useless if cut */
    } * measures;           /* of each column; NULL: out of memory */
};

/* columns must outlive the table.  When out of memory, the other functions do nothing, and table_put reports it. */
void table_init(struct table *table, unsigned column_count, const struct table_column *columns, const struct table_style *how);
void table_fini(struct table *table);

/* Adds the next cell; rows fill from left to right. */
void table_cell(struct table *table, enum style style, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds a cell by appending to table->text: begin, append, end. */
struct strbuf *table_cell_begin(struct table *table);
void table_cell_end(struct table *table, enum style style);

/* A cell of a column that is TABLE_AUTO: a number; or a foreign text, which is escaped, "-" for NULL. */
void table_cell_number(struct table *table, const char *text);
void table_cell_text(struct table *table, const char *text, size_t bytes);

/* Appends the rows that need not wait any longer; `all`: every row.  Columns are two spaces apart.  Sets out->failed when out of
 * memory. */
void table_put(struct table *table, struct strbuf *out, bool all);

/* Appends the remaining rows and, with titles, the names of hidden columns. */
void table_end(struct table *table, struct strbuf *out);

#endif
