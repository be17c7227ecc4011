/* SPDX-License-Identifier: MIT
 *
 * Writing a recording.  Two ways:
 *
 *   recording_maker   takes sealed segments out of a history that is there anyway: traced --record, one file for each segment;
 *   recording_writer  makes segments of events that come one by one: `inspector record`, `trigger --write`, salvage; one file.
 *
 * Nothing here calls fsync: after a power cut the newest frames may be damaged or missing, and a reader reports them.  Every frame is
 * whole or cut off: a failed write is taken back.  The calling thread must be registered with liburcu, and not hold its read lock. */
#ifndef RECORDING_WRITER_H
#define RECORDING_WRITER_H

#include <history.h>
#include <nodes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- segments of a history ------------------------------------------------------------------------------------------------- */

struct recording_maker;

/* compress: blocks of 1 MiB, zstd level 1.  Takes about recording_maker_bytes() of memory.  Returns 0, -ENOMEM, -EIO without randomness. */
int recording_maker_create(struct recording_maker **ret_maker, bool compress);
void recording_maker_destroy(struct recording_maker *maker);

/* Memory that one maker takes at most. */
size_t recording_maker_bytes(void);

/* The random number that stands in each frame of this maker. */
uint64_t recording_maker_instance(const struct recording_maker *maker);

/* Copies segment `number` of the history, and the node table, into the maker's own memory.  The segment must be sealed, or nobody may be
 * appending.  Returns 0, -ENOENT when it has been retired, -ENOMEM. */
int recording_maker_take(struct recording_maker *maker, struct history *history, struct nodes *nodes, uint64_t number);

/* What was taken: its number of events and its greatest time. */
uint32_t recording_maker_events(const struct recording_maker *maker);
uint64_t recording_maker_last_ns(const struct recording_maker *maker);

/* Writes what was taken as one frame at `offset`, a multiple of 4096.  Blocks.  Returns 0, or a negative errno; then the file is cut back to
 * `offset`. */
int recording_maker_write(struct recording_maker *maker, int fd, uint64_t offset, uint64_t *ret_bytes);

/* Reads the one frame of a plain file and writes it compressed to another.  Returns 0, -EALREADY when it is compressed, -EBADMSG when it is not
 * whole, or another negative errno. */
int recording_maker_recompress(struct recording_maker *maker, int from_fd, int to_fd, uint64_t *ret_bytes);

/* ---- events one by one ---------------------------------------------------------------------------------------------------- */

struct recording_writer;

struct recording_writer_options {
    bool compress;
    bool append; /* go on behind the frames of a file that is there; otherwise there must be none */
};

/* A log, as the node table has it. */
struct recording_node {
    struct trace_reader_info info;
    uint64_t started_unix_ns;
    enum node_state state;
    enum trace_attach_fault fault;
    uint64_t emitted, indexed, unfinished, last_unix_ns;
    uint64_t lost[TRACE_LOSS_COUNT];
    uint32_t lanes_used;
    uint64_t control;
    uint32_t app_count;
    const struct trace_app *apps;
};

/* Makes the file, mode 0600.  Takes about 90 MiB of memory.  Returns 0, -EEXIST, or another negative errno. */
int recording_writer_open(struct recording_writer **ret_writer, const char *path, const struct recording_writer_options *options);

/* Adds a log.  *ret_index is what recording_writer_append wants.  Returns 0, or -ENOSPC when there are HISTORY_NODES_MAX. */
int recording_writer_add_node(struct recording_writer *writer, const struct recording_node *node, uint32_t *ret_index);

/* Brings a log's state, counters and applications up to date; its identity stays. */
void recording_writer_set_node(struct recording_writer *writer, uint32_t index, const struct recording_node *node);

/* Events of one log and lane, in their order, with Unix times.  Writes a frame whenever a segment is full.  Returns 0, or a negative errno of
 * the write; the events of that frame are lost, and counted (recording_writer_lost); more may be appended. */
int recording_writer_append(struct recording_writer *writer, uint32_t node_index, unsigned lane, const struct trace_event *events,
                            uint32_t count);

/* Events that were appended, and those that could not be written. */
uint64_t recording_writer_events(const struct recording_writer *writer);
uint64_t recording_writer_lost(const struct recording_writer *writer);

/* Writes what is not yet written and closes the file; a file without events has no frame and is empty.  Returns 0, or a negative errno;
 * the writer is gone in any case. */
int recording_writer_close(struct recording_writer *writer);

#endif
