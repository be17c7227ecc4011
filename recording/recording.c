/* SPDX-License-Identifier: MIT
 *
 * Reading a recording. */
#include "recording_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

/* ---- problems ----------------------------------------------------------------------------------------------------------- */

void recording__problem(struct recording *recording, const struct recording_file *file, uint64_t offset, uint64_t events,
                        const char *format, ...) {
    if (recording->silent) return;
    recording->events_lost += events;
    if (recording->problem_count < RECORDING_PROBLEMS_MAX) {
        struct recording_problem *problem = &recording->problems[recording->problem_count];
        va_list arguments;
        *problem = (struct recording_problem){.path = file ? file->path : "", .offset = offset, .events = events};
        va_start(arguments, format);
        vsnprintf(problem->text, sizeof problem->text, format, arguments);
        va_end(arguments);
    }
    recording->problem_count++;
}

void recording__bad_part(struct recording *recording, const struct recording_file *file, uint64_t offset, uint64_t events,
                         const char *part, int error, const char *then) {
    if (error == -EBADMSG || error == -ENODATA)
        recording__problem(recording, file, offset, events, "%s is damaged%s", part, then);
    else
        recording__problem(recording, file, offset, events, "%s cannot be read (%s)%s", part, strerror(-error), then);
}

size_t recording_problem_count(const struct recording *recording) { return recording->problem_count; }

const struct recording_problem *recording_problem(const struct recording *recording, size_t index) {
    return index < recording->problem_count && index < RECORDING_PROBLEMS_MAX ? &recording->problems[index] : NULL;
}

uint64_t recording_events(const struct recording *recording) {
    uint64_t events = 0;
    for (size_t i = 0; i < recording->frame_count; i++) {
        const struct recording_frame *frame = recording->frames[i];
        if (frame->lost < frame->header.events) events += frame->header.events - frame->lost;
    }
    return events;
}

uint64_t recording_events_lost(const struct recording *recording) { return recording->events_lost; }

/* ---- blocks, read when the history needs them ---------------------------------------------------------------------------- */

/* While runs are compared, an error that may not come again: what is not compared may count twice. */
static void note_unread(struct recording *recording, const struct recording_frame *frame, int error) {
    if (!recording->silent || recording->unread != 0 || error == -EBADMSG || error == -ENODATA) return;
    recording->unread = error;
    recording->silent = false;
    recording__problem(recording, &recording->files[frame->file], frame->offset, 0,
                       "could not be compared with the other runs (%s): events that they have, too, may count twice",
                       strerror(-error));
    recording->silent = true;
}

static bool table_ready(struct recording *recording, struct recording_frame *frame) {
    const struct recording_file *file = &recording->files[frame->file];
    int error;

    if (frame->table) return true;
    if (frame->table_bad) return false;
    frame->table = malloc(frame->header.block_count * sizeof *frame->table);
    error = frame->table ? recording__table_read(file->fd, frame->offset, &frame->header, frame->table) : -ENOMEM;
    if (error == 0) return true;
    note_unread(recording, frame, error);
    free(frame->table);
    frame->table = NULL;
    frame->table_bad = true;
    frame->lost = frame->header.events;
    if (!frame->cut || error != -ENODATA)
        recording__bad_part(recording, file, frame->offset, frame->header.events, "the table of its blocks", error, "");
    return false;
}

static uint64_t block_offset(const struct recording_frame *frame, uint32_t block) {
    struct recording_parts parts;
    uint64_t at;

    recording__parts(&frame->header, &parts);
    at = frame->offset + parts.blocks;
    for (uint32_t i = 0; i < block; i++) at += frame->table[i].stored_bytes;
    return at;
}

/* Opening the file already reported a segment that is cut off; a compressed one is reported here, because only its block table
 * says which events are missing. */
static bool is_known(const struct recording_frame *frame, int error) {
    return frame->cut && error == -ENODATA && (frame->header.flags & RECORDING_COMPRESSED) == 0;
}

