/* SPDX-License-Identifier: MIT
 *
 * Reading recordings: files and directories of files become one history and one node table, which answer as live ones do.
 *
 * Opening reads only the segments' headers and the nodes; a block of a segment is read and checked when a question needs it.  So
 * damage can show up while questions are answered: check recording_problem_count() again afterwards, or read everything first
 * (recording_verify).  Undamaged data is always read.
 *
 * One thread at a time may use a recording.  recording_open registers the calling thread (store_enter_thread); any other thread
 * must register itself. */
#ifndef RECORDING_RECORDING_H
#define RECORDING_RECORDING_H

#include <stddef.h>
#include <stdint.h>
#include <store/store.h>

struct recording;

#define RECORDING_REASON_BYTES 512

/* Opens files and directories (their *.p2rec files) as one recording.  Reads a segment that occurs twice once, an event that
 * several writers recorded once, and merges nodes by log.  Returns 0, or a negative errno with a sentence in ret_reason: a path
 * does not exist, is not a recording, is empty, or was written by a newer p2ptrace, or none of its events can be read. */
int recording_open(struct recording **ret_recording, const char *const *paths, size_t path_count,
                   char ret_reason[RECORDING_REASON_BYTES]);
void recording_close(struct recording *recording);

/* The store that answers questions.  It is closed; its `now` is just after its newest event.  The same segments always give the
 * same instance.  The recording owns it: do not add to it or destroy it. */
struct store *recording_store(struct recording *recording);

/* What the header of a segment says; segments are counted from 0, in the order of the store's history. */
struct recording_segment {
    uint64_t instance, number; /* of its writer, which counts its segments from 0 */
    uint64_t written_unix_ns;
    uint64_t min_ns, max_ns; /* least and greatest time of its events */
    uint32_t events;
};
size_t recording_segment_count(const struct recording *recording);
void recording_segment_at(const struct recording *recording, size_t index, struct recording_segment *ret_segment);

/* What could not be read, or is missing. */
struct recording_problem {
    const char *path;
    uint64_t offset; /* in the file */
    uint64_t events; /* events lost to it; 0: none, or unknown */
    char text[120];  /* what to print after "PATH: at OFFSET: ", without a full stop */
};

/* The first RECORDING_PROBLEMS_MAX problems are kept; the rest are only counted. */
#define RECORDING_PROBLEMS_MAX 256
size_t recording_problem_count(const struct recording *recording);
const struct recording_problem *recording_problem(const struct recording *recording, size_t index); /* NULL: not kept */

/* Events that can be read, as far as known. */
uint64_t recording_events(const struct recording *recording);

/* Events that cannot be read, as far as known; those of a segment that is there twice count, too. */
uint64_t recording_events_lost(const struct recording *recording);

/* Reads everything, to find all problems. */
void recording_verify(struct recording *recording);

#endif
