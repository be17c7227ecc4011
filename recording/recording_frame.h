/* SPDX-License-Identifier: MIT
 *
 * One frame of a file, read and checked. */
#ifndef RECORDING_FRAME_H
#define RECORDING_FRAME_H

#include "recording_format.h"

#include <stdbool.h>
#include <stddef.h>

#define RECORDING_BLOCKS_MAX 512

/* Reads exactly `count` bytes.  Returns 0, -ENODATA if the file ends before, or another negative errno. */
int recording__read(int fd, void *out, size_t count, uint64_t offset);

/* Reads and checks the header at `offset`.  What is in it afterwards are sizes that fit each other and have bounds.  Returns 0;
 * -ENOMSG when there is no frame, -EBADMSG when it is damaged, -EPROTONOSUPPORT for one that this program cannot read, and why
 * in *ret_reason (to be put after the file's name). */
int recording__header_read(int fd, uint64_t offset, struct recording_header *ret_header, char *ret_reason, size_t reason_bytes);

/* Sets what a header says of its segment's events. */
void recording__header_describe(struct recording_header *header, const struct history_segment_info *info);

/* Reads the block table, header->block_count entries, and checks it: its checksum, and that the blocks lie in the frame.
 * Returns 0 or a negative errno. */
int recording__table_read(int fd, uint64_t offset, const struct recording_header *header, struct recording_block *table);

/* Reads the roster, header->node_count entries, and checks it.  Returns 0 or a negative errno. */
int recording__roster_read(int fd, uint64_t offset, const struct recording_header *header, struct recording_roster *roster);

/* The size of a block of the image. */
size_t recording__block_bytes(const struct recording_header *header, uint32_t block);

/* Reads a block, checks it, and undoes the compression.  at: where it is in the file.  packed: room for header->block_bytes
 * compressed (recording__packed_bytes); decompressor: a ZSTD_DCtx; both only for compressed frames.  Returns 0, -ENODATA where
 * the file ends before,
 * -EBADMSG, or another negative errno. */
int recording__block_read(int fd, uint64_t at, const struct recording_header *header, const struct recording_block *entry,
                          void *out, size_t bytes, char *packed, void *decompressor);
size_t recording__packed_bytes(void);

#endif
