/* SPDX-License-Identifier: MIT */
#include "export_writer.h"

#include "timely_write.h"

#include <errno.h>
#include <proto/untrusted.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int writer_init(struct writer *writer, int fd, size_t capacity) {
    *writer = (struct writer){.fd = fd, .buffer = malloc(capacity), .capacity = capacity};
    return writer->buffer ? 0 : -ENOMEM;
}

void writer_fini(struct writer *writer) {
    free(writer->buffer);
    writer->buffer = NULL;
}

static void write_all(struct writer *writer, const char *bytes, size_t left) {
    while (!writer->error && left) {
        ssize_t count = timely_write(writer->fd, bytes, left);
        if (count > 0) {
            bytes += count;
            left -= (size_t)count;
        } else if (count < 0 && errno != EINTR) {
            writer->error = errno;
        }
    }
}

/* Lines stay lines, and columns columns. */
static void show_all(struct writer *writer, const char *bytes, size_t left) {
    char out[4096];
    size_t count = 0;
    while (left) {
        char *at = out + count;
        uint32_t code;
        unsigned used = 1;
        if (*bytes == '\n' || *bytes == '\t')
            snprintf(at, TRACE_SHOWN_BYTES, "%c", *bytes);
        else
            used = trace_show_character(at, bytes, left, &code);
        count += strlen(at);
        bytes += used;
        left -= used;
        if (left && sizeof out - count >= TRACE_SHOWN_BYTES) continue;
        write_all(writer, out, count);
        count = 0;
    }
}

int writer_flush(struct writer *writer) {
    if (writer->terminal)
        show_all(writer, writer->buffer, writer->used);
    else
        write_all(writer, writer->buffer, writer->used);
    writer->written += writer->used;
    writer->used = 0;
    return -writer->error;
}

char *writer_room(struct writer *writer, size_t bytes) {
    if (writer->capacity - writer->used < bytes) writer_flush(writer);
    return writer->buffer + writer->used;
}

void writer_put(struct writer *writer, const void *bytes, size_t count) {
    const char *from = bytes;
    while (count) {
        size_t part = count < WRITER_ROOM_MAX ? count : WRITER_ROOM_MAX;
        memcpy(writer_room(writer, part), from, part);
        writer->used += part;
        from += part;
        count -= part;
    }
}

void writer_puts(struct writer *writer, const char *text) { writer_put(writer, text, strlen(text)); }

void writer_printf(struct writer *writer, const char *format, ...) {
    char *at = writer_room(writer, WRITER_ROOM_MAX);
    va_list args;
    va_start(args, format);
    int count = vsnprintf(at, WRITER_ROOM_MAX, format, args);
    va_end(args);
    if (count < 0 || (size_t)count >= WRITER_ROOM_MAX) {
        if (!writer->error) writer->error = EOVERFLOW;
    } else {
        writer->used += (size_t)count;
    }
}
