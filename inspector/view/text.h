/* SPDX-License-Identifier: MIT
 *
 * Text for people: colours, numbers with units, times, and escaped text of other processes.
 * All functions append to a strbuf, and are pure except for the time zone. */
#ifndef INSPECTOR_TEXT_H
#define INSPECTOR_TEXT_H

#include "strbuf.h"

#include <jansson.h>
#include <stdint.h>

/* What a piece of text means; the colour follows. */
enum style {
    STYLE_PLAIN,
    STYLE_HEAD, /* bold */
    STYLE_DIM,
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_ID,
    STYLE_CHOSEN, /* the line under the cursor: in reverse video */
    STYLE_NODE,   /* STYLE_NODE + n: the n-th of STYLE_NODES colours that distinguish nodes */
    STYLE_NODES = 6,
};

/* Switches the colour on and off; STYLE_PLAIN and color == false write nothing. */
void text_style_on(struct strbuf *out, bool color, enum style style);
void text_style_off(struct strbuf *out, bool color, enum style style);

/* Text in a style. */
void text_styled(struct strbuf *out, bool color, enum style style, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Bytes that another process chose, for a terminal: control characters, escape sequences, bidirectional controls and invalid
 * UTF-8 come out as \x1b or \u202e.  At most columns_max columns; cut text ends in "…". */
void text_untrusted(struct strbuf *out, const char *text, size_t bytes, unsigned columns_max);

/* A whole text of that kind: lines stay lines, and tabs tabs. */
void text_untrusted_lines(struct strbuf *out, const char *text, size_t bytes);

/* Columns that text takes on a terminal.  Our own colour sequences take none. */
unsigned text_columns(const char *text, size_t bytes);

/* Appends spaces until the text in out from that byte on takes this many columns. */
void text_pad(struct strbuf *out, size_t begin, unsigned columns);

/* Appends text, cut to that many columns; cut text ends in "…", with its colour switched off.  A number and its unit are kept or
 * dropped as a whole. */
void text_cut(struct strbuf *out, const char *text, size_t bytes, unsigned columns);

/* Appends whole lines, each cut in that way. */
void text_cut_lines(struct strbuf *out, const char *text, size_t bytes, unsigned columns);

/* Appends whole lines, and breaks those that are longer at spaces.  The rest is aligned with the line's text: after a first word
 * that several spaces follow, or at the line's indent.  A longer word is not broken, and neither is a number from its unit. */
void text_wrap_lines(struct strbuf *out, const char *text, size_t bytes, unsigned columns);

/* Appends one line without its newline in this way, with the second line indented that far; 0 columns: unbroken. */
void text_wrap_line(struct strbuf *out, const char *text, size_t bytes, unsigned columns, unsigned indent);

/* 1.53 ms, 12.3 us, 850 ns, 2m05s: three digits. */
void text_duration(struct strbuf *out, uint64_t ns);

/* +109.034 ms: a time since the start of something that took whole_ns, which decides the unit, so that all such times
 * of it line up. */
void text_since(struct strbuf *out, uint64_t ns, uint64_t whole_ns);

/* 512 B, 1.2 KiB, 117 MiB. */
void text_bytes(struct strbuf *out, uint64_t bytes);

/* 12:00:00.123456, local or UTC; with the date before it when asked.  A local time that the clock shows twice, because it is
 * set back, is followed by its offset: 02:30:00.123456+02:00. */
void text_time(struct strbuf *out, uint64_t unix_ns, bool utc, bool date);

/* "1 event", "12 events". */
void text_count(struct strbuf *out, uint64_t count, const char *noun);

/* Appends a string member of an object, escaped; "-" when it is missing. */
void text_member(struct strbuf *out, const json_t *object, const char *key);

/* Appends a number member; "?" when it is missing. */
void text_number(struct strbuf *out, const json_t *object, const char *key);

#endif
