/* SPDX-License-Identifier: MIT
 *
 * Writing a recording.  Two ways:
 *
 *   recording_maker   takes sealed segments out of a history that is there anyway: traced --record, one file for each segment;
 *   recording_writer  makes segments of events that come one by one: `inspector record`, `trigger --write`, salvage; one file.
 *
 * Nothing here calls fsync: after a power cut the newest frames may be damaged or missing, and a reader reports them.  Every
 * frame is whole or cut off: a failed write is taken back.  The calling thread must be registered with liburcu, and not hold
 * its read lock. */
#ifndef RECORDING_WRITER_H
#define RECORDING_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <store/store.h>

/* ---- segments of a history ------------------------------------------------------------------------------------------------- */

struct recording_maker;

/* compress: blocks of 1 MiB, zstd level 1.  Takes about recording_maker_bytes() of memory.  Returns 0, -ENOMEM, -EIO without
 * randomness. */
int recording_maker_create(struct recording_maker **ret_maker, bool compress);
void recording_maker_destroy(struct recording_maker *maker);

/* Memory that one maker takes at most. */
size_t recording_maker_bytes(void);

/* The random number that stands in each frame of this maker. */
uint64_t recording_maker_instance(const struct recording_maker *maker);

/* Copies segment `number` of the history, and the node table, into the maker's own memory.  The segment must be sealed, or
 * nobody may be appending.  Returns 0, -ENOENT when it has been retired, -ENOMEM. */
int recording_maker_take(struct recording_maker *maker, struct history *history, struct nodes *nodes, uint64_t number);

/* What was taken: its number of events and its greatest time. */
uint32_t recording_maker_events(const struct recording_maker *maker);
uint64_t recording_maker_last_ns(const struct recording_maker *maker);

/* Writes what was taken as one frame at `offset`, a multiple of 4096.  Blocks.  Returns 0, or a negative errno; then the file
 * is cut back to `offset`. */
int recording_maker_write(struct recording_maker *maker, int fd, uint64_t offset, uint64_t *ret_bytes);

/* Reads the one frame of a plain file and writes it compressed to another.  Returns 0, -EALREADY when it is compressed,
 * -EBADMSG when it is not whole, or another negative errno. */
int recording_maker_recompress(struct recording_maker *maker, int from_fd, int to_fd, uint64_t *ret_bytes);

/* ---- events one by one ---------------------------------------------------------------------------------------------------- */

struct recording_writer;

struct recording_writer_options {
    bool compress;
    bool append; /* the file may be there, and is continued; otherwise it must not */
};

/* Makes the file, mode 0600.  Takes up to about 90 MiB of memory, as events come.  Enters the calling thread
 * (store_enter_thread).  Returns 0,
 * -EEXIST, or another negative errno. */
int recording_writer_open(struct recording_writer **ret_writer, const char *path, const struct recording_writer_options *options);

/* What is being written.  Nodes and their applications are added to it (store_add_node, store_add_app, store_end_node), at any
 * time; each segment is written with what is known of the nodes then.  Events are appended by the next function alone. */
struct store *recording_writer_store(struct recording_writer *writer);

/* Events of one lane of a node, with Unix times; writes a frame whenever a segment is full.  Returns 0, -EINVAL as
 * store_append, -ENOMEM, or the negative errno of a write: then the events of that segment are lost, and counted, and more may
 * be appended. */
int recording_writer_append(struct recording_writer *writer, uint32_t node, uint32_t lane, const struct trace_event *events,
                            size_t count);

/* Events that are in frames, that wait for one, and that could not be written. */
struct recording_writer_stats {
    uint64_t written, waiting, lost;
    uint64_t bytes; /* of the file */
};
void recording_writer_stats(const struct recording_writer *writer, struct recording_writer_stats *ret_stats);

/* Writes what waits and closes the file.  Without any event the file stays empty.  Returns 0, or a negative errno, with
 * ret_stats (or NULL) what it came to; the writer is gone in any case. */
int recording_writer_close(struct recording_writer *writer, struct recording_writer_stats *ret_stats);

#endif
