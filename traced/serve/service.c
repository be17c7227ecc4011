/* SPDX-License-Identifier: MIT
 *
 * See service.h. */
#include "service.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <urcu.h>

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

/* libuv's pool threads have no end that we could hook, but a thread's keys are destroyed by the thread itself. */
static void leave(void *registered) {
    (void)registered;
    rcu_unregister_thread();
}

static void make_key(void) {
    if (pthread_key_create(&key, leave)) abort(); /* at most once, at start: the process is out of the most basic things */
}

void service_enter_thread(void) {
    pthread_once(&key_once, make_key);
    if (pthread_getspecific(key)) return;
    rcu_register_thread();
    if (pthread_setspecific(key, &key)) abort();
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t service_unix_ns(void) { return clock_ns(CLOCK_REALTIME); }
uint64_t service_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
