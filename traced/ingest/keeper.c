/* SPDX-License-Identifier: MIT
 *
 * See keeper.h. */
#include "keeper.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <store/history_keep.h>
#include <store/keep.h>

struct keeper {
    struct keep *keep;
    sem_t due;
    _Atomic bool stop;
    pthread_t thread;
};

/* Ingest thread.  Two wake-ups are as good as one, so an overflow is harmless. */
static void wake(void *arg) {
    struct keeper *keeper = arg;
    (void)sem_post(&keeper->due);
}

static void *run(void *arg) {
    struct keeper *keeper = arg;
    store_enter_thread();
    for (;;) {
        while (sem_wait(&keeper->due) && errno == EINTR) continue;
        if (atomic_load(&keeper->stop)) return NULL;
        keep_judge(keeper->keep, &keeper->stop);
    }
}

/* Signals go to the loop. */
static int start_thread(struct keeper *keeper) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&keeper->thread, NULL, run, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error) pthread_setname_np(keeper->thread, "keeper");
    return -error;
}

int keeper_start(struct keeper **ret_keeper, struct store *store, const char *filter, struct trace_rpc_error *ret_error) {
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) return trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    if (sem_init(&keeper->due, 0, 0)) abort(); /* it fails only if the value is too large */
    int error = keep_create(&keeper->keep, store, filter, wake, keeper, ret_error);
    if (!error && start_thread(keeper)) error = trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "cannot start a thread");
    if (!error) {
        *ret_keeper = keeper;
        return 0;
    }
    keep_destroy(keeper->keep);
    sem_destroy(&keeper->due);
    free(keeper);
    return error;
}

void keeper_stop(struct keeper *keeper) {
    if (!keeper) return;
    atomic_store(&keeper->stop, true);
    wake(keeper);
    pthread_join(keeper->thread, NULL);
    keep_destroy(keeper->keep);
    sem_destroy(&keeper->due);
    free(keeper);
}

const char *keeper_filter(const struct keeper *keeper) { return keep_text(keeper->keep); }

size_t keeper_bytes(const struct store *store) {
    return history_keep_bytes(store->history) + history_keep_judge_bytes(store->history);
}

size_t keeper_bytes_at_start(const struct store *store) { return history_keep_bytes(store->history); }
