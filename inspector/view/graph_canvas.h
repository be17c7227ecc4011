/* SPDX-License-Identifier: MIT
 *
 * One line of a space-time diagram: cells that strokes are laid into, crossing where they meet.  Each cell is one column wide. */
#ifndef INSPECTOR_GRAPH_CANVAS_H
#define INSPECTOR_GRAPH_CANVAS_H

#include "text.h"

/* Which ways a cell's strokes go. */
enum { STROKE_UP = 1, STROKE_DOWN = 2, STROKE_LEFT = 4, STROKE_RIGHT = 8 };

/* What stands in a cell in place of its strokes. */
enum canvas_mark {
    MARK_NONE,
    MARK_IDLE,   /* a node's line */
    MARK_BUSY,   /* the same while one of its spans is open */
    MARK_PACKET, /* a packet left or arrived */
    MARK_BEGIN,  /* a span */
    MARK_END,    /* of it */
    MARK_OTHER,  /* any other event */
    MARK_LOST,   /* a packet */
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

/* Places outside of the line are passed over. */
void canvas_stroke(struct canvas *canvas, unsigned column, unsigned strokes, enum style style);
void canvas_mark(struct canvas *canvas, unsigned column, enum canvas_mark mark, enum style style);

/* Strokes from one column to another, both left out. */
void canvas_line(struct canvas *canvas, unsigned from, unsigned to, bool doubled, enum style style);

/* Appends the line, all columns of it. */
void canvas_print(struct strbuf *out, const struct canvas *canvas, bool color);

#endif
