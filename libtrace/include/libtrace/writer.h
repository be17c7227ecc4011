/* SPDX-License-Identifier: MIT
 *
 * A thread's way to its lane: what the emit path (emit.c) and the slow ways to a slot (thread.c) share.
 *
 * Invariants
 *   - A lane has one writing thread, but signal handlers of that thread may interrupt an emit and emit themselves.  So a
 *     position is reserved by one instruction, and a slot that is still in the making is never taken.
 *   - No two open logs have the same entry of a thread's table, so that a signal handler which emits to another log never
 *     changes the one that we are using. */
#ifndef LIBTRACE_WRITER_H
#define LIBTRACE_WRITER_H

#include <p2ptrace/emit.h>

/* A thread's access to its lane of one log. */
struct trace__writer {
    uint64_t serial; /* the log's; 0: none */
    struct trace_shm_lane *lane;
    struct trace_event *slots;
    uint32_t slot_mask;
    uint8_t slow; /* any of the next: trace__claim_slow reserves, and reads the clock */
    uint8_t shared;
    uint8_t discards;
    uint8_t monotonic;
};

/* Where a thread draws ids: see context.c. */
struct trace__ids {
    uint64_t counter;
    uint64_t seed[2];
    uint64_t fork_count; /* the process generation it was seeded in; 0: not seeded */
};

/* What a thread has, in memory that it maps with its first event (thread.c).
 *
 * writers: of the process's first logs, one entry for each.  Those of more logs stand in tables that are made when they are needed: level l
 * has the TRACE__WRITERS << l indices from TRACE__WRITERS << l on, and stays where it is until the thread ends, for a signal handler
 * may come while an entry is read.  Here such a log has the last entry, which stays empty. */
#define TRACE__WRITERS 32
#define TRACE__WRITER_LEVELS 7
struct trace__thread {
    struct trace__writer writers[TRACE__WRITERS + 1];
    struct trace__writer *more_writers[TRACE__WRITER_LEVELS];
    struct trace__ids ids;
    uint32_t thread_id; /* 0: not asked yet */
};

/* Never NULL: a thread without a block has one that is empty, and that nobody writes. */
extern __thread struct trace__thread *trace__thread __attribute__((tls_model("initial-exec")));

/* A slot's third word: its mark, and what stands behind it, so that one store writes all. */
struct trace__stamp {
    uint32_t mark;
    uint16_t kind;
    uint8_t flags, reserved;
};
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, sequence) == 24 && sizeof(struct trace__stamp) == 8, "one aligned word");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, kind) - 24 == offsetof(struct trace__stamp, kind), "the same order");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, flags) - 24 == offsetof(struct trace__stamp, flags), "the same order");

/* Finds the thread's lane, takes one if it has none, and then reserves, marks and time-stamps a slot.  stamp: without its mark. */
struct trace__slot trace__claim_slow(struct trace_log *log, struct trace__stamp stamp);

/* Counts an event whose slot was still in the making. */
void trace__contended(const struct trace__writer *writer);

/* Takes the next position of a lane that only this thread writes.  One instruction, hence atomic towards this thread's own
 * signal handlers; not locked, for no other thread writes this word. */
static inline uint64_t trace__reserve(uint64_t *head) {
#if defined(__x86_64__)
    uint64_t position = 1;
    __asm__ volatile("xaddq %0, %1" : "+r"(position), "+m"(*head) : : "cc");
    return position;
#else
    return __atomic_fetch_add(head, 1, __ATOMIC_RELAXED); /* relaxed: the slot's mark publishes, not the head */
#endif
}

/* Asks for the lines of an event, for writing, so that a reader that has them gives them back before they are needed.
 * An instruction, because __builtin_prefetch becomes a read prefetch on plain x86-64. */
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

/* commit:B  Marks the slot as in the making, before any of its other bytes change.  Pairs with read:B.
 * Without it a reader that copies while we write sees its old mark before and after, and takes a mixture of two events. */
static inline void trace__mark_busy(struct trace_event *event, struct trace__stamp stamp) {
    typedef uint64_t __attribute__((may_alias)) word;
    uint64_t value;
    stamp.mark |= TRACE_SEQUENCE_BUSY;
    memcpy(&value, &stamp, sizeof value);
    __atomic_store_n((word *)&event->sequence, value, __ATOMIC_RELAXED); /* relaxed: the fence orders it */
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

#endif
