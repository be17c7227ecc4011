/* SPDX-License-Identifier: MIT
 *
 * Rows of cells, aligned.  The one mechanism for every table of the inspector: of few rows that are all known, and of many that
 * come one by one.  A cell's text is ours or already harmless.
 *
 *     struct table table;
 *     table_init(&table, 2, (const struct table_column[]){{"node", TABLE_LEFT}, {"events", TABLE_RIGHT}}, &style);
 *     strbuf_puts(table_cell_begin(&table), name);
 *     table_cell_end(&table, STYLE_PLAIN);
 *     table_cell(&table, STYLE_DIM, "%u", events);
 *     table_end(&table, out);
 *     table_fini(&table);
 *
 * Where the terminal is too narrow, whole columns go, the least important first; then texts that may be cut are cut, and end in
 * "…".  A number is never cut.  A last line names the columns that are not shown. */
#ifndef INSPECTOR_TABLE_H
#define INSPECTOR_TABLE_H

#include "text.h"

enum table_align {
    TABLE_LEFT,
    TABLE_RIGHT,
    TABLE_AUTO, /* right when it has numbers and no text (table_cell_number, table_cell_text) */
};

struct table_column {
    const char *title;
    enum table_align align;
    unsigned char rank;  /* 0: always shown; else the greatest goes first, and of equal ones the last */
    unsigned char least; /* text that may be cut to so many columns; 0: never cut */
};

struct table_style {
    bool header, color;
    unsigned columns;       /* of the terminal; 0: as many as it needs */
    unsigned measured_rows; /* the widths are fixed after so many rows, which then go out as they come; 0: after all */
    const char *hint;       /* behind the columns that are not shown, a phrase; NULL: none */
};

#define TABLE_COLUMNS_MAX 64U /* shown or not; further ones are not shown */

struct table_cell_text {
    size_t offset, bytes;
    enum style style;
};

struct table {
    const struct table_column *columns;
    unsigned column_count;
    struct table_style how;
    struct strbuf text; /* of the cells that are held, one behind the other */
    struct table_cell_text *cells;
    size_t cell_count, cell_capacity;
    bool measured; /* the widths are fixed, the titles are out */
    struct table_measure {
        unsigned width;
        bool hidden;
        bool numbers, text; /* what it has had */
        bool times;         /* or texts that are useless when they are cut */
    } * measures;           /* of each column; NULL without memory */
};

/* columns must outlive the table.  Without memory all that follows does nothing, and table_put says so. */
void table_init(struct table *table, unsigned column_count, const struct table_column *columns, const struct table_style *how);
void table_fini(struct table *table);

/* Adds the next cell; rows fill from left to right. */
void table_cell(struct table *table, enum style style, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds to table->text by hand: begin, append, end. */
struct strbuf *table_cell_begin(struct table *table);
void table_cell_end(struct table *table, enum style style);

/* A cell of a column that is TABLE_AUTO: a number; or a text of anybody's, which is made harmless, NULL is "-". */
void table_cell_number(struct table *table, const char *text);
void table_cell_text(struct table *table, const char *text, size_t bytes);

/* Appends the rows that need not be held any longer; `all`: everything.  Columns are two spaces apart.  Sets out->failed when
 * memory was out. */
void table_put(struct table *table, struct strbuf *out, bool all);

/* Appends the rest, and with titles which columns are not shown. */
void table_end(struct table *table, struct strbuf *out);

#endif
