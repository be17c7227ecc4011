/* SPDX-License-Identifier: MIT
 *
 * `traced --record DIR`: a thread that writes sealed segments of the history into a directory, one file each, and removes the
 * oldest files.
 *
 * The history itself is the queue.  A segment that was evicted before it was written (a slow disk) or could not be written (a
 * full one) is dropped, counted and logged; live tracing never waits.  Files get their names when complete; until then they are
 * called NAME.part. */
#ifndef TRACED_RECORDER_H
#define TRACED_RECORDER_H

#include "log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <store/store.h>

struct recorder;

struct recorder_config {
    const char *dir;     /* created with mode 0700 if missing */
    uint64_t bytes_max;  /* of all recordings in the directory; 0: no limit */
    uint64_t age_max_ns; /* files written longer ago are removed; 0: no limit */
    uint64_t seal_ns;    /* write the open segment's events at this age; 0: when it is full, and at the end */
    bool compress;       /* what is older than the newest RECORDER_PLAIN_FILES */
    const struct store *store;
    /* One line for the log, on the recorder's thread. */
    void (*say)(void *arg, enum log_level level, const char *line);
    void *arg;
};

#define RECORDER_PLAIN_FILES 4

struct recorder_stats {
    uint64_t segments, events, bytes; /* written */
    uint64_t dropped_segments, dropped_events;
    uint64_t removed_files;
};

/* A recorder's memory besides its thread's stack; and the part allocated at the start. */
size_t recorder_bytes(void);
size_t recorder_bytes_at_start(void);

/* Starts the thread.  What config points to must outlive it.  Returns 0 or a negative errno: the directory cannot be created or
 * written to. */
int recorder_start(struct recorder **ret_recorder, const struct recorder_config *config);

/* The history has grown.  Called by the appending thread after an append; wait-free except for one system call per segment. */
void recorder_wake(struct recorder *recorder);

/* Call it when nothing more is appended: writes the rest, including the open segment, and joins the thread.  NULL is fine. */
void recorder_stop(struct recorder *recorder);

/* Any thread. */
void recorder_stats(const struct recorder *recorder, struct recorder_stats *ret_stats);

#endif
