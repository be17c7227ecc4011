/* SPDX-License-Identifier: MIT
 *
 * Two lanes to the pool of threads: one for short jobs, one for those that may take long.
 *
 * The pool has LIMIT_SHORT_THREADS + LIMIT_LONG_THREADS threads (lanes_size_pool).  Long jobs never take more than the latter, so
 * that a short job finds a thread or waits only for other short ones.
 *
 * Long jobs are fair by client: a client's first job comes before any other's second, and no client has more than half of the
 * threads.  Of those that have a thread, LIMIT_LONG_RUNNING run at a time.  Each yields to the next after LIMIT_LONG_SLICE_MS
 * (lanes_pause), so that a job of minutes does not delay one of milliseconds.
 *
 * All of it is for the loop's thread, except lanes_pause, which the job calls. */
#ifndef TRACED_LANES_H
#define TRACED_LANES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct lanes;

struct job {
    /* Set by the caller. */
    void (*work)(struct job *job); /* on a thread of the pool */
    void (*done)(struct job *job,
                 bool ran); /* on the loop's thread, always; ran is false when it was cancelled before it began */
    int64_t client;         /* its client (credentials_client) */
    bool is_long;
    /* Private to lanes.c. */
    struct lanes *lanes;
    uv_work_t request;
    struct job *next;
    unsigned rank; /* jobs of the same client that were ahead of it when it arrived */
    bool queued;
    uint64_t slice_ns;      /* when its slice began */
    struct job *next_ready; /* in the queue of those that yielded */
    bool may_run;
};

struct lanes {
    uv_loop_t *loop;
    struct job *waiting;  /* long ones without a thread, by rank */
    struct job *threaded; /* long ones that have a thread */
    unsigned threads;     /* how many */
    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t turn;
    unsigned running;
    struct job *ready, **ready_last; /* have a thread and wait for their slice */
};

/* Sets the number of the pool's threads.  Before the pool's first use. */
void lanes_size_pool(void);

void lanes_init(struct lanes *lanes, uv_loop_t *loop);
void lanes_fini(struct lanes *lanes);

/* Has job->work called on the pool, now or later, and then job->done.  Returns 0, or a negative errno: then neither is called. */
int lanes_submit(struct lanes *lanes, struct job *job);

/* Cancels a job.  If it has not begun, it never runs.  job->done is called later, or from here if the job was not on the pool
 * yet. */
void lanes_cancel(struct job *job);

/* From the job's own thread, which must hold no lock that others need: yields if its slice is over and another job waits. */
void lanes_pause(struct job *job);

#endif
