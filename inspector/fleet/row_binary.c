/* SPDX-License-Identifier: MIT */
#include "row_binary.h"

#include <stdlib.h>

#define FIRST_ROOM 65536
#define COUNT_BYTES_MAX 10 /* of a number of 64 bits, 7 in each byte */

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

void row_writer_fini(struct row_writer *writer) {
    free(writer->bytes);
    *writer = (struct row_writer){0};
}

void row_writer_clear(struct row_writer *writer) {
    writer->count = 0;
    writer->failed = false;
}

uint8_t *row_writer_begin(struct row_writer *writer, size_t bytes) {
    if (writer->failed) return NULL;
    if (bytes <= writer->room - writer->count) return writer->bytes + writer->count;
    size_t room = writer->room ? writer->room : FIRST_ROOM;
    while (room - writer->count < bytes) room *= 2;
    uint8_t *more = realloc(writer->bytes, room);
    if (!more) {
        writer->failed = true;
        return NULL;
    }
    writer->bytes = more;
    writer->room = room;
    return more + writer->count;
}

void row_write(struct row_writer *writer, const void *bytes, size_t count) {
    uint8_t *at = row_writer_begin(writer, count);
    if (at) row_writer_end(writer, row_put(at, bytes, count));
}

void row_write_u8(struct row_writer *writer, uint8_t value) { row_write(writer, &value, sizeof value); }
void row_write_u16(struct row_writer *writer, uint16_t value) { row_write(writer, &value, sizeof value); }
void row_write_u32(struct row_writer *writer, uint32_t value) { row_write(writer, &value, sizeof value); }
void row_write_u64(struct row_writer *writer, uint64_t value) { row_write(writer, &value, sizeof value); }

void row_write_count(struct row_writer *writer, uint64_t count) {
    uint8_t *at = row_writer_begin(writer, COUNT_BYTES_MAX);
    if (!at) return;
    for (; count >= 0x80; count >>= 7) *at++ = (uint8_t)(count | 0x80);
    *at++ = (uint8_t)count;
    row_writer_end(writer, at);
}

void row_write_string(struct row_writer *writer, const char *text) {
    size_t bytes = strlen(text);
    row_write_count(writer, bytes);
    row_write(writer, text, bytes);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

const uint8_t *row_read(struct row_reader *reader, size_t count) {
    const uint8_t *at = reader->at;
    if (reader->failed || count > (size_t)(reader->end - at)) {
        reader->failed = true;
        return NULL;
    }
    reader->at += count;
    return at;
}

#define READ_NUMBER(type)                               \
    type value = 0;                                     \
    const uint8_t *at = row_read(reader, sizeof value); \
    if (at) memcpy(&value, at, sizeof value);           \
    return value

uint8_t row_read_u8(struct row_reader *reader) { READ_NUMBER(uint8_t); }
uint16_t row_read_u16(struct row_reader *reader) { READ_NUMBER(uint16_t); }
uint32_t row_read_u32(struct row_reader *reader) { READ_NUMBER(uint32_t); }
uint64_t row_read_u64(struct row_reader *reader) { READ_NUMBER(uint64_t); }

uint64_t row_read_count(struct row_reader *reader) {
    uint64_t count = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t *at = row_read(reader, 1);
        if (!at) return 0;
        count |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at & 0x80)) return count;
    }
    reader->failed = true;
    return 0;
}

const char *row_read_string(struct row_reader *reader, size_t *ret_bytes) {
    uint64_t bytes = row_read_count(reader);
    const uint8_t *at = row_read(reader, bytes);
    *ret_bytes = at ? bytes : 0;
    return at ? (const char *)at : "";
}

void row_read_text(struct row_reader *reader, char *out, size_t room) {
    size_t bytes;
    const char *text = row_read_string(reader, &bytes);
    if (bytes >= room) bytes = room - 1;
    memcpy(out, text, bytes);
    out[bytes] = 0;
}
