/* SPDX-License-Identifier: MIT
 *
 * See lanes.h. */
#include "lanes.h"
#include "traced_limits.h"

#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLICE_NS (LIMIT_LONG_SLICE_MS * UINT64_C(1000000))

void lanes_size_pool(void) {
    char threads[16];
    snprintf(threads, sizeof threads, "%d", LIMIT_SHORT_THREADS + LIMIT_LONG_THREADS);
    setenv("UV_THREADPOOL_SIZE", threads, 1);
}

void lanes_init(struct lanes *lanes, uv_loop_t *loop) {
    *lanes = (struct lanes){.loop = loop};
    lanes->ready_last = &lanes->ready;
    pthread_mutex_init(&lanes->lock, NULL);
    pthread_cond_init(&lanes->turn, NULL);
}

void lanes_fini(struct lanes *lanes) {
    pthread_cond_destroy(&lanes->turn);
    pthread_mutex_destroy(&lanes->lock);
}

/* ---- slices: the job's own thread ---------------------------------------------------------------------------------------- */

/* Lets as many waiting jobs run as may.  Under the lock. */
static void let_run(struct lanes *lanes) {
    while (lanes->ready && lanes->running < LIMIT_LONG_RUNNING) {
        struct job *job = lanes->ready;
        lanes->ready = job->next_ready;
        if (!lanes->ready) lanes->ready_last = &lanes->ready;
        job->may_run = true;
        lanes->running++;
    }
    pthread_cond_broadcast(&lanes->turn);
}

/* Queues after the others.  Under the lock. */
static void wait_for_slice(struct lanes *lanes, struct job *job) {
    job->may_run = false;
    job->next_ready = NULL;
    *lanes->ready_last = job;
    lanes->ready_last = &job->next_ready;
    let_run(lanes);
    while (!job->may_run) pthread_cond_wait(&lanes->turn, &lanes->lock);
    job->slice_ns = trace_now_monotonic_ns();
}

void lanes_pause(struct job *job) {
    struct lanes *lanes = job->lanes;
    if (!job->is_long || trace_now_monotonic_ns() - job->slice_ns < SLICE_NS) return;
    pthread_mutex_lock(&lanes->lock);
    if (lanes->ready) {
        lanes->running--;
        wait_for_slice(lanes, job);
    } else {
        job->slice_ns = trace_now_monotonic_ns();
    }
    pthread_mutex_unlock(&lanes->lock);
}

/* Answers have a lower priority than nodes, the ingest and the loop's thread. */
static void be_nice(void) {
    static _Thread_local bool is_nice;
    if (!is_nice) (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LIMIT_POOL_NICE);
    is_nice = true;
}

static void work(uv_work_t *request) {
    struct job *job = request->data;
    struct lanes *lanes = job->lanes;
    be_nice();
    if (job->is_long) {
        pthread_mutex_lock(&lanes->lock);
        wait_for_slice(lanes, job);
        pthread_mutex_unlock(&lanes->lock);
    }
    job->work(job);
    if (!job->is_long) return;
    pthread_mutex_lock(&lanes->lock);
    lanes->running--;
    let_run(lanes);
    pthread_mutex_unlock(&lanes->lock);
}

/* ---- who gets a thread: the loop's thread -------------------------------------------------------------------------------- */

static unsigned count_of(const struct job *list, int64_t client) {
    unsigned count = 0;
    for (; list; list = list->next) count += list->client == client;
    return count;
}

static void take_out(struct job **list, struct job *job) {
    while (*list != job) list = &(*list)->next;
    *list = job->next;
}

static void after_work(uv_work_t *request, int status);

static int to_pool(struct lanes *lanes, struct job *job) {
    job->request.data = job;
    int error = uv_queue_work(lanes->loop, &job->request, work, after_work);
    if (error || !job->is_long) return error;
    job->next = lanes->threaded;
    lanes->threaded = job;
    lanes->threads++;
    return 0;
}

/* The first job whose client has less than its share of the threads. */
static struct job *choose_job(const struct lanes *lanes) {
    for (struct job *job = lanes->waiting; job; job = job->next)
        if (count_of(lanes->threaded, job->client) < (LIMIT_LONG_THREADS + 1) / 2) return job;
    return NULL;
}

static void fill_threads(struct lanes *lanes) {
    for (struct job *job; lanes->threads < LIMIT_LONG_THREADS && (job = choose_job(lanes));) {
        take_out(&lanes->waiting, job);
        job->queued = false;
        if (to_pool(lanes, job)) job->done(job, false);
    }
}

static void after_work(uv_work_t *request, int status) {
    struct job *job = request->data;
    struct lanes *lanes = job->lanes;
    if (job->is_long) {
        take_out(&lanes->threaded, job);
        lanes->threads--;
        fill_threads(lanes);
    }
    job->done(job, status == 0);
}

int lanes_submit(struct lanes *lanes, struct job *job) {
    job->lanes = lanes;
    job->queued = false;
    if (!job->is_long) return to_pool(lanes, job);
    job->rank = count_of(lanes->threaded, job->client) + count_of(lanes->waiting, job->client);
    struct job **at = &lanes->waiting;
    while (*at && (*at)->rank <= job->rank) at = &(*at)->next;
    job->next = *at;
    *at = job;
    job->queued = true;
    fill_threads(lanes);
    return 0;
}

void lanes_cancel(struct job *job) {
    if (!job->queued) {
        uv_cancel((uv_req_t *)&job->request); /* if it has not begun */
        return;
    }
    take_out(&job->lanes->waiting, job);
    job->queued = false;
    job->done(job, false);
}
