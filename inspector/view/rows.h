/* SPDX-License-Identifier: MIT
 *
 * Rows as they come, aligned for people.  The first ones are held back until there are enough to say how wide the columns are
 * and which hold numbers (those go to the right); the rest go straight out, and a cell that is wider moves only its own line. */
#ifndef INSPECTOR_ROWS_H
#define INSPECTOR_ROWS_H

#include "strbuf.h"

struct rows_column {
    char *title; /* harmless */
    unsigned width;
    bool numbers, text; /* what it has had */
};

struct rows_cell {
    size_t offset, bytes;
};

struct rows {
    struct rows_column *columns;
    unsigned column_count;
    bool header, color;
    bool measured;      /* the widths are fixed, the titles out */
    struct strbuf text; /* of the cells that are held */
    struct rows_cell *cells;
    size_t cell_count, cell_capacity;
};

/* Returns 0 or -1 without memory; rows_fini in both cases. */
int rows_init(struct rows *rows, unsigned column_count, bool header, bool color);
void rows_fini(struct rows *rows);

/* Names a column, before the first row.  The text may be anybody's. */
void rows_title(struct rows *rows, unsigned column, const char *title);

/* Adds the next cell of a row, from left to right.  The text is made harmless; NULL is "-". */
void rows_number(struct rows *rows, const char *text);
void rows_text(struct rows *rows, const char *text, size_t bytes);

/* Appends to out what need not be held any longer; `all`: everything. */
void rows_put(struct rows *rows, struct strbuf *out, bool all);

#endif
