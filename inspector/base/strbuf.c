/* SPDX-License-Identifier: MIT */
#include "strbuf.h"

#include "allocation.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_fini(struct strbuf *buf) {
    free(buf->text);
    *buf = (struct strbuf){0};
}

void strbuf_clear(struct strbuf *buf) {
    buf->bytes = 0;
    if (buf->text) buf->text[0] = 0;
}

static bool run_short(struct strbuf *buf) {
    memory_note_short();
    buf->failed = true;
    return false;
}

/* Makes room for `more` bytes and a NUL. */
static bool reserve(struct strbuf *buf, size_t more) {
    if (buf->failed) return false;
    if (more < buf->capacity - buf->bytes) return true;
    size_t capacity = buf->capacity ? buf->capacity : 128;
    while (more >= capacity - buf->bytes) {
        if (capacity > SIZE_MAX / 2) return run_short(buf);
        capacity *= 2;
    }
    char *text = realloc(buf->text, capacity);
    if (!text) return run_short(buf);
    buf->text = text;
    buf->capacity = capacity;
    return true;
}

void strbuf_add(struct strbuf *buf, const char *text, size_t bytes) {
    if (!reserve(buf, bytes)) return;
    memcpy(buf->text + buf->bytes, text, bytes);
    buf->bytes += bytes;
    buf->text[buf->bytes] = 0;
}

void strbuf_puts(struct strbuf *buf, const char *text) { strbuf_add(buf, text, strlen(text)); }

void strbuf_spaces(struct strbuf *buf, size_t count) {
    if (!reserve(buf, count)) return;
    memset(buf->text + buf->bytes, ' ', count);
    buf->bytes += count;
    buf->text[buf->bytes] = 0;
}

void strbuf_vprintf(struct strbuf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (bytes < 0) {
        buf->failed = true;
        return;
    }
    if (!reserve(buf, (size_t)bytes)) return;
    vsnprintf(buf->text + buf->bytes, (size_t)bytes + 1, format, args);
    buf->bytes += (size_t)bytes;
}

void strbuf_printf(struct strbuf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    strbuf_vprintf(buf, format, args);
    va_end(args);
}

const char *strbuf_text(const struct strbuf *buf) { return buf->text ? buf->text : ""; }
