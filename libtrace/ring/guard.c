/* SPDX-License-Identifier: MIT
 *
 * The SIGBUS guard: see libtrace/guard.h.
 *
 * The handler calls mmap, which POSIX does not list as async-signal-safe; on Linux it is one system call and touches nothing
 * else. */
#include "holes.h"

#include <errno.h>
#include <libtrace/guard.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

struct guarded {
    uintptr_t base;
    size_t bytes;
    bool lost;
};

/* volatile: written by the thread, read by the handler on the same thread */
static __thread volatile struct guarded guarded __attribute__((tls_model("initial-exec")));
static struct sigaction before_us;

static void on_sigbus(int signal, siginfo_t *info, void *context) {
    uintptr_t address = (uintptr_t)info->si_addr;
    int saved_errno = errno;
    if (guarded.bytes != 0 && address - guarded.base < guarded.bytes &&
        mmap((void *)guarded.base, guarded.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
             -1, 0) != MAP_FAILED) {
        guarded.lost = true;
        errno = saved_errno;
        return;
    }
    errno = saved_errno;
    if (before_us.sa_flags & SA_SIGINFO) {
        before_us.sa_sigaction(signal, info, context);
    } else if (before_us.sa_handler != SIG_DFL && before_us.sa_handler != SIG_IGN) {
        before_us.sa_handler(signal);
    } else {
        sigaction(SIGBUS, &before_us, NULL); /* the access is repeated, and crashes as it would have without us */
    }
}

static int install_result;

static void install(void) {
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    holes_prepare();
    if (sigaction(SIGBUS, &action, &before_us) != 0) install_result = -errno;
}

int trace_guard_install(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    return install_result;
}

void trace_guard_begin(void *base, size_t bytes) {
    guarded.base = (uintptr_t)base;
    guarded.lost = false;
    guarded.bytes = bytes;
}

bool trace_guard_end(void) {
    guarded.bytes = 0;
    return guarded.lost;
}
