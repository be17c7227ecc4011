/* SPDX-License-Identifier: MIT
 *
 * Text that grows.  A failed allocation is remembered, and later calls do nothing; whoever writes the text checks strbuf.failed
 * once, so rendering code needs no error paths.  {0} is an empty buffer. */
#ifndef INSPECTOR_STRBUF_H
#define INSPECTOR_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *text; /* NUL-terminated once something was added; NULL before */
    size_t bytes;
    size_t capacity;
    bool failed;
};

void strbuf_fini(struct strbuf *buf);

/* Empties the text and keeps the memory. */
void strbuf_clear(struct strbuf *buf);

void strbuf_add(struct strbuf *buf, const char *text, size_t bytes);
void strbuf_puts(struct strbuf *buf, const char *text);
void strbuf_spaces(struct strbuf *buf, size_t count);
void strbuf_printf(struct strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* The text; "" if there is none. */
const char *strbuf_text(const struct strbuf *buf);

#endif
