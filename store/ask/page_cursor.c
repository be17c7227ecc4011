/* SPDX-License-Identifier: MIT
 *
 * See page_cursor.h. */
#include "page_cursor.h"

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits: against mistakes, not against forgers. */
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash(uint64_t state, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < count; i++) state = (state ^ p[i]) * FNV_PRIME;
    return state;
}

static int hash_dump(const char *bytes, size_t count, void *arg) {
    uint64_t *state = arg;
    *state = hash(*state, bytes, count);
    return 0;
}

uint64_t page_cursor_binding(uint64_t instance, const json_t *params) {
    uint64_t state = hash(FNV_START, &instance, sizeof instance);
    json_t *others = params ? json_copy((json_t *)params) : NULL; /* shallow; jansson's copy does not write */
    if (others) {
        json_object_del(others, "cursor");
        json_dump_callback(others, hash_dump, &state, JSON_COMPACT | JSON_SORT_KEYS);
    }
    json_decref(others);
    return state;
}

enum { BY_TRACE = 1, BY_PEER = 2, BY_NODE = 4, BY_PEER_NAME = 8, BY_NODE_NAME = 16, BY_ALL = 31 };

/* Layout: checksum 8, end 8, begin 8, left 8, total 8, now 8, from 8, to 8, timestamp 8, position 8, source 4, sequence 4,
 * flags 4, trace 16, peer 32, node 32, names 8. */
struct writer {
    uint8_t bytes[PAGE_CURSOR_BYTES];
    size_t at;
};
static void write_bytes(struct writer *writer, const void *value, size_t count) {
    memcpy(writer->bytes + writer->at, value, count);
    writer->at += count;
}
static void read_bytes(struct writer *writer, void *value, size_t count) {
    memcpy(value, writer->bytes + writer->at, count);
    writer->at += count;
}

static uint64_t checksum(const struct writer *writer, uint64_t binding) {
    return hash(hash(FNV_START, &binding, sizeof binding), writer->bytes + 8, PAGE_CURSOR_BYTES - 8);
}

void page_cursor_encode(const struct page_cursor *cursor, uint64_t binding, char out[PAGE_CURSOR_DIGITS + 1]) {
    struct writer writer = {.at = 8};
    uint32_t flags = (cursor->by_trace ? BY_TRACE : 0U) | (cursor->by_peer ? BY_PEER : 0U) | (cursor->by_node ? BY_NODE : 0U) |
                     (cursor->by_peer_name ? BY_PEER_NAME : 0U) | (cursor->by_node_name ? BY_NODE_NAME : 0U);
    write_bytes(&writer, &cursor->place.end, 8);
    write_bytes(&writer, &cursor->place.begin, 8);
    write_bytes(&writer, &cursor->place.left, 8);
    write_bytes(&writer, &cursor->place.total, 8);
    write_bytes(&writer, &cursor->now_ns, 8);
    write_bytes(&writer, &cursor->from_ns, 8);
    write_bytes(&writer, &cursor->to_ns, 8);
    write_bytes(&writer, &cursor->place.after.event.timestamp, 8);
    write_bytes(&writer, &cursor->place.after.position, 8);
    write_bytes(&writer, &cursor->place.after.source, 4);
    write_bytes(&writer, &cursor->place.after.event.sequence, 4);
    write_bytes(&writer, &flags, 4);
    write_bytes(&writer, &cursor->trace_id, sizeof cursor->trace_id);
    write_bytes(&writer, &cursor->peer_id, sizeof cursor->peer_id);
    write_bytes(&writer, &cursor->node_id, sizeof cursor->node_id);
    write_bytes(&writer, &cursor->names, 8);
    uint64_t sum = checksum(&writer, binding);
    memcpy(writer.bytes, &sum, 8);
    *trace_hex_encode(out, writer.bytes, PAGE_CURSOR_BYTES) = 0;
}

int page_cursor_decode(struct page_cursor *ret_cursor, uint64_t binding, const char *text) {
    struct writer writer = {.at = 0};
    struct page_cursor cursor = {0};
    uint64_t sum;
    uint32_t flags;
    if (strlen(text) != PAGE_CURSOR_DIGITS || trace_hex_decode(writer.bytes, text, PAGE_CURSOR_BYTES)) return -EINVAL;
    read_bytes(&writer, &sum, 8);
    if (sum != checksum(&writer, binding)) return -EINVAL;
    read_bytes(&writer, &cursor.place.end, 8);
    read_bytes(&writer, &cursor.place.begin, 8);
    read_bytes(&writer, &cursor.place.left, 8);
    read_bytes(&writer, &cursor.place.total, 8);
    read_bytes(&writer, &cursor.now_ns, 8);
    read_bytes(&writer, &cursor.from_ns, 8);
    read_bytes(&writer, &cursor.to_ns, 8);
    read_bytes(&writer, &cursor.place.after.event.timestamp, 8);
    read_bytes(&writer, &cursor.place.after.position, 8);
    read_bytes(&writer, &cursor.place.after.source, 4);
    read_bytes(&writer, &cursor.place.after.event.sequence, 4);
    read_bytes(&writer, &flags, 4);
    read_bytes(&writer, &cursor.trace_id, sizeof cursor.trace_id);
    read_bytes(&writer, &cursor.peer_id, sizeof cursor.peer_id);
    read_bytes(&writer, &cursor.node_id, sizeof cursor.node_id);
    read_bytes(&writer, &cursor.names, 8);
    if (flags & ~(uint32_t)BY_ALL || cursor.place.after.position >= cursor.place.end) return -EINVAL;
    cursor.by_trace = flags & BY_TRACE;
    cursor.by_peer = flags & BY_PEER;
    cursor.by_node = flags & BY_NODE;
    cursor.by_peer_name = flags & BY_PEER_NAME;
    cursor.by_node_name = flags & BY_NODE_NAME;
    *ret_cursor = cursor;
    return 0;
}
