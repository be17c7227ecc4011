/* SPDX-License-Identifier: MIT
 *
 * Writing a recording.  Two ways:
 *
 *   recording_maker   writes sealed segments of a live history: traced --record, one file for each segment;
 *   recording_writer  builds segments from single events: `inspector record`, `trigger --write`, salvage; one file.
 *
 * Nothing here calls fsync: after a power cut the newest frames may be damaged or missing, and a reader reports them.  A failed
 * write is undone, so every frame is complete or cut off at the end.  The calling thread must be registered with liburcu and must
 * not hold its read lock. */
#ifndef RECORDING_WRITER_H
#define RECORDING_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <store/store.h>

/* ---- segments of a history ------------------------------------------------------------------------------------------------- */

struct recording_maker;

/* compress: blocks of 1 MiB, zstd level 1.  Uses about recording_maker_bytes() of memory.  Returns 0, -ENOMEM, or -EIO
 * when there is no randomness. */
int recording_maker_create(struct recording_maker **ret_maker, bool compress);
void recording_maker_destroy(struct recording_maker *maker);

/* An upper bound of one maker's memory, in bytes. */
size_t recording_maker_bytes(void);

/* The random number in each frame of this maker. */
uint64_t recording_maker_instance(const struct recording_maker *maker);

/* Copies segment `number` of the history, the node table, and the table of aliases, into the maker's own memory.  The segment
 * must be sealed, or nobody may be appending.  Returns 0, -ENOENT when it was retired, or -ENOMEM. */
int recording_maker_take(struct recording_maker *maker, const struct store *store, uint64_t number);

/* The same for the events in [first, end) of that segment, which may be open: all of them have been appended.  Also returns
 * -ENODATA when none of them belongs into a recording, because they were copied from older segments. */
int recording_maker_take_part(struct recording_maker *maker, const struct store *store, uint64_t number, uint32_t first,
                              uint32_t end);

/* The number that it is written with, if it is not to be the segment's. */
void recording_maker_set_number(struct recording_maker *maker, uint64_t number);

/* The number of events taken, and their latest time. */
uint32_t recording_maker_events(const struct recording_maker *maker);
uint64_t recording_maker_last_ns(const struct recording_maker *maker);

/* Writes what was taken as one frame at `offset`, a multiple of 4096.  Blocks.  Returns 0, or a negative errno after truncating
 * the file to `offset`. */
int recording_maker_write(struct recording_maker *maker, int fd, uint64_t offset, uint64_t *ret_bytes);

/* Reads the one frame of a plain file and writes it compressed to another.  Returns 0, -EALREADY when it is
 * already compressed, -EBADMSG when it is not complete, or another negative errno. */
int recording_maker_recompress(struct recording_maker *maker, int from_fd, int to_fd, uint64_t *ret_bytes);

/* ---- events one by one ---------------------------------------------------------------------------------------------------- */

struct recording_writer;

struct recording_writer_options {
    bool compress;
    bool append; /* continue a file that exists; otherwise it must not exist */
};

/* Creates the file, mode 0600.  Uses up to about 90 MiB of memory.  Registers the calling thread (store_enter_thread).  Returns
 * 0, -EEXIST, or another negative errno. */
int recording_writer_open(struct recording_writer **ret_writer, const char *path, const struct recording_writer_options *options);

/* The store being written.  Add nodes, their applications and aliases at any time (store_add_node, store_add_app, store_end_node,
 * store_add_aliases); each segment has them as known when it is written, and a reader takes the newest.  Append events only with
 * recording_writer_append. */
struct store *recording_writer_store(struct recording_writer *writer);

/* Appends events of one lane of a node, with Unix times; writes a full segment before an event that does not fit into it: so the
 * last one always has what was known at the end.  Returns 0; -EINVAL like
 * store_append; -ENOMEM; or the negative errno of a write: then that segment's events are lost and counted, and appending may
 * continue. */
int recording_writer_append(struct recording_writer *writer, uint32_t node, uint32_t lane, const struct trace_event *events,
                            size_t count);

/* Events in frames, waiting for one, and lost because a write failed. */
struct recording_writer_stats {
    uint64_t written, waiting, lost;
    uint64_t bytes; /* size of the file */
};
void recording_writer_stats(const struct recording_writer *writer, struct recording_writer_stats *ret_stats);

/* Writes what is waiting and closes the file; without any event it stays empty.  Fills in *ret_stats unless NULL.  Returns 0 or a
 * negative errno; the writer is destroyed in both cases. */
int recording_writer_close(struct recording_writer *writer, struct recording_writer_stats *ret_stats);

#endif
