/* SPDX-License-Identifier: MIT
 *
 * ClickHouse's RowBinary: columns one after the other, numbers in little-endian order, a String with its length before it
 * (LEB128), a FixedString as it is, an Array with its count before it.
 *
 * Writing appends to memory that grows; reading never looks beyond the end. */
#ifndef INSPECTOR_ROW_BINARY_H
#define INSPECTOR_ROW_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "RowBinary is little-endian, and numbers are copied");

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

/* {0} is empty.  After a failed allocation `failed` is set and later calls do nothing. */
struct row_writer {
    uint8_t *bytes;
    size_t count, room;
    bool failed;
};

void row_writer_fini(struct row_writer *writer);

/* Forgets the bytes and keeps the memory. */
void row_writer_clear(struct row_writer *writer);

/* A place for up to `bytes` more, or NULL without memory; row_writer_end says where what was written ends. */
uint8_t *row_writer_begin(struct row_writer *writer, size_t bytes);
static inline void row_writer_end(struct row_writer *writer, const uint8_t *end) {
    writer->count = (size_t)(end - writer->bytes);
}

void row_write(struct row_writer *writer, const void *bytes, size_t count);
void row_write_u8(struct row_writer *writer, uint8_t value);
void row_write_u16(struct row_writer *writer, uint16_t value);
void row_write_u32(struct row_writer *writer, uint32_t value);
void row_write_u64(struct row_writer *writer, uint64_t value);
void row_write_count(struct row_writer *writer, uint64_t count); /* of an Array's elements or a String's bytes */
void row_write_string(struct row_writer *writer, const char *text);

/* At a place that has room.  Both return the end. */
static inline uint8_t *row_put(uint8_t *at, const void *bytes, size_t count) {
    memcpy(at, bytes, count);
    return at + count;
}

/* For a String of fewer than 128 bytes. */
static inline uint8_t *row_put_short(uint8_t *at, const void *bytes, size_t count) {
    *at = (uint8_t)count;
    return row_put(at + 1, bytes, count);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

struct row_reader {
    const uint8_t *at, *end;
    bool failed; /* something reached beyond the end; everything read since is zero */
};

static inline struct row_reader row_reader_of(const void *bytes, size_t count) {
    return (struct row_reader){bytes, (const uint8_t *)bytes + count, false};
}

/* Is there another row?  False, too, once something failed. */
static inline bool row_reader_more(const struct row_reader *reader) { return !reader->failed && reader->at < reader->end; }

/* The next `count` bytes, or NULL. */
const uint8_t *row_read(struct row_reader *reader, size_t count);
uint8_t row_read_u8(struct row_reader *reader);
uint16_t row_read_u16(struct row_reader *reader);
uint32_t row_read_u32(struct row_reader *reader);
uint64_t row_read_u64(struct row_reader *reader);
uint64_t row_read_count(struct row_reader *reader);

/* The bytes of a String, borrowed; "" and 0 when it failed. */
const char *row_read_string(struct row_reader *reader, size_t *ret_bytes);

/* A String as a C string, cut to room - 1 bytes. */
void row_read_text(struct row_reader *reader, char *out, size_t room);

#endif