static void note_block(struct recording *recording, struct recording_frame *frame, uint32_t block, uint64_t at, int error) {
    const struct recording_file *file = &recording->files[frame->file];
    struct history_shape shape;
    uint32_t events;

    recording__shape(&frame->header, &shape);
    events = history_image_block_events(&shape, frame->header.block_bytes, block);
    frame->lost += events;
    if (error != -EBADMSG && error != -ENODATA)
        recording__problem(recording, file, at, events, "cannot be read: %s", strerror(-error));
    else if (events > 0)
        recording__problem(recording, file, at, events,
                           error == -ENODATA ? "events are missing: the file ends" : "events are damaged");
    else
        recording__problem(recording, file, at, 0, "an index is damaged: the events are searched without it");
}

static int load(void *context, uint32_t segment, uint32_t block, void *out, size_t bytes) {
    struct recording *recording = context;
    struct recording_frame *frame = recording->frames[segment];
    uint64_t at;
    int error;

    if (frame->image) {
        memcpy(out, frame->image + (size_t)block * frame->header.block_bytes, bytes);
        return 0;
    }
    if (!table_ready(recording, frame)) return -EBADMSG;
    at = block_offset(frame, block);
    error = recording__block_read(recording->files[frame->file].fd, at, &frame->header, &frame->table[block], out, bytes,
                                  recording->packed, recording->decompressor);
    if (error < 0) note_unread(recording, frame, error);
    if (error < 0 && !is_known(frame, error)) note_block(recording, frame, block, at, error);
    return error;
}

static void reject(void *context, uint32_t segment, uint32_t block) {
    struct recording *recording = context;
    struct recording_frame *frame = recording->frames[segment];
    if (frame->image) return; /* we made it */
    note_block(recording, frame, block, block_offset(frame, block), -EBADMSG);
}

static void stray(void *context, uint32_t segment) {
    struct recording *recording = context;
    const struct recording_frame *frame = recording->frames[segment];

    if (recording->silent) return;
    recording__need_other(recording);
    if (frame->node_map_count > 0)
        recording__problem(recording, &recording->files[frame->file], frame->offset, 0,
                           "some events are from nodes that it does not list: these nodes are shown as \"unknown\"");
}

/* ---- open and close ----------------------------------------------------------------------------------------------------- */

static void describe(const struct recording_frame *frame, struct history_backed_info *ret_info) {
    const struct recording_header *header = &frame->header;
    struct history_segment_info *segment = &ret_info->segment;

    memset(ret_info, 0, sizeof *ret_info);
    recording__shape(header, &segment->shape);
    segment->number = header->number;
    segment->min_ns = header->min_ns;
    segment->max_ns = header->max_ns;
    segment->kinds = header->kinds;
    segment->nodes = header->nodes;
    memcpy(segment->keys, header->keys, sizeof segment->keys);
    memcpy(segment->marks, header->marks, sizeof segment->marks);
    ret_info->block_bytes = header->block_bytes;
    ret_info->node_map = frame->node_map;
    ret_info->node_map_count = frame->node_map_count;
    ret_info->node_other = RECORDING_NODE_OTHER;
}

int recording__history_open(struct recording *recording, struct history **ret_history) {
    const struct history_backing backing = {.load = load, .reject = reject, .stray = stray, .context = recording};
    struct history_backed_info *infos = calloc(recording->frame_count, sizeof *infos);
    int error;

    if (!infos) return -ENOMEM;
    for (size_t i = 0; i < recording->frame_count; i++) describe(recording->frames[i], &infos[i]);
    error = history_open_backed(ret_history, infos, (uint32_t)recording->frame_count, &backing);
    free(infos);
    return error;
}

static int open_history(struct recording *recording) {
    uint64_t end_ns = 0;

    for (size_t i = 0; i < recording->frame_count; i++) {
        const struct recording_header *header = &recording->frames[i]->header;
        uint64_t identity[3] = {recording->store.instance, header->instance, header->number};
        if (header->max_ns > end_ns) end_ns = header->max_ns;
        recording->store.instance = recording__checksum(identity, sizeof identity);
    }
    atomic_store_explicit(&recording->store.closed_ns, end_ns + 1, memory_order_relaxed); /* relaxed: not shared yet */
    return recording__history_open(recording, &recording->store.history);
}

