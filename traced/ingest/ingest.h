/* SPDX-License-Identifier: MIT
 *
 * The ingest thread: finds rings, drains them in batches, checks, time-stamps and appends to the history.
 *
 * It owns every reader (libtrace/reader.h), the clock, the node table's writing side and the history's.  The others see its work
 * only through nodes.h, history.h and the counters here. */
#ifndef TRACED_INGEST_H
#define TRACED_INGEST_H

#include "control.h"
#include "log.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <store/history.h>
#include <store/nodes.h>

struct ingest;

struct ingest_config {
    const char *shm_dir; /* "/dev/shm" */
    uint32_t uid;        /* whose rings to take */
    bool read_only;      /* change nothing in them and remove none: another traced drains them */
    struct history *history;
    struct nodes *nodes;
    struct control *control; /* requests for run-time control; NULL: none */
    /* Called on the ingest thread after events became visible, or a node's state changed; must not block (uv_async_send). */
    void (*wake)(void *arg);
    /* One line for the log: a node appeared, ended, or was rejected; a clock step.  Called on the ingest thread. */
    void (*say)(void *arg, enum log_level level, const char *line);
    void *arg;
};

struct ingest_stats {
    uint64_t events, batches, unknown_kinds;
    uint64_t nodes_attached, nodes_rejected; /* ever */
    uint64_t rejected[16];                   /* by enum trace_attach_fault */
    uint64_t nodes_left_out;                 /* objects without room */
    uint64_t lost[TRACE_LOSS_COUNT];
    uint64_t clock_steps;
    double clock_hz; /* of the time-stamp counter; 0 where it is not used */
};

/* Starts the thread.  Everything in config must outlive it.  Returns 0 or a negative errno. */
int ingest_start(struct ingest **ret_ingest, const struct ingest_config *config);

/* Drains once more and joins the thread.  Rings stay where they are. */
void ingest_stop(struct ingest *ingest);

/* Is a node's ring filling up, or was it a moment ago, so that events may be lost if the ingest gets less of the processor?  Any
 * thread; wait-free.  While it is so, each pass wakes, and so does the one that ends it. */
bool ingest_is_behind(const struct ingest *ingest);

/* Any thread; wait-free. */
void ingest_stats(const struct ingest *ingest, struct ingest_stats *ret_stats);

#endif
