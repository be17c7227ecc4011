/* SPDX-License-Identifier: MIT */
#include "export_writer.h"

#include "timely_write.h"

#include <errno.h>
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

int writer_flush(struct writer *writer) {
    size_t at = 0;
    while (!writer->error && at < writer->used) {
        ssize_t count = timely_write(writer->fd, writer->buffer + at, writer->used - at);
        if (count > 0)
            at += (size_t)count;
        else if (count < 0 && errno != EINTR)
            writer->error = errno;
    }
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
