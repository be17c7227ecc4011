/* SPDX-License-Identifier: MIT
 *
 * `traced --record DIR`: a thread of its own that writes sealed segments of the history into a directory, one file for each,
 * and removes the oldest.
 *
 * The history itself is the queue.  A segment that was evicted before it could be written (a slow disk) or that could not be
 * written (a full one) is dropped, counted and logged; live tracing never waits.  Files appear whole, under their names: they
 * are written as NAME.part. */
#ifndef TRACED_RECORDER_H
#define TRACED_RECORDER_H

#include "log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <store/store.h>

struct recorder;

struct recorder_config {
    const char *dir;     /* made, with mode 0700, if it is not there */
    uint64_t bytes_max;  /* of all recordings in the directory; 0: no limit */
    uint64_t age_max_ns; /* files that were written longer ago are removed; 0: none */
    uint64_t seal_ns;    /* write the open segment's events when they are so old; 0: when it is full, and at the end */
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

/* Memory that a recorder takes beside its thread's stack; of it, what it takes at the start. */
size_t recorder_bytes(void);
size_t recorder_bytes_at_start(void);

/* Starts the thread.  What config points to must outlive it.  Returns 0 or a negative errno: the directory cannot be made or
 * written to. */
int recorder_start(struct recorder **ret_recorder, const struct recorder_config *config);

/* The history has grown.  The appending thread, after an append; wait-free but for one system call a segment. */
void recorder_wake(struct recorder *recorder);

/* When nothing is appended any more: writes what is left, the open segment too, and joins the thread.  NULL is fine. */
void recorder_stop(struct recorder *recorder);

/* Any thread. */
void recorder_stats(const struct recorder *recorder, struct recorder_stats *ret_stats);

#endif
