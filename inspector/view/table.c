/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "allocation.h"
#include "limits.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SPACE_BETWEEN 2U
#define SQUEEZED_COLUMNS 10U

void table_init(struct table *table, unsigned column_count, const struct table_column *columns, const struct table_style *how) {
    assert(column_count > 0);
    *table = (struct table){.columns = columns, .column_count = column_count, .how = *how};
    table->measures = calloc(column_count, sizeof *table->measures);
    table->text.failed = !table->measures;
    for (unsigned i = 0; how->header && table->measures && i < column_count; i++)
        table->measures[i].width = text_columns(columns[i].title, strlen(columns[i].title));
}

void table_fini(struct table *table) {
    strbuf_fini(&table->text);
    free(table->cells);
    free(table->measures);
    *table = (struct table){0};
}

/* ---- cells ---- */

struct strbuf *table_cell_begin(struct table *table) {
    struct table_cell_text *cells = memory_room(table->cells, table->cell_count, &table->cell_capacity, sizeof *cells);
    table->text.failed |= !cells;
    if (cells) table->cells = cells;
    if (!table->text.failed) table->cells[table->cell_count].offset = table->text.bytes;
    return &table->text;
}

void table_cell_end(struct table *table, enum style style) {
    if (table->text.failed) return;
    struct table_measure *measure = &table->measures[table->cell_count % table->column_count];
    struct table_cell_text *cell = &table->cells[table->cell_count++];
    cell->bytes = table->text.bytes - cell->offset;
    cell->style = style;
    if (table->measured) return;
    unsigned width = text_columns(strbuf_text(&table->text) + cell->offset, cell->bytes);
    if (table->how.measured_rows && width > STREAM_COLUMNS_MAX) width = STREAM_COLUMNS_MAX;
    if (width > measure->width) measure->width = width;
}

void table_cell(struct table *table, enum style style, const char *format, ...) {
    va_list args;
    va_start(args, format);
    strbuf_vprintf(table_cell_begin(table), format, args);
    va_end(args);
    table_cell_end(table, style);
}

void table_cell_number(struct table *table, const char *text) {
    if (table->measures) table->measures[table->cell_count % table->column_count].numbers = true;
    strbuf_puts(table_cell_begin(table), text);
    table_cell_end(table, STYLE_PLAIN);
}

void table_cell_text(struct table *table, const char *text, size_t bytes) {
    struct table_measure *measure = table->measures ? &table->measures[table->cell_count % table->column_count] : NULL;
    if (measure && text) measure->text = true;
    if (measure && text && isdigit((unsigned char)*text) && memchr(text, ':', bytes)) measure->times = true;
    struct strbuf *cell = table_cell_begin(table);
    if (text)
        text_untrusted(cell, text, bytes, SQL_CELL_COLUMNS_MAX);
    else
        strbuf_puts(cell, "-");
    table_cell_end(table, STYLE_PLAIN);
}

/* ---- which columns, and how wide ---- */

/* Numbers and times are never cut, whatever the column allows. */
static bool is_cut(const struct table *table, unsigned i) {
    const struct table_measure *measure = &table->measures[i];
    return table->columns[i].least && !measure->times && (measure->text || !measure->numbers);
}

/* The minimum width of a column. */
static unsigned least_width(const struct table *table, unsigned i) {
    unsigned width = table->measures[i].width, least = table->columns[i].least;
    if (table->measures[i].squeezed) least = SQUEEZED_COLUMNS;
    return is_cut(table, i) && least < width ? least : width;
}

/* The total width of the visible columns; natural: with nothing cut. */
static unsigned needed_width(const struct table *table, bool natural) {
    unsigned sum = 0;
    for (unsigned i = 0; i < table->column_count; i++)
        if (!table->measures[i].hidden && table->measures[i].width)
            sum += (sum ? SPACE_BETWEEN : 0) + (natural ? table->measures[i].width : least_width(table, i));
    return sum;
}

/* Hides the least important column; or squeezes it first.  Returns false when none may be hidden. */
static bool hide_one(struct table *table) {
    unsigned least = table->column_count;
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->measures[i].hidden || !table->columns[i].rank) continue;
        if (least == table->column_count || table->columns[i].rank >= table->columns[least].rank) least = i;
    }
    if (least == table->column_count) return false;
    struct table_measure *measure = &table->measures[least];
    if (least_width(table, least) > SQUEEZED_COLUMNS && is_cut(table, least) && !measure->squeezed)
        return measure->squeezed = true;
    return measure->hidden = true;
}

