/* SPDX-License-Identifier: MIT
 *
 * Finds the frames of all files and directories, and sorts them. */
#include "recording_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCAN_BYTES ((size_t)1 << 20)

/* ---- files -------------------------------------------------------------------------------------------------------------- */

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Opens a regular file; refuses anything else. */
static int open_plain(const char *path, struct stat *ret_status) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == EMFILE) {
        raise_descriptor_limit();
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    if (fd < 0) return -errno;
    if (fstat(fd, ret_status) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* fd: -1: it could not be opened.  Returns NULL when out of memory. */
static struct recording_file *add_file(struct recording *recording, const char *path, int fd, uint64_t bytes) {
    struct recording_file *files = realloc(recording->files, (recording->file_count + 1) * sizeof *files);
    char *copy = strdup(path);

    if (files) recording->files = files;
    if (!files || !copy) {
        free(copy);
        return NULL;
    }
    files[recording->file_count] = (struct recording_file){copy, fd, bytes};
    return &files[recording->file_count++];
}

/* ---- frames ------------------------------------------------------------------------------------------------------------- */

static struct recording_frame *add_frame(struct recording *recording) {
    struct recording_frame *frame;

    if (recording->frame_count == recording->frame_capacity) {
        size_t capacity = recording->frame_capacity == 0 ? 64 : 2 * recording->frame_capacity;
        struct recording_frame **frames = realloc(recording->frames, capacity * sizeof *frames);
        if (!frames) return NULL;
        recording->frames = frames;
        recording->frame_capacity = capacity;
    }
    frame = calloc(1, sizeof *frame);
    if (frame) recording->frames[recording->frame_count++] = frame;
    return frame;
}

/* How many events of a frame are beyond the end of its file. */
static uint64_t events_behind(const struct recording_frame *frame, uint64_t file_bytes) {
    const struct recording_header *header = &frame->header;
    struct recording_parts parts;
    struct history_shape shape;
    struct history_layout layout;
    uint64_t there, blocks, whole;

    recording__parts(header, &parts);
    recording__shape(header, &shape);
    (void)history_image_layout(&shape, &layout);
    if (file_bytes <= frame->offset + parts.blocks) return header->events;
    if ((header->flags & RECORDING_COMPRESSED) != 0) return 0; /* the block table will say which blocks exist */
    there = file_bytes - frame->offset - parts.blocks;
    blocks = there / header->block_bytes;
    whole = there >= layout.at[HISTORY_SECTIONS] ? layout.at[HISTORY_SECTIONS] : blocks * header->block_bytes;
    if (whole >= layout.at[HISTORY_EVENTS] + layout.bytes[HISTORY_EVENTS]) return 0;
    if (whole <= layout.at[HISTORY_EVENTS]) return header->events;
    return header->events - (whole - layout.at[HISTORY_EVENTS]) / sizeof(struct trace_event);
}

static void note_cut(struct recording *recording, const struct recording_file *file, struct recording_frame *frame) {
    uint64_t end = frame->offset + frame->header.frame_bytes;
    if (file->bytes >= end) return;
    frame->cut = true;
    frame->lost = events_behind(frame, file->bytes);
    recording__problem(recording, file, frame->offset, frame->lost, "the file ends %" PRIu64 " bytes before its segment does",
                       end - file->bytes);
}

/* The offset of the next frame's magic; the end of the file if there is none. */
static uint64_t find_magic(const struct recording_file *file, uint64_t offset) {
    char *buffer = malloc(SCAN_BYTES);
    uint64_t found = file->bytes;

    for (; buffer && offset < file->bytes && found == file->bytes; offset += SCAN_BYTES) {
        size_t count = file->bytes - offset < SCAN_BYTES ? (size_t)(file->bytes - offset) : SCAN_BYTES;
        if (recording__read(file->fd, buffer, count, offset) < 0) break;
        for (size_t at = 0; at + 8 <= count && found == file->bytes; at += RECORDING_ALIGN)
            if (memcmp(buffer + at, RECORDING_MAGIC, 8) == 0) found = offset + at;
    }
    free(buffer);
    return found;
}

/* Reports bytes that are not a frame, and returns where the next frame may be. */
static uint64_t pass_over(struct recording *recording, const struct recording_file *file, uint64_t offset, int error) {
    uint64_t next = find_magic(file, offset + RECORDING_ALIGN);
    if (error == -EBADMSG)
        recording__problem(recording, file, offset, 0, "the header of a segment is damaged: %" PRIu64 " bytes are skipped",
                           next - offset);
    else if (error == -ENOMSG)
        recording__problem(recording, file, offset, 0, "%" PRIu64 " bytes are not a segment", next - offset);
    else
        recording__problem(recording, file, offset, 0, "cannot be read: %s", strerror(-error));
    return next;
}

static int scan_file(struct recording *recording, const struct recording_file *file, char *ret_reason) {
    uint32_t index = (uint32_t)(file - recording->files);
    char reason[160];

    for (uint64_t offset = 0; offset < file->bytes;) {
        struct recording_header header;
        int error = recording__header_read(file->fd, offset, &header, reason, sizeof reason);
        if (error == -EPROTONOSUPPORT) {
            snprintf(ret_reason, RECORDING_REASON_BYTES, "%.300s %s", file->path, reason);
            return error;
        }
        if (error == -ENOMSG && offset == 0 && find_magic(file, RECORDING_ALIGN) == file->bytes) return -ENOMSG;
        if (error < 0) {
            offset = pass_over(recording, file, offset, error);
            continue;
        }
        struct recording_frame *frame = add_frame(recording);
        if (!frame) return -ENOMEM;
        frame->header = header;
        frame->file = index;
        frame->offset = offset;
        note_cut(recording, file, frame);
        if (header.tables != recording__tables())
            recording__problem(recording, file, offset, 0, "its events have kinds or fields that differ from this p2ptrace's");
        offset += header.frame_bytes;
    }
    return 0;
}

/* ---- paths -------------------------------------------------------------------------------------------------------------- */

static int refuse(char *ret_reason, int error, const char *path, const char *what) {
    snprintf(ret_reason, RECORDING_REASON_BYTES, "%.300s %s", path, what);
    return error;
}

/* A file without segments stays listed, because problems name it, but takes no descriptor: others of a directory need them. */
static int close_unused(struct recording_file *file) {
    close(file->fd);
    file->fd = -1;
    return 0;
}

/* named: the user named this file, so it must be a recording.  In a directory, files that are not recordings are only
 * reported. */
static int scan_path(struct recording *recording, const char *path, int fd, const struct stat *status, bool named,
                     char *ret_reason) {
    size_t frames = recording->frame_count;
    struct recording_file *file = add_file(recording, path, fd, (uint64_t)status->st_size);
    int error;

    if (!file) {
        close(fd);
        return refuse(ret_reason, -ENOMEM, path, "cannot be read: out of memory");
    }
    if (!S_ISREG(status->st_mode)) {
        if (named) return refuse(ret_reason, -EINVAL, path, "is not a recording: it is not a file");
        return close_unused(file);
    }
    if (file->bytes == 0) {
        if (named) return refuse(ret_reason, -ENODATA, path, "is empty");
        recording__problem(recording, file, 0, 0, "is empty");
        return close_unused(file);
    }
    error = scan_file(recording, file, ret_reason);
    if (error == -ENOMSG) {
        if (named) return refuse(ret_reason, -ENOMSG, path, "is not a recording");
        recording__problem(recording, file, 0, 0, "is not a recording");
        return close_unused(file);
    }
    if (error == 0 && recording->frame_count == frames) return close_unused(file);
    return error == -ENOMEM ? refuse(ret_reason, error, path, "cannot be read: out of memory") : error;
}

static int is_recording_name(const struct dirent *entry) {
    size_t length = strlen(entry->d_name), suffix = strlen(RECORDING_SUFFIX);
    return length > suffix && strcmp(entry->d_name + length - suffix, RECORDING_SUFFIX) == 0;
}

static int scan_directory(struct recording *recording, const char *path, char *ret_reason) {
    struct dirent **entries;
    int count = scandir(path, &entries, is_recording_name, alphasort), error = 0;

    if (count < 0) return refuse(ret_reason, -errno, path, "cannot be read");
    for (int i = 0; i < count; i++) {
        char name[4096];
        struct stat status;
        int length = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name), fd = -ENAMETOOLONG;
        free(entries[i]);
        if (error < 0) continue;
        if (length < (int)sizeof name) fd = open_plain(name, &status);
        if (fd == -ENOENT) continue; /* retired meanwhile */
        if (fd < 0)
            recording__problem(recording, add_file(recording, name, -1, 0), 0, 0, "cannot be read: %s", strerror(-fd));
        else
            error = scan_path(recording, name, fd, &status, false, ret_reason);
    }
    free(entries);
    return error;
}

int recording__scan(struct recording *recording, const char *path, char *ret_reason) {
    struct stat status;
    int fd = open_plain(path, &status);

    if (fd < 0) return refuse(ret_reason, fd, path, fd == -ENOENT ? "does not exist" : strerror(-fd));
    if (!S_ISDIR(status.st_mode)) return scan_path(recording, path, fd, &status, true, ret_reason);
    close(fd);
    size_t before = recording->frame_count;
    int error = scan_directory(recording, path, ret_reason);
    if (error == 0 && recording->frame_count == before && recording->problem_count == 0)
        return refuse(ret_reason, -ENODATA, path,
                      "has no recordings (*" RECORDING_SUFFIX "): traced writes one after 65536 events, and when it ends");
    return error;
}

/* ---- order -------------------------------------------------------------------------------------------------------------- */

#define COMPARE_(a, b) ((a) != (b)) return (a) < (b) ? -1 : 1

static int by_number(const void *a, const void *b) {
    const struct recording_frame *x = *(struct recording_frame *const *)a, *y = *(struct recording_frame *const *)b;
    if COMPARE_ (x->header.instance, y->header.instance)
        ;
    if COMPARE_ (x->header.number, y->header.number)
        ;
    return (int)x->cut - (int)y->cut; /* prefer the complete one */
}

static int by_time(const void *a, const void *b) {
    const struct recording_frame *x = *(struct recording_frame *const *)a, *y = *(struct recording_frame *const *)b;
    if COMPARE_ (x->group_ns, y->group_ns)
        ;
    return by_number(a, b);
}

void recording__frame_free(struct recording_frame *frame) {
    free(frame->table);
    free(frame->node_map);
    free(frame->image);
    free(frame);
}

/* Drops duplicates. */
static void leave_out(struct recording *recording) {
    size_t kept = 0;
    for (size_t i = 0; i < recording->frame_count; i++) {
        struct recording_frame *frame = recording->frames[i], *before = kept > 0 ? recording->frames[kept - 1] : NULL;
        if (before && before->header.instance == frame->header.instance && before->header.number == frame->header.number)
            recording__frame_free(frame);
        else
            recording->frames[kept++] = frame;
    }
    recording->frame_count = kept;
}

static void note_gap(struct recording *recording, const struct recording_frame *before, const struct recording_frame *frame) {
    if (before->header.instance != frame->header.instance || before->header.number + 1 >= frame->header.number) return;
    recording__problem(recording, &recording->files[frame->file], frame->offset, 0,
                       "segments %" PRIu64 " to %" PRIu64 " before this one are missing", before->header.number + 1,
                       frame->header.number - 1);
}

void recording__arrange(struct recording *recording) {
    struct recording_frame **frames = recording->frames;
    size_t count;

    if (recording->frame_count == 0) return;
    qsort(frames, recording->frame_count, sizeof *frames, by_number);
    leave_out(recording);
    count = recording->frame_count;
    for (size_t i = 0, j; i < count; i = j) {
        uint64_t least_ns = UINT64_MAX;
        for (j = i; j < count && frames[j]->header.instance == frames[i]->header.instance; j++) {
            if (frames[j]->header.min_ns < least_ns) least_ns = frames[j]->header.min_ns;
            if (j > i) note_gap(recording, frames[j - 1], frames[j]);
        }
        for (size_t k = i; k < j; k++) frames[k]->group_ns = least_ns;
    }
    qsort(frames, count, sizeof *frames, by_time);
}
