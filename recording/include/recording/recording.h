/* SPDX-License-Identifier: MIT
 *
 * Reading recordings: files and directories of files become one history and one node table, which answer as live ones do.
 *
 * Opening reads the headers of the segments and the nodes, nothing else; blocks of a segment are read when a question needs
 * them, and checked then.  So damage shows up while questions are answered: ask recording_problem_count() again afterwards, or
 * look at all first (recording_verify).  What is whole is read.
 *
 * A recording is used by one thread at a time.  recording_open enters it (store_enter_thread); another must do so itself. */
#ifndef RECORDING_RECORDING_H
#define RECORDING_RECORDING_H

#include <stddef.h>
#include <stdint.h>
#include <store/store.h>

struct recording;

#define RECORDING_REASON_BYTES 512

/* Opens all of them as one: files, and directories, of which the files *.p2rec are meant.  A segment that is there twice is
 * read once. Nodes are united by log.  Returns 0; or a negative errno with a sentence in ret_reason: a path that is not there,
 * is no recording, is empty, or was written by a newer p2ptrace. */
int recording_open(struct recording **ret_recording, const char *const *paths, size_t path_count,
                   char ret_reason[RECORDING_REASON_BYTES]);
void recording_close(struct recording *recording);

/* What answers: a closed store, whose now is just behind its newest event.  Its instance is the same whenever the same segments
 * are read.  It belongs to the recording: nothing may be added to it, and it must not be destroyed. */
struct store *recording_store(struct recording *recording);

/* What could not be read, or is missing. */
struct recording_problem {
    const char *path;
    uint64_t offset; /* in the file */
    uint64_t events; /* that cannot be read because of it; 0: none, or it is not known how many */
    char text[120];  /* a sentence without its full stop, behind "PATH: at OFFSET: " */
};

/* The first problems are kept, RECORDING_PROBLEMS_MAX of them; the rest are only counted. */
#define RECORDING_PROBLEMS_MAX 256
size_t recording_problem_count(const struct recording *recording);
const struct recording_problem *recording_problem(const struct recording *recording, size_t index); /* NULL: not kept */

/* Events that cannot be read, as far as it is known. */
uint64_t recording_events_lost(const struct recording *recording);

/* Reads everything, so that all problems are known. */
void recording_verify(struct recording *recording);

#endif
