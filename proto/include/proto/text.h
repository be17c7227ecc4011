/* SPDX-License-Identifier: MIT
 *
 * Text that grows: what lines are written into.
 *
 * A failed allocation is remembered instead of being reported by each call: later calls do nothing, and the sender of the text
 * checks `failed` once.  One owner, no threads.  A zeroed struct is an empty text. */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct trace_text {
    char *data; /* no NUL at the end; NULL while nothing was ever added */
    size_t bytes;
    size_t capacity;
    size_t bytes_max; /* longer is a failure; 0: no limit */
    bool failed;
};

/* Frees the memory and makes it an empty text again, bytes_max kept. */
void trace_text_fini(struct trace_text *text);

/* Empties it, keeping the memory. */
void trace_text_clear(struct trace_text *text);

/* Frees the memory that the text does not use. */
void trace_text_fit(struct trace_text *text);

/* Room for `bytes` more bytes after the text, or NULL (then `failed` is set).  To append what you wrote there, add its length to
 * text->bytes.  The pointer is valid until the next call. */
char *trace_text_reserve(struct trace_text *text, size_t bytes);

/* Adds bytes; adds a string. */
void trace_text_add(struct trace_text *text, const char *data, size_t bytes);
void trace_text_puts(struct trace_text *text, const char *string);

#endif
