/* SPDX-License-Identifier: MIT */
#include "json_pieces.h"

#include <string.h>

void json_pieces_init(struct json_pieces *pieces, FILE *file) { *pieces = (struct json_pieces){.file = file}; }

void json_pieces_fini(struct json_pieces *pieces) { strbuf_fini(&pieces->text); }

static int next_char(struct json_pieces *pieces) {
    int c = getc_unlocked(pieces->file);
    pieces->at += c != EOF;
    return c;
}

/* The next character that is no space and no comma. */
static int next_mark(struct json_pieces *pieces) {
    int c;
    do {
        c = next_char(pieces);
    } while (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',');
    return c;
}

static void keep_char(struct json_pieces *pieces, int c) {
    char byte = (char)c;
    if (pieces->text.bytes <= PIECE_BYTES_MAX) strbuf_add(&pieces->text, &byte, 1);
}

enum taken {
    TAKEN,
    TAKEN_CUT,      /* the file ended */
    TAKEN_BROKEN,   /* a line ended that should not have, and another object may begin */
    TAKEN_DOCUMENT, /* an array of pieces begins */
};

/* Reads the rest of a string, after its first quote. */
static enum taken take_string(struct json_pieces *pieces, bool keep) {
    pieces->key_bytes = 0;
    for (int c; (c = next_char(pieces)) != EOF;) {
        if (keep) keep_char(pieces, c);
        if (c == '"') return TAKEN;
        if (c == '\n') return TAKEN_BROKEN;
        if (pieces->key_bytes < sizeof pieces->key) pieces->key[pieces->key_bytes] = (char)c;
        pieces->key_bytes++;
        if (c != '\\') continue;
        c = next_char(pieces);
        if (keep && c != EOF) keep_char(pieces, c);
    }
    return TAKEN_CUT;
}

static bool key_has_pieces(const struct json_pieces *pieces) {
    static const char *const names[] = {"events", "gaps", "nodes", "apps", "who"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pieces->key_bytes == strlen(names[i]) && !memcmp(pieces->key, names[i], pieces->key_bytes)) return true;
    return false;
}

/* Does the next line begin with an object?  Inside of one that is a sign that a line was cut. */
static bool object_follows(struct json_pieces *pieces) {
    int c = getc_unlocked(pieces->file);
    return ungetc(c, pieces->file) == '{';
}

/* Reads the rest of an object or array, after its first bracket.  top: it may turn out to be a document. */
static enum taken take_nested(struct json_pieces *pieces, bool top, bool keep) {
    bool array_of_pieces = false; /* one may just have begun; `apps` of a node is an array of strings */
    for (unsigned depth = 1; depth;) {
        int c = next_char(pieces);
        if (c == EOF) return TAKEN_CUT;
        if (c == '{' && array_of_pieces) {
            pieces->at--;
            return ungetc(c, pieces->file) == c ? TAKEN_DOCUMENT : TAKEN_CUT;
        }
        if (keep) keep_char(pieces, c);
        if (c == '\n' && !array_of_pieces && object_follows(pieces)) return TAKEN_BROKEN;
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
        array_of_pieces = top && depth == 1 && c == '[' && key_has_pieces(pieces);
        enum taken string = c == '"' ? take_string(pieces, keep) : TAKEN;
        if (string != TAKEN) return string;
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
    }
    return TAKEN;
}

/* The end of the file: within a value it is worth a report, once. */
static enum json_piece end_file(struct json_pieces *pieces, bool inside) {
    pieces->in_array = pieces->in_document = false;
    pieces->begin = pieces->at;
    return inside ? PIECE_CUT : PIECE_END;
}

static enum json_piece pass_over_line(struct json_pieces *pieces, int c) {
    while (c != '\n' && c != EOF) c = next_char(pieces);
    return PIECE_JUNK;
}

/* Between the members of a document. */
static enum taken take_member(struct json_pieces *pieces, int mark) {
    if (mark == '"') return take_string(pieces, false);
    if (mark == '[' && key_has_pieces(pieces)) {
        pieces->in_array = true;
        return TAKEN;
    }
    if (mark == '{' || mark == '[') return take_nested(pieces, false, false);
    if (mark == '}') pieces->in_document = false;
    return TAKEN; /* a colon, or a part of a number */
}

enum json_piece json_pieces_next(struct json_pieces *pieces) {
    for (;;) {
        int mark = next_mark(pieces);
        bool top = !pieces->in_document && !pieces->in_array;
        if (mark == EOF) return end_file(pieces, !top);
        if (pieces->in_document && !pieces->in_array) {
            if (take_member(pieces, mark) == TAKEN_CUT) return end_file(pieces, true);
        } else if (mark == ']' && pieces->in_array) {
            pieces->in_array = false;
        } else if (mark == '[' && top) {
            pieces->in_array = true;
        } else {
            pieces->begin = pieces->at - 1;
            if (mark != '{') return pass_over_line(pieces, mark);
            strbuf_clear(&pieces->text);
            keep_char(pieces, mark);
            enum taken taken = take_nested(pieces, top, true);
            if (taken == TAKEN_CUT) return end_file(pieces, true);
            if (taken == TAKEN_BROKEN) return PIECE_JUNK;
            if (taken == TAKEN) return pieces->text.bytes > PIECE_BYTES_MAX ? PIECE_TOO_LONG : PIECE_OBJECT;
            pieces->in_document = pieces->in_array = true;
        }
    }
}
