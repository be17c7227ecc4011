/* SPDX-License-Identifier: MIT
 *
 * Rows of cells, aligned when they are all known.  A cell's text is ours or already harmless.
 *
 *     struct table table;
 *     table_init(&table, 2, (const struct table_column[]){{"node", TABLE_LEFT}, {"events", TABLE_RIGHT}});
 *     table_cell(&table, STYLE_PLAIN, "%s", name);
 *     table_cell(&table, STYLE_DIM, "%u", events);
 *     table_print(out, &table, true, color);
 *     table_fini(&table); */
#ifndef INSPECTOR_TABLE_H
#define INSPECTOR_TABLE_H

#include "text.h"

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
    const char *title;
    enum table_align align;
};

struct table_cell_text {
    size_t offset, bytes;
    enum style style;
};

struct table {
    const struct table_column *columns;
    unsigned column_count;
    struct strbuf text; /* of all cells, one behind the other */
    struct table_cell_text *cells;
    size_t cell_count;
    size_t cell_capacity;
};

/* columns must outlive the table. */
void table_init(struct table *table, unsigned column_count, const struct table_column *columns);
void table_fini(struct table *table);

/* Adds the next cell; rows fill from left to right. */
void table_cell(struct table *table, enum style style, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds to table->text by hand: begin, append, end. */
struct strbuf *table_cell_begin(struct table *table, enum style style);
void table_cell_end(struct table *table);

/* Prints all rows, each ended by a newline; columns are two spaces apart. */
void table_print(struct strbuf *out, const struct table *table, bool header, bool color);

#endif
