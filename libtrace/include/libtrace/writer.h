/* SPDX-License-Identifier: MIT
 *
 * A thread's path to its lane: what the fast emit path (emit.c) and the slow paths to a slot (thread.c) share.
 *
 * Invariants
 *   - A lane has one writing thread, but signal handlers of that thread may interrupt an emit and emit themselves.  So one
 *     instruction reserves a position, and a slot that is still being written is never taken.
 *   - No two open logs share an entry of a thread's table, so a signal handler that emits to another log never changes the
 *     entry that we are using. */
#ifndef LIBTRACE_WRITER_H
#define LIBTRACE_WRITER_H

#include <p2ptrace/emit.h>

/* A thread's access to its lane of one log. */
struct trace__writer {
    uint64_t serial; /* of the log; 0: none */
    struct trace_shm_lane *lane;
    struct trace_event *slots;
    uint32_t slot_mask;
    uint8_t slow; /* any of the next three is set: trace__claim_slow reserves the slot and reads the clock */
    uint8_t shared;
    uint8_t discards;
    uint8_t monotonic;
};

/* The state from which a thread draws ids: see context.c. */
struct trace__ids {
    uint64_t counter;
    uint64_t seed[2];
    uint64_t fork_count; /* the process generation in which it was seeded; 0: not seeded */
};

/* A thread's block, in memory that the thread maps with its first event (thread.c).
 *
 * writers: one entry for each of the process's first logs.  Further logs have theirs in tables that are made when needed: level
 * l has the TRACE__WRITERS << l indices from TRACE__WRITERS << l on.  A table stays where it is until the thread ends, because
 * a signal handler may interrupt a read of an entry.  In writers[] all further logs have the last entry, which stays empty. */
#define TRACE__WRITERS 32
#define TRACE__WRITER_LEVELS 7
struct trace__thread {
    struct trace__writer writers[TRACE__WRITERS + 1];
    struct trace__writer *more_writers[TRACE__WRITER_LEVELS];
    struct trace__ids ids;
    uint32_t thread_id; /* 0: not known yet */
};

/* Never NULL: a thread without a block points to an empty one that is never written. */
extern __thread struct trace__thread *trace__thread __attribute__((tls_model("initial-exec")));

/* A slot's fourth 64-bit word: its mark and what follows it, so that one store writes it all. */
struct trace__stamp {
    uint32_t mark;
    uint16_t kind;
    uint8_t flags, reserved;
};
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, sequence) == 24 && sizeof(struct trace__stamp) == 8, "one aligned word");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, kind) - 24 == offsetof(struct trace__stamp, kind), "the same order");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, flags) - 24 == offsetof(struct trace__stamp, flags), "the same order");

/* Finds the thread's lane, or takes one if it has none, and then reserves, marks and time-stamps a slot.  stamp: without its
 * mark. */
struct trace__slot trace__claim_slow(struct trace_log *log, struct trace__stamp stamp);

/* Counts an event that is dropped because its slot is still being written. */
void trace__contended(const struct trace__writer *writer);

/* Takes the next position of a lane that only this thread writes.  One instruction, hence atomic with respect to this thread's
 * own signal handlers; not locked, because no other thread writes this word. */
static inline uint64_t trace__reserve(uint64_t *head) {
#if defined(__x86_64__)
    uint64_t position = 1;
    __asm__ volatile("xaddq %0, %1" : "+r"(position), "+m"(*head) : : "cc");
    return position;
#else
    return __atomic_fetch_add(head, 1, __ATOMIC_RELAXED); /* relaxed: the slot's mark publishes, not the head */
#endif
}

/* Prefetches the cache lines of an event for writing, so that a reader that holds them gives them back before they are needed.
 * An explicit instruction, because __builtin_prefetch compiles to a read prefetch on plain x86-64. */
static inline void trace__prefetch(const struct trace_event *event) {
#if defined(__x86_64__)
    const char *line = (const char *)event;
    __asm__ volatile("prefetchw %0" : : "m"(line[0]));
    __asm__ volatile("prefetchw %0" : : "m"(line[64]));
#else
    __builtin_prefetch(event, 1);
    __builtin_prefetch((const char *)event + 64, 1);
#endif
}
#define TRACE__PREFETCH_AHEAD 16

/* commit:B  Marks the slot busy, before any of its other bytes change.  Pairs with read:B.
 * Without it a reader that copies while we write sees the old mark before and after, and takes a mixture of two events. */
static inline void trace__mark_busy(struct trace_event *event, struct trace__stamp stamp) {
    typedef uint64_t __attribute__((may_alias)) word;
    uint64_t value;
    stamp.mark |= TRACE_SEQUENCE_BUSY;
    memcpy(&value, &stamp, sizeof value);
    __atomic_store_n((word *)&event->sequence, value, __ATOMIC_RELAXED); /* relaxed: the fence orders it */
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

#endif
