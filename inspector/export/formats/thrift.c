/* SPDX-License-Identifier: MIT */
#include "thrift.h"

#include <string.h>

static void put_byte(struct thrift *thrift, unsigned byte) { strbuf_add(thrift->out, &(char){(char)byte}, 1); }

static void put_varint(struct thrift *thrift, uint64_t value) {
    for (; value >= 0x80; value >>= 7) put_byte(thrift, (unsigned)(value & 0x7f) | 0x80);
    put_byte(thrift, (unsigned)value);
}

static void put_zigzag(struct thrift *thrift, int64_t value) {
    put_varint(thrift, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static void put_field(struct thrift *thrift, int field, unsigned type) {
    int *last = &thrift->last[thrift->depth], delta = field - *last;
    *last = field;
    if (delta > 0 && delta < 16) {
        put_byte(thrift, (unsigned)delta << 4 | type);
        return;
    }
    put_byte(thrift, type);
    put_zigzag(thrift, field);
}

static void put_text(struct thrift *thrift, const char *text) {
    size_t bytes = strlen(text);
    put_varint(thrift, bytes);
    strbuf_add(thrift->out, text, bytes);
}

void thrift_bool(struct thrift *thrift, int field, bool value) { put_field(thrift, field, value ? 1 : 2); }

void thrift_i8(struct thrift *thrift, int field, int8_t value) {
    put_field(thrift, field, 3);
    put_byte(thrift, (uint8_t)value);
}

void thrift_i32(struct thrift *thrift, int field, int32_t value) {
    put_field(thrift, field, THRIFT_I32);
    put_zigzag(thrift, value);
}

void thrift_i64(struct thrift *thrift, int field, int64_t value) {
    put_field(thrift, field, THRIFT_I64);
    put_zigzag(thrift, value);
}

void thrift_string(struct thrift *thrift, int field, const char *text) {
    put_field(thrift, field, THRIFT_BINARY);
    put_text(thrift, text);
}

void thrift_list(struct thrift *thrift, int field, enum thrift_type type, size_t count) {
    put_field(thrift, field, THRIFT_LIST);
    if (count < 15) {
        put_byte(thrift, (unsigned)count << 4 | type);
        return;
    }
    put_byte(thrift, 0xf0U | type);
    put_varint(thrift, count);
}

void thrift_element_i32(struct thrift *thrift, int32_t value) { put_zigzag(thrift, value); }
void thrift_element_string(struct thrift *thrift, const char *text) { put_text(thrift, text); }

void thrift_begin(struct thrift *thrift, int field) {
    if (field) put_field(thrift, field, THRIFT_STRUCT);
    thrift->last[++thrift->depth] = 0;
}

void thrift_end(struct thrift *thrift) {
    put_byte(thrift, 0);
    if (thrift->depth) thrift->depth--;
}
