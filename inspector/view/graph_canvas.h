/* SPDX-License-Identifier: MIT
 *
 * One line of a space-time diagram: cells into which strokes are drawn; where strokes meet, they cross.  Each cell is one column
 * wide. */
#ifndef INSPECTOR_GRAPH_CANVAS_H
#define INSPECTOR_GRAPH_CANVAS_H

#include "text.h"

/* The directions of a cell's strokes. */
enum { STROKE_UP = 1, STROKE_DOWN = 2, STROKE_LEFT = 4, STROKE_RIGHT = 8 };

/* What a cell shows in place of its strokes. */
enum canvas_mark {
    MARK_NONE,
    MARK_IDLE,   /* a node's line */
    MARK_BUSY,   /* the same while one of its spans is open */
    MARK_PACKET, /* a packet left or arrived */
    MARK_BEGIN,  /* a span began */
    MARK_END,    /* a span ended */
    MARK_OTHER,  /* any other event */
    MARK_LOST,   /* a packet was lost */
    MARK_HOLE,   /* events are missing */
    MARK_RIGHT,  /* heads of arrows */
    MARK_LEFT,
    MARK_STUB_RIGHT, /* the same when the other end is not drawn */
    MARK_STUB_LEFT,
    MARK_COUNT_
};

struct canvas_cell {
    unsigned char strokes;
    unsigned char doubled; /* its strokes are a request's or an answer's */
    unsigned char mark;    /* enum canvas_mark */
    enum style style;
};

struct canvas {
    struct canvas_cell *cells;
    unsigned columns;
    bool utf8;
};

int canvas_init(struct canvas *canvas, unsigned columns, bool utf8); /* 0 or -ENOMEM */
void canvas_fini(struct canvas *canvas);
void canvas_clear(struct canvas *canvas);

/* Ignores places outside the line. */
void canvas_stroke(struct canvas *canvas, unsigned column, unsigned strokes, enum style style);
void canvas_mark(struct canvas *canvas, unsigned column, enum canvas_mark mark, enum style style);

/* Draws strokes between two columns, excluding both. */
void canvas_line(struct canvas *canvas, unsigned from, unsigned to, bool doubled, enum style style);

/* Appends the line, all columns of it. */
void canvas_print(struct strbuf *out, const struct canvas *canvas, bool color);

#endif
