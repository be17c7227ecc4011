/* SPDX-License-Identifier: MIT
 *
 * liburcu's read locks and grace periods, made visible to ThreadSanitizer.
 *
 * liburcu is not instrumented, so the sanitizer sees no order between a reader's last access and what the writer does after the
 * grace period.  Every read-side section therefore ends with grace_read_unlock, and every wait is grace_wait.  Outside a
 * sanitizer's build they are the plain calls. */
#ifndef STORE_GRACE_H
#define STORE_GRACE_H

#include <urcu.h>

#if defined(__SANITIZE_THREAD__)
#define GRACE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GRACE_TSAN 1
#endif
#endif

#ifdef GRACE_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char grace__point; /* nodes.c */
#define GRACE_RELEASE_() __tsan_release(&grace__point)
#define GRACE_ACQUIRE_() __tsan_acquire(&grace__point)
#else
#define GRACE_RELEASE_() ((void)0)
#define GRACE_ACQUIRE_() ((void)0)
#endif

static inline void grace_read_lock(void) { rcu_read_lock(); }

static inline void grace_read_unlock(void) {
    GRACE_RELEASE_();
    rcu_read_unlock();
}

/* Waits until every reader that holds a read lock now has released it. */
static inline void grace_wait(void) {
    synchronize_rcu();
    GRACE_ACQUIRE_();
}

#endif
