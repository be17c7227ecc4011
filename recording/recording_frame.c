/* SPDX-License-Identifier: MIT
 *
 * See recording_frame.h.  Nothing in a file is trusted: a checksum proves that the data is as written, not that it is true. */
#include "recording_frame.h"

#include <errno.h>
#include <stdio.h>
#include <store/nodes.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

int recording__read(int fd, void *out, size_t count, uint64_t offset) {
    while (count > 0) {
        ssize_t done = pread(fd, out, count, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return -errno;
        if (done == 0) return -ENODATA;
        out = (char *)out + done;
        count -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

/* Checks that this program can read the file.  These fields have the same place in all versions. */
static int kind_check(const struct recording_header *header, char *ret_reason, size_t reason_bytes) {
    if (memcmp(header->magic, RECORDING_MAGIC, sizeof header->magic) != 0) return -ENOMSG;
    if (header->byte_order != RECORDING_BYTE_ORDER)
        snprintf(ret_reason, reason_bytes, "was written on a machine with another byte order");
    else if (header->version > RECORDING_VERSION)
        snprintf(ret_reason, reason_bytes, "was written by a newer p2ptrace: its format is %u, and this one reads up to %u",
                 header->version, RECORDING_VERSION);
    else if (header->version < 1)
        snprintf(ret_reason, reason_bytes, "has an unknown format: %u", header->version);
    else if (header->event_bytes != TRACE_EVENT_BYTES)
        snprintf(ret_reason, reason_bytes, "has events of %u bytes, and this p2ptrace has %u", header->event_bytes,
                 TRACE_EVENT_BYTES);
    else
        return 0;
    return -EPROTONOSUPPORT;
}

/* Checks that its sizes are consistent. */
static bool sizes_fit(const struct recording_header *header) {
    struct recording_parts parts;
    struct history_shape shape;
    struct history_layout layout;
    size_t image_bytes, block_bytes = header->block_bytes;

    recording__shape(header, &shape);
    if (!history_image_layout(&shape, &layout)) return false;
    image_bytes = layout.at[HISTORY_SECTIONS];
    if (block_bytes < HISTORY_BLOCK_BYTES_MIN || block_bytes > HISTORY_BLOCK_BYTES_MAX) return false;
    if ((block_bytes & (block_bytes - 1)) != 0) return false;
    if (header->block_count > RECORDING_BLOCKS_MAX) return false;
    if (header->block_count != (image_bytes + block_bytes - 1) / block_bytes) return false;
    if (header->node_count > NODES_MAX) return false;
    if (header->records_bytes > header->node_count * RECORDING_RECORD_BYTES_MAX + RECORDING_ALIASES_BYTES_MAX) return false;
    recording__parts(header, &parts);
    return header->frame_bytes % RECORDING_ALIGN == 0 && header->frame_bytes >= parts.blocks &&
           header->frame_bytes <= parts.blocks + header->block_count * recording__packed_bytes() + RECORDING_ALIGN &&
           header->min_ns <= header->max_ns;
}

int recording__header_read(int fd, uint64_t offset, struct recording_header *ret_header, char *ret_reason, size_t reason_bytes) {
    struct recording_header *header = ret_header;
    int error;

    memset(header, 0, sizeof *header);
    error = recording__read(fd, header, sizeof *header, offset);
    if (error < 0 && error != -ENODATA) return error;
    if (error < 0 && memcmp(header->magic, RECORDING_MAGIC, sizeof header->magic) == 0) return -EBADMSG; /* cut off */
    error = kind_check(header, ret_reason, reason_bytes);
    if (error < 0) return error;
    if (header->checksum != recording__checksum(header, offsetof(struct recording_header, checksum))) return -EBADMSG;
    return sizes_fit(header) ? 0 : -EBADMSG;
}

void recording__header_describe(struct recording_header *header, const struct history_segment_info *info) {
    header->events = info->shape.events;
    header->traces = info->shape.traces;
    header->peers = info->shape.peers;
    header->trace_slots = info->shape.trace_slots;
    header->peer_slots = info->shape.peer_slots;
    header->min_ns = info->min_ns;
    header->max_ns = info->max_ns;
    header->kinds = info->kinds;
    header->nodes = info->nodes;
    memcpy(header->keys, info->keys, sizeof header->keys);
    memcpy(header->marks, info->marks, sizeof header->marks);
}

int recording__table_read(int fd, uint64_t offset, const struct recording_header *header, struct recording_block *table) {
    struct recording_parts parts;
    size_t bytes = header->block_count * sizeof *table;
    uint64_t stored = 0;
    int error;

    recording__parts(header, &parts);
    error = recording__read(fd, table, bytes, offset + parts.table);
    if (error < 0) return error;
    if (recording__checksum(table, bytes) != header->blocks_checksum) return -EBADMSG;
    for (uint32_t i = 0; i < header->block_count; i++) {
        bool compressed = (header->flags & RECORDING_COMPRESSED) != 0;
        if (compressed ? table[i].stored_bytes > recording__packed_bytes()
                       : table[i].stored_bytes != recording__block_bytes(header, i))
            return -EBADMSG;
        stored += table[i].stored_bytes;
    }
    return parts.blocks + stored <= header->frame_bytes ? 0 : -EBADMSG;
}

int recording__roster_read(int fd, uint64_t offset, const struct recording_header *header, struct recording_roster *roster) {
    struct recording_parts parts;
    size_t bytes = header->node_count * sizeof *roster;
    uint64_t records = 0;
    int error;

    recording__parts(header, &parts);
    error = recording__read(fd, roster, bytes, offset + parts.roster);
    if (error < 0) return error;
    if (recording__checksum(roster, bytes) != header->roster_checksum) return -EBADMSG;
    for (uint32_t i = 0; i < header->node_count; i++) {
        if (roster[i].index >= HISTORY_NODES_MAX) return -EBADMSG;
        records += roster[i].record_bytes;
    }
    return records == header->records_bytes ? 0 : -EBADMSG;
}

size_t recording__block_bytes(const struct recording_header *header, uint32_t block) {
    struct history_shape shape;
    struct history_layout layout;
    size_t from = (size_t)block * header->block_bytes, left;

    recording__shape(header, &shape);
    (void)history_image_layout(&shape, &layout);
    left = layout.at[HISTORY_SECTIONS] - from;
    return left < header->block_bytes ? left : header->block_bytes;
}

size_t recording__packed_bytes(void) { return ZSTD_compressBound(HISTORY_BLOCK_BYTES_MAX); }

int recording__block_read(int fd, uint64_t at, const struct recording_header *header, const struct recording_block *entry,
                          void *out, size_t bytes, char *packed, void *decompressor) {
    bool compressed = (header->flags & RECORDING_COMPRESSED) != 0;
    void *stored = compressed ? packed : out;
    int error;

    if (!compressed && entry->stored_bytes != bytes) return -EBADMSG;
    error = recording__read(fd, stored, entry->stored_bytes, at);
    if (error < 0) return error;
    if (recording__checksum(stored, entry->stored_bytes) != entry->checksum) return -EBADMSG;
    if (!compressed) return 0;
    size_t done = ZSTD_decompressDCtx(decompressor, out, bytes, packed, entry->stored_bytes);
    return ZSTD_isError(done) || done != bytes ? -EBADMSG : 0;
}
