/* SPDX-License-Identifier: MIT
 *
 * Untrusted UTF-8. */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stddef.h>

/* The length of the character at text, 1 to 4, if it is well-formed (Unicode 15.0, table 3-7) and ends within count, at least 1.
 * Otherwise 0, and *ret_bad is how many bytes one U+FFFD replaces: those that could have begun a character (ibid., 3.9). */
size_t trace_utf8_length(const char *text, size_t count, size_t *ret_bad);

/* Writes a text that somebody else chose, up to its first NUL or count bytes, as UTF-8 without control characters: those and what
 * is malformed become "?".  Adds a NUL; what does not fit is cut off after a whole character. */
void trace_utf8_fit(char *out, size_t out_bytes, const char *text_untrusted, size_t count);

/* The length of text cut to at most max bytes, not inside a character. */
size_t trace_utf8_cut(const char *text, size_t count, size_t max);

#endif
