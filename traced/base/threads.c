/* SPDX-License-Identifier: MIT */
#include "threads.h"

#include <assert.h>
#include <pthread.h>

#define THREADS_MAX 32

/* Ends once all have started. */
static void *wait_for_all(void *arg) {
    pthread_mutex_t *starting = arg;
    pthread_mutex_lock(starting);
    pthread_mutex_unlock(starting);
    return NULL;
}

int threads_check(unsigned count) {
    pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[THREADS_MAX];
    unsigned started = 0;
    int error = 0;

    assert(count <= THREADS_MAX);
    pthread_mutex_lock(&starting);
    for (; started < count && !error; started += !error)
        error = -pthread_create(&threads[started], NULL, wait_for_all, &starting);
    pthread_mutex_unlock(&starting);
    for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
    return error;
}
