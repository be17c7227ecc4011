/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "limits.h"
#include "text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int rows_init(struct rows *rows, unsigned column_count, bool header, bool color) {
    *rows = (struct rows){.column_count = column_count, .header = header, .color = color};
    rows->columns = calloc(column_count, sizeof *rows->columns);
    return rows->columns ? 0 : -1;
}

void rows_fini(struct rows *rows) {
    for (unsigned i = 0; rows->columns && i < rows->column_count; i++) free(rows->columns[i].title);
    free(rows->columns);
    free(rows->cells);
    strbuf_fini(&rows->text);
    *rows = (struct rows){0};
}

void rows_title(struct rows *rows, unsigned column, const char *title) {
    struct strbuf text = {0};
    text_untrusted(&text, title, strlen(title), SQL_COLUMNS_MAX);
    rows->columns[column].title = strdup(strbuf_text(&text));
    rows->columns[column].width = rows->header ? text_columns(strbuf_text(&text), text.bytes) : 0;
    rows->text.failed |= text.failed || !rows->columns[column].title;
    strbuf_fini(&text);
}

/* Ends the cell that was appended to the text from there on. */
static void end_cell(struct rows *rows, size_t offset) {
    if (rows->cell_count == rows->cell_capacity) {
        size_t capacity = rows->cell_capacity ? rows->cell_capacity * 2 : 256;
        struct rows_cell *cells = realloc(rows->cells, capacity * sizeof *cells);
        if (!cells) {
            rows->text.failed = true;
            return;
        }
        rows->cells = cells;
        rows->cell_capacity = capacity;
    }
    if (rows->text.failed) return;
    struct rows_column *column = &rows->columns[rows->cell_count % rows->column_count];
    struct rows_cell *cell = &rows->cells[rows->cell_count++];
    *cell = (struct rows_cell){.offset = offset, .bytes = rows->text.bytes - offset};
    if (rows->measured) return;
    unsigned width = text_columns(strbuf_text(&rows->text) + offset, cell->bytes);
    if (width > SQL_COLUMNS_MAX) width = SQL_COLUMNS_MAX;
    if (width > column->width) column->width = width;
}

static struct rows_column *next_column(struct rows *rows) { return &rows->columns[rows->cell_count % rows->column_count]; }

void rows_number(struct rows *rows, const char *text) {
    size_t offset = rows->text.bytes;
    if (!rows->measured) next_column(rows)->numbers = true;
    strbuf_puts(&rows->text, text);
    end_cell(rows, offset);
}

void rows_text(struct rows *rows, const char *text, size_t bytes) {
    size_t offset = rows->text.bytes;
    if (!rows->measured && text) next_column(rows)->text = true;
    if (text)
        text_untrusted(&rows->text, text, bytes, SQL_CELL_COLUMNS_MAX);
    else
        strbuf_puts(&rows->text, "-");
    end_cell(rows, offset);
}

/* The last column of a line has no spaces behind it. */
static void put_cell(struct strbuf *out, const struct rows *rows, unsigned i, const char *text, size_t bytes, enum style style) {
    const struct rows_column *column = &rows->columns[i];
    unsigned columns = text_columns(text, bytes), pad = columns < column->width ? column->width - columns : 0;
    bool right = column->numbers && !column->text;
    if (i) strbuf_puts(out, "  ");
    if (right) strbuf_spaces(out, pad);
    text_style_on(out, rows->color, style);
    strbuf_add(out, text, bytes);
    text_style_off(out, rows->color, style);
    if (i + 1 == rows->column_count)
        strbuf_puts(out, "\n");
    else if (!right)
        strbuf_spaces(out, pad);
}

void rows_put(struct rows *rows, struct strbuf *out, bool all) {
    assert(rows->text.failed || rows->cell_count % rows->column_count == 0);
    if (!all && !rows->measured && rows->cell_count < (size_t)SQL_MEASURED_ROWS * rows->column_count) return;
    if (rows->text.failed) {
        out->failed = true;
        return;
    }
    for (unsigned i = 0; rows->header && !rows->measured && i < rows->column_count; i++)
        put_cell(out, rows, i, rows->columns[i].title, strlen(rows->columns[i].title), STYLE_HEAD);
    rows->measured = true;
    for (size_t i = 0; i < rows->cell_count; i++)
        put_cell(out, rows, (unsigned)(i % rows->column_count), strbuf_text(&rows->text) + rows->cells[i].offset,
                 rows->cells[i].bytes, STYLE_PLAIN);
    rows->cell_count = 0;
    strbuf_clear(&rows->text);
}
