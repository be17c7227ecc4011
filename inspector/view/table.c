/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, unsigned column_count, const struct table_column *columns) {
    *table = (struct table){.columns = columns, .column_count = column_count};
}

void table_fini(struct table *table) {
    strbuf_fini(&table->text);
    free(table->cells);
    *table = (struct table){0};
}

struct strbuf *table_cell_begin(struct table *table, enum style style) {
    if (table->cell_count == table->cell_capacity) {
        size_t capacity = table->cell_capacity ? table->cell_capacity * 2 : 64;
        struct table_cell_text *cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->text.failed = true;
            return &table->text;
        }
        table->cells = cells;
        table->cell_capacity = capacity;
    }
    table->cells[table->cell_count] = (struct table_cell_text){.offset = table->text.bytes, .style = style};
    return &table->text;
}

void table_cell_end(struct table *table) {
    if (table->text.failed) return;
    struct table_cell_text *cell = &table->cells[table->cell_count++];
    cell->bytes = table->text.bytes - cell->offset;
}

void table_cell(struct table *table, enum style style, const char *format, ...) {
    va_list args;
    va_start(args, format);
    strbuf_vprintf(table_cell_begin(table, style), format, args);
    va_end(args);
    table_cell_end(table);
}

/* Appends text padded to width; the last column of a row gets no spaces behind it. */
static void print_cell(struct strbuf *out, const struct table *table, unsigned column, const char *text, size_t bytes,
                       enum style style, unsigned width, bool color) {
    unsigned columns = text_columns(text, bytes), pad = width - columns;
    if (column) strbuf_puts(out, "  ");
    if (table->columns[column].align == TABLE_RIGHT) strbuf_spaces(out, pad);
    text_style_on(out, color, style);
    strbuf_add(out, text, bytes);
    text_style_off(out, color, style);
    if (table->columns[column].align == TABLE_LEFT && column + 1 < table->column_count) strbuf_spaces(out, pad);
}

void table_print(struct strbuf *out, const struct table *table, bool header, bool color) {
    unsigned widths[32];
    assert(table->column_count <= sizeof widths / sizeof *widths);
    if (table->text.failed) {
        out->failed = true;
        return;
    }
    assert(table->cell_count % table->column_count == 0);
    for (unsigned i = 0; i < table->column_count; i++) widths[i] = header ? (unsigned)strlen(table->columns[i].title) : 0;
    const char *text = strbuf_text(&table->text);
    for (size_t i = 0; i < table->cell_count; i++) {
        unsigned columns = text_columns(text + table->cells[i].offset, table->cells[i].bytes);
        if (columns > widths[i % table->column_count]) widths[i % table->column_count] = columns;
    }
    for (unsigned i = 0; header && i < table->column_count; i++) {
        const char *title = table->columns[i].title;
        print_cell(out, table, i, title, strlen(title), STYLE_HEAD, widths[i], color);
        if (i + 1 == table->column_count) strbuf_puts(out, "\n");
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        unsigned column = (unsigned)(i % table->column_count);
        const struct table_cell_text *cell = &table->cells[i];
        print_cell(out, table, column, text + cell->offset, cell->bytes, cell->style, widths[column], color);
        if (column + 1 == table->column_count) strbuf_puts(out, "\n");
    }
}
