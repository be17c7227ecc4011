/* SPDX-License-Identifier: MIT
 *
 * Cuts a file of JSON into the objects that stand for something, without ever holding more than one of them: lines of NDJSON,
 * elements of an array, and elements of the arrays `events`, `gaps`, `nodes`, `apps` and `who` of a document.
 *
 * Only brackets, strings and those names are looked at: whether a piece is JSON, its reader finds out. */
#ifndef INSPECTOR_JSON_PIECES_H
#define INSPECTOR_JSON_PIECES_H

#include "strbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A longer object is no event and no node. */
#define PIECE_BYTES_MAX (1U << 20)

enum json_piece {
    PIECE_END,
    PIECE_OBJECT,   /* its text is in ->text */
    PIECE_TOO_LONG, /* skipped */
    PIECE_JUNK,     /* not an object: skipped, up to the next line */
    PIECE_CUT,      /* the file ends within a value */
};

struct json_pieces {
    FILE *file;
    uint64_t at;        /* bytes read so far */
    uint64_t begin;     /* where the piece begins */
    struct strbuf text; /* of the piece, up to PIECE_BYTES_MAX and one more */
    bool in_document;   /* an object at the top, one of whose arrays has been met */
    bool in_array;      /* between the elements of such an array, or of one at the top */
    char key[8];        /* the start of the newest string of a document */
    size_t key_bytes;   /* of all of it */
};

void json_pieces_init(struct json_pieces *pieces, FILE *file);
void json_pieces_fini(struct json_pieces *pieces);

/* Reads the next piece.  The text is good until the next call. */
enum json_piece json_pieces_next(struct json_pieces *pieces);

#endif