/* Cuts the widest texts until the line fits. */
static void narrow_texts(struct table *table) {
    while (needed_width(table, true) > table->how.columns) {
        unsigned widest = table->column_count;
        for (unsigned i = 0; i < table->column_count; i++) {
            const struct table_measure *measure = &table->measures[i];
            if (measure->hidden || least_width(table, i) == measure->width) continue;
            if (widest == table->column_count || measure->width > table->measures[widest].width) widest = i;
        }
        if (widest == table->column_count) return;
        table->measures[widest].width--;
    }
}

static void measure(struct table *table) {
    for (unsigned i = TABLE_COLUMNS_MAX; i < table->column_count; i++) table->measures[i].hidden = true;
    if (!table->how.columns) return;
    while (needed_width(table, false) > table->how.columns && hide_one(table)) continue;
    narrow_texts(table);
}

/* ---- lines ---- */

static bool is_first(const struct table *table, unsigned column) {
    while (column-- > 0)
        if (!table->measures[column].hidden) return false;
    return true;
}

/* A cell in its column.  *spaces: those before it, which are written only when something follows: no line ends with spaces. */
static void put_cell(struct strbuf *out, const struct table *table, unsigned i, const char *text, size_t bytes, enum style style,
                     unsigned *spaces) {
    const struct table_column *column = &table->columns[i];
    const struct table_measure *measured = &table->measures[i];
    unsigned columns = text_columns(text, bytes);
    bool right = column->align == TABLE_RIGHT || (column->align == TABLE_AUTO && measured->numbers && !measured->text);
    bool cut = table->how.columns && columns > measured->width && is_cut(table, i);
    unsigned pad = columns < measured->width ? measured->width - columns : 0;
    if (!is_first(table, i)) *spaces += SPACE_BETWEEN;
    if (right || !bytes) *spaces += pad;
    if (!bytes) return;
    strbuf_spaces(out, *spaces);
    *spaces = right ? 0 : pad;
    text_style_on(out, table->how.color, style);
    if (cut)
        text_cut(out, text, bytes, measured->width);
    else
        strbuf_add(out, text, bytes);
    text_style_off(out, table->how.color, style);
}

static void put_titles(struct strbuf *out, const struct table *table) {
    unsigned spaces = 0;
    for (unsigned i = 0; i < table->column_count; i++)
        if (!table->measures[i].hidden)
            put_cell(out, table, i, table->columns[i].title, strlen(table->columns[i].title), STYLE_HEAD, &spaces);
    strbuf_puts(out, "\n");
}

/* "no room for: lanes, apps; ..." */
static void put_hidden(struct strbuf *out, const struct table *table) {
    unsigned count = 0;
    for (unsigned i = 0; i < table->column_count; i++) {
        if (!table->measures[i].hidden || !table->measures[i].width) continue;
        if (!count++) {
            text_style_on(out, table->how.color, STYLE_DIM);
            strbuf_puts(out, "no room for: ");
        } else {
            strbuf_puts(out, ", ");
        }
        strbuf_puts(out, *table->columns[i].title ? table->columns[i].title : "notes");
    }
    if (!count) return;
    if (table->how.hint) strbuf_printf(out, "; %s", table->how.hint);
    text_style_off(out, table->how.color, STYLE_DIM);
    strbuf_puts(out, "\n");
}

void table_put(struct table *table, struct strbuf *out, bool all) {
    size_t held = (size_t)table->how.measured_rows * table->column_count;
    if (!all && !table->measured && (!held || table->cell_count < held)) return;
    if (table->text.failed) {
        out->failed = true;
        return;
    }
    assert(table->cell_count % table->column_count == 0);
    if (!table->measured) measure(table);
    if (!table->measured && table->how.header) put_titles(out, table);
    table->measured = true;
    unsigned spaces = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        unsigned column = (unsigned)(i % table->column_count);
        const struct table_cell_text *cell = &table->cells[i];
        if (!table->measures[column].hidden)
            put_cell(out, table, column, strbuf_text(&table->text) + cell->offset, cell->bytes, cell->style, &spaces);
        if (column + 1 < table->column_count) continue;
        strbuf_puts(out, "\n");
        spaces = 0;
    }
    table->cell_count = 0;
    strbuf_clear(&table->text);
}

void table_end(struct table *table, struct strbuf *out) {
    table_put(table, out, true);
    if (table->how.header && !out->failed) put_hidden(out, table);
}
