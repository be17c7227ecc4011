/* SPDX-License-Identifier: MIT
 *
 * Records single events: they fill a store, and each of its segments is written when it is full and another event comes.
 *
 * Frames are appended one after the other.  If a write fails, the whole segment is lost: the file is truncated to the previous
 * frame, so that it stays readable, and the next segment is tried in its place. */
#include "recording_format.h"

#include <recording/writer.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct recording_writer {
    struct store *store;
    struct recording_maker *maker;
    int fd;
    uint64_t offset;  /* where the next frame goes */
    uint64_t written; /* position after the last event written or lost */
    uint64_t lost;
};

/* Locks the open file.  Appending begins after the last frame; after a frame that is cut off, at the next multiple of 4096. */
static int claim_file(struct recording_writer *writer) {
    struct stat status;
    if (flock(writer->fd, LOCK_EX | LOCK_NB) != 0 || fstat(writer->fd, &status) != 0) return -errno;
    if (!S_ISREG(status.st_mode)) return -EINVAL;
    writer->offset = ((uint64_t)status.st_size + RECORDING_ALIGN - 1) / RECORDING_ALIGN * RECORDING_ALIGN;
    return 0;
}

/* Opens the file for one writer, or leaves no new one. */
static int open_file(struct recording_writer *writer, const char *path, bool append) {
    writer->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? 0 : O_EXCL), 0600);
    if (writer->fd < 0) return -errno;
    int error = claim_file(writer);
    if (error != 0 && !append) (void)unlink(path);
    return error;
}

int recording_writer_open(struct recording_writer **ret_writer, const char *path,
                          const struct recording_writer_options *options) {
    struct recording_writer *writer = calloc(1, sizeof *writer);
    int error;

    if (!writer) return -ENOMEM;
    writer->fd = -1;
    error = store_create(&writer->store, 0);
    if (error == 0) error = recording_maker_create(&writer->maker, options && options->compress);
    if (error == 0) error = open_file(writer, path, options && options->append);
    if (error < 0) {
        if (writer->fd >= 0) close(writer->fd);
        recording_maker_destroy(writer->maker);
        store_destroy(writer->store);
        free(writer);
        return error;
    }
    *ret_writer = writer;
    return 0;
}

struct store *recording_writer_store(struct recording_writer *writer) {
    return writer->store;
}

/* Writes the segment that begins at `written`, up to its end or the end of the history. */
static int write_segment(struct recording_writer *writer) {
    uint64_t number = writer->written / HISTORY_SEGMENT_EVENTS, end = history_end_position(writer->store->history), bytes = 0;
    uint64_t behind = (number + 1) * HISTORY_SEGMENT_EVENTS;
    int error = recording_maker_take(writer->maker, writer->store, number);

    if (behind > end) behind = end;
    if (error == 0) error = recording_maker_write(writer->maker, writer->fd, writer->offset, &bytes);
    if (error == 0)
        writer->offset += bytes;
    else
        writer->lost += behind - writer->written;
    writer->written = behind;
    return error;
}

int recording_writer_append(struct recording_writer *writer, uint32_t node, uint32_t lane, const struct trace_event *events,
                            size_t count) {
    int result = 0;

    while (count > 0) {
        uint64_t room = writer->written + HISTORY_SEGMENT_EVENTS - history_end_position(writer->store->history);
        size_t now = count < room ? count : (size_t)room;
        int error = now > 0 ? store_append(writer->store, node, lane, events, now) : write_segment(writer);
        if (error < 0 && now > 0) return error;
        if (error < 0) result = error;
        events += now;
        count -= now;
    }
    return result;
}

void recording_writer_stats(const struct recording_writer *writer, struct recording_writer_stats *ret_stats) {
    *ret_stats = (struct recording_writer_stats){.written = writer->written - writer->lost,
                                                 .waiting = history_end_position(writer->store->history) - writer->written,
                                                 .lost = writer->lost,
                                                 .bytes = writer->offset};
}

int recording_writer_close(struct recording_writer *writer, struct recording_writer_stats *ret_stats) {
    int error = 0;

    if (!writer) return 0;
    if (history_end_position(writer->store->history) > writer->written) error = write_segment(writer);
    if (ret_stats) recording_writer_stats(writer, ret_stats);
    if (close(writer->fd) != 0 && error == 0) error = -errno;
    recording_maker_destroy(writer->maker);
    store_destroy(writer->store);
    free(writer);
    return error;
}
