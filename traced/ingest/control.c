/* SPDX-License-Identifier: MIT
 *
 * The box between requests for control and the ingest thread: see control.h. */
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* On the stack of the requesting thread. */
struct request {
    const struct control_change *change;
    struct control_result *result;
    struct request *next;
    bool done;
    int error;
};

struct control {
    int fd;               /* counts requests, to wake the ingest thread */
    _Atomic bool waiting; /* a hint, so that a pass need not take the lock */
    pthread_mutex_t lock; /* of the following */
    pthread_cond_t answered;
    struct request *first, **last;
    bool closed;
};

int control_create(struct control **ret_control) {
    struct control *control = calloc(1, sizeof *control);
    if (!control) return -ENOMEM;
    control->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->fd < 0) {
        int error = -errno;
        free(control);
        return error;
    }
    pthread_mutex_init(&control->lock, NULL);
    pthread_cond_init(&control->answered, NULL);
    control->last = &control->first;
    *ret_control = control;
    return 0;
}

void control_destroy(struct control *control) {
    if (!control) return;
    pthread_cond_destroy(&control->answered);
    pthread_mutex_destroy(&control->lock);
    close(control->fd);
    free(control);
}

int control_fd(const struct control *control) { return control->fd; }

int control_ask(struct control *control, const struct control_change *change, struct control_result *result) {
    struct request request = {.change = change, .result = result, .error = -ESHUTDOWN};
    pthread_mutex_lock(&control->lock);
    if (!control->closed) {
        *control->last = &request;
        control->last = &request.next;
        /* relaxed: the lock orders the request, and the descriptor wakes the thread if it missed the hint */
        atomic_store_explicit(&control->waiting, true, memory_order_relaxed);
        (void)eventfd_write(control->fd, 1);
        while (!request.done) pthread_cond_wait(&control->answered, &control->lock);
    }
    pthread_mutex_unlock(&control->lock);
    return request.error;
}

/* Takes all waiting requests; the lock is held. */
static struct request *take_all(struct control *control) {
    struct request *first = control->first;
    control->first = NULL;
    control->last = &control->first;
    atomic_store_explicit(&control->waiting, false, memory_order_relaxed); /* relaxed: as in control_ask */
    return first;
}

/* Releases the waiting threads; the lock is held.  Once done, a request belongs to its thread again. */
static void answer_all(struct control *control, struct request *first, int error) {
    for (struct request *request = first, *next; request; request = next) {
        next = request->next;
        request->error = error;
        request->done = true;
    }
    pthread_cond_broadcast(&control->answered);
}

void control_serve(struct control *control,
                   void (*carry_out)(void *arg, const struct control_change *change, struct control_result *result), void *arg) {
    struct request *first;
    eventfd_t count;
    if (!atomic_load_explicit(&control->waiting, memory_order_relaxed)) return; /* relaxed: as in control_ask */
    pthread_mutex_lock(&control->lock);
    first = take_all(control);
    (void)eventfd_read(control->fd, &count);
    pthread_mutex_unlock(&control->lock);
    for (struct request *request = first; request; request = request->next) carry_out(arg, request->change, request->result);
    pthread_mutex_lock(&control->lock);
    answer_all(control, first, 0);
    pthread_mutex_unlock(&control->lock);
}

void control_close(struct control *control) {
    pthread_mutex_lock(&control->lock);
    control->closed = true;
    answer_all(control, take_all(control), -ESHUTDOWN);
    pthread_mutex_unlock(&control->lock);
}

/* ---- pure ---------------------------------------------------------------------------------------------------------------- */

uint64_t control_apply(const struct control_change *change, uint64_t word, uint64_t opened) {
    if (change->reset) word = opened;
    if (change->has_kinds) word = (word & ~(uint64_t)UINT32_MAX) | change->kinds;
    if (change->has_sample) word = (word & UINT32_MAX) | (uint64_t)change->threshold << 32;
    return word;
}