static int refuse(char *ret_reason, int error, const char *what) {
    snprintf(ret_reason, RECORDING_REASON_BYTES, "%s", what);
    return error;
}

/* Of all events not one can be read: an answer would be empty, and wrong. */
static int refuse_unreadable(const struct recording *recording, char *ret_reason) {
    const struct recording_problem *problem = recording_problem(recording, 0);
    char events[48] = "";

    if (problem->events > 0)
        snprintf(events, sizeof events, " (%" PRIu64 " event%s)", problem->events, problem->events == 1 ? "" : "s");
    snprintf(ret_reason, RECORDING_REASON_BYTES, "nothing in it can be read: %.300s: %s%s", problem->path, problem->text, events);
    return -EBADMSG;
}

static int open_paths(struct recording *recording, const char *const *paths, size_t path_count, char *ret_reason) {
    int error;

    for (size_t i = 0; i < path_count; i++) {
        error = recording__scan(recording, paths[i], ret_reason);
        if (error < 0) return error;
    }
    recording__arrange(recording);
    if (recording->frame_count == 0 && recording->problem_count == 0)
        return refuse(ret_reason, -EBADMSG, "nothing in it can be read: it is empty");
    if (recording->frame_count == 0 || (recording->events_lost > 0 && recording_events(recording) == 0))
        return refuse_unreadable(recording, ret_reason);
    recording->packed = malloc(recording__packed_bytes());
    recording->decompressor = ZSTD_createDCtx();
    if (!recording->packed || !recording->decompressor) return refuse(ret_reason, -ENOMEM, "out of memory");
    error = nodes_create(&recording->store.nodes, NULL);
    if (error == 0) error = recording__merge_nodes(recording);
    if (error == 0) error = recording__leave_out_repeats(recording);
    if (error == 0) error = open_history(recording);
    if (error == 0) error = store_read_aliases(&recording->store);
    return error == 0 ? 0 : refuse(ret_reason, error, error == -EINVAL ? "too many segments" : "out of memory");
}

int recording_open(struct recording **ret_recording, const char *const *paths, size_t path_count,
                   char ret_reason[RECORDING_REASON_BYTES]) {
    struct recording *recording = calloc(1, sizeof *recording);
    int error;

    store_enter_thread();
    if (!recording) return refuse(ret_reason, -ENOMEM, "out of memory");
    error = open_paths(recording, paths, path_count, ret_reason);
    if (error < 0) {
        recording_close(recording);
        return error;
    }
    *ret_recording = recording;
    return 0;
}

void recording_close(struct recording *recording) {
    if (!recording) return;
    history_destroy(recording->store.history);
    aliases_destroy(recording->store.aliases);
    nodes_destroy(recording->store.nodes);
    free(recording->store.told);
    ZSTD_freeDCtx(recording->decompressor);
    free(recording->packed);
    for (size_t i = 0; i < recording->frame_count; i++) recording__frame_free(recording->frames[i]);
    free(recording->frames);
    for (size_t i = 0; i < recording->file_count; i++) {
        if (recording->files[i].fd >= 0) close(recording->files[i].fd);
        free(recording->files[i].path);
    }
    free(recording->files);
    free(recording);
}

struct store *recording_store(struct recording *recording) {
    return &recording->store;
}

size_t recording_segment_count(const struct recording *recording) { return recording->frame_count; }

void recording_segment_at(const struct recording *recording, size_t index, struct recording_segment *ret_segment) {
    const struct recording_header *header = &recording->frames[index]->header;
    *ret_segment = (struct recording_segment){.instance = header->instance,
                                              .number = header->number,
                                              .written_unix_ns = header->written_unix_ns,
                                              .min_ns = header->min_ns,
                                              .max_ns = header->max_ns,
                                              .events = header->events};
}

void recording_verify(struct recording *recording) {
    for (size_t i = 0; i < recording->frame_count; i++) (void)history_backed_verify(recording->store.history, (uint32_t)i);
}
