/* SPDX-License-Identifier: MIT */
#include "graph_canvas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* By strokes: up 1, down 2, left 4, right 8. */
static const char *const light[16] = {" ", "╵", "╷", "│", "╴", "┘", "┐", "┤", "╶", "└", "┌", "├", "─", "┴", "┬", "┼"};
static const char *const ascii[16] = {" ", "|", "|", "|", "-", "+", "+", "+", "-", "+", "+", "+", "-", "+", "+", "+"};

static const struct {
    const char *utf8, *ascii;
} marks[MARK_COUNT_] = {
    [MARK_NONE] = {" ", " "},      [MARK_IDLE] = {"┊", ":"},  [MARK_BUSY] = {"┃", "|"},  [MARK_PACKET] = {"●", "*"},
    [MARK_BEGIN] = {"┳", "#"},     [MARK_END] = {"┻", "#"},   [MARK_OTHER] = {"•", "o"}, [MARK_LOST] = {"✕", "x"},
    [MARK_HOLE] = {"▒", "?"},      [MARK_RIGHT] = {"►", ">"}, [MARK_LEFT] = {"◄", "<"},  [MARK_STUB_RIGHT] = {"▷", ">"},
    [MARK_STUB_LEFT] = {"◁", "<"},
};

int canvas_init(struct canvas *canvas, unsigned columns, bool utf8) {
    *canvas = (struct canvas){.cells = calloc(columns + 1, sizeof *canvas->cells), .columns = columns, .utf8 = utf8};
    return canvas->cells ? 0 : -ENOMEM;
}

void canvas_fini(struct canvas *canvas) {
    free(canvas->cells);
    *canvas = (struct canvas){0};
}

void canvas_clear(struct canvas *canvas) { memset(canvas->cells, 0, canvas->columns * sizeof *canvas->cells); }

void canvas_stroke(struct canvas *canvas, unsigned column, unsigned strokes, enum style style) {
    if (column >= canvas->columns) return;
    struct canvas_cell *cell = &canvas->cells[column];
    cell->strokes |= (unsigned char)strokes;
    if (cell->style == STYLE_PLAIN || style == STYLE_BAD) cell->style = style;
}

void canvas_mark(struct canvas *canvas, unsigned column, enum canvas_mark mark, enum style style) {
    if (column >= canvas->columns) return;
    canvas->cells[column].mark = (unsigned char)mark;
    canvas->cells[column].style = style;
}

void canvas_line(struct canvas *canvas, unsigned from, unsigned to, bool doubled, enum style style) {
    unsigned left = from < to ? from : to, right = from < to ? to : from;
    for (unsigned column = left + 1; column < right; column++) {
        canvas_stroke(canvas, column, STROKE_LEFT | STROKE_RIGHT, style);
        if (doubled && column < canvas->columns) canvas->cells[column].doubled = 1;
    }
}

static bool is_node_line(unsigned mark) { return mark == MARK_IDLE || mark == MARK_BUSY; }

static const char *glyph(const struct canvas *canvas, const struct canvas_cell *cell) {
    const char *const *strokes = canvas->utf8 ? light : ascii;
    bool across = cell->strokes & (STROKE_LEFT | STROKE_RIGHT);
    if (cell->doubled) {
        bool crosses = is_node_line(cell->mark) || cell->strokes & (STROKE_UP | STROKE_DOWN);
        if (!cell->mark || is_node_line(cell->mark)) return canvas->utf8 ? (crosses ? "╪" : "═") : (crosses ? "+" : "=");
    }
    if (across && is_node_line(cell->mark)) return strokes[15];
    if (cell->mark) return canvas->utf8 ? marks[cell->mark].utf8 : marks[cell->mark].ascii;
    return strokes[cell->strokes & 15];
}

void canvas_print(struct strbuf *out, const struct canvas *canvas, bool color) {
    enum style style = STYLE_PLAIN;
    for (unsigned i = 0; i < canvas->columns; i++) {
        if (canvas->cells[i].style != style) {
            text_style_off(out, color, style);
            style = canvas->cells[i].style;
            text_style_on(out, color, style);
        }
        strbuf_puts(out, glyph(canvas, &canvas->cells[i]));
    }
    text_style_off(out, color, style);
}
