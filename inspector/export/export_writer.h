/* SPDX-License-Identifier: MIT
 *
 * A file that an export writes: bytes are buffered, so that memory stays constant.
 *
 *     char *at = writer_room(writer, TRACE_EVENT_JSON_MAX);
 *     at = trace_event_json(at, ...);
 *     writer_done(writer, at);
 *
 * An error is remembered, and later bytes are dropped; the export checks writer->error after each event. */
#ifndef INSPECTOR_EXPORT_WRITER_H
#define INSPECTOR_EXPORT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRITER_ROOM_MAX ((size_t)64 << 10)

struct writer {
    int fd;
    int error;     /* errno; 0: none */
    bool terminal; /* what could change its state is escaped (proto/untrusted.h) */
    char *buffer;
    size_t used, capacity;
    uint64_t written; /* bytes that left the buffer */
};

/* The caller keeps fd.  capacity: at least 2 * WRITER_ROOM_MAX.  Returns 0 or -ENOMEM. */
int writer_init(struct writer *writer, int fd, size_t capacity);

/* Drops what was not flushed. */
void writer_fini(struct writer *writer);

/* Room for the next `bytes` bytes, at most WRITER_ROOM_MAX. */
char *writer_room(struct writer *writer, size_t bytes);

/* `end` is after the last byte written there. */
static inline void writer_done(struct writer *writer, char *end) { writer->used = (size_t)(end - writer->buffer); }

/* Any number of bytes. */
void writer_put(struct writer *writer, const void *bytes, size_t count);
void writer_puts(struct writer *writer, const char *text);
void writer_printf(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How many bytes it was given. */
static inline uint64_t writer_position(const struct writer *writer) { return writer->written + writer->used; }

/* Flushes the buffer.  Returns 0 or -errno. */
int writer_flush(struct writer *writer);

#endif
