/* SPDX-License-Identifier: MIT
 *
 * One slot of a ring, read: the reading half of the protocol in p2ptrace/shm.h, for traced's reader (reader.c) and for a process's
 * queries of its own ring (query_scan.c).
 *
 * A slot's word tells where its writer is, compared with the mark of the position that we want:
 *
 *      the same                      committed: copy, look again, take
 *      older, or the same and BUSY   nothing here yet; or, with a head beyond it, a slot that its writer has left in the making
 *      newer                         the writer is a lap ahead: this event is gone
 *
 * Nothing here waits or writes. */
#ifndef LIBTRACE_SLOT_H
#define LIBTRACE_SLOT_H

#include <p2ptrace/shm.h>
#include <stdbool.h>
#include <string.h>

enum slot_state { SLOT_TAKEN, SLOT_NOT_YET, SLOT_LAPPED, SLOT_INVALID };

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

/* Copies the bytes of a slot that may change while we read.  What is read then is thrown away, so any copy will do; under the
 * thread sanitizer it is made of atomic words, to say that this race is meant. */
static inline void slot_copy(struct trace_event *out, const struct trace_event *slot) {
#ifdef THREAD_SANITIZER
    const uint64_t *from = (const uint64_t *)slot;
    uint64_t *to = (uint64_t *)out;
    for (unsigned i = 0; i < TRACE_EVENT_BYTES / 8; i++) to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
#else
    memcpy(out, slot, sizeof *out);
#endif
}

static inline void slot_fence(void) {
#ifndef THREAD_SANITIZER /* it does not know fences, and reports what they order */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* Kinds that a node may write. */
static inline bool slot_is_valid(const struct trace_event *event) {
    return event->kind != 0 && event->kind != TRACE_KIND_EVENTS_LOST && event->reserved == 0;
}

/* What a slot says whose mark is not the one that we want. */
static inline enum slot_state slot_classify(uint32_t mark, uint32_t want) {
    uint32_t ahead = (mark - want) & TRACE_SEQUENCE_MASK;
    if (ahead == 0 || mark == 0) return SLOT_NOT_YET;
    return ahead <= TRACE_SEQUENCE_MASK / 2 ? SLOT_LAPPED : SLOT_NOT_YET;
}

/* Is the event there?  A look at the mark alone: what is done about it must not hang on the slot's bytes. */
static inline bool slot_is_committed(const struct trace_event *slot, uint64_t position) {
    return __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == trace_shm_mark(position); /* relaxed: slot_read looks again */
}

/* Copies the event at `position` out of its slot.  Only when the result is SLOT_TAKEN is `out` an event: whole, of this position,
 * timestamp in ticks, sequence the low 32 bits of the position.  SLOT_INVALID: committed, and nothing that a node may write. */
static inline enum slot_state slot_read(const struct trace_event *slot, uint64_t position, struct trace_event *out) {
    uint32_t want = trace_shm_mark(position);
    /* read:A  Pairs with commit:R: with the mark come the slot's bytes. */
    uint32_t mark = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
    if (mark != want) return slot_classify(mark, want);
    slot_copy(out, slot);
    /* read:B  Pairs with commit:B: had a byte of the copy been new, this would see the busy mark. */
    slot_fence();
    if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != want) return SLOT_LAPPED; /* relaxed: the fence orders it */
    out->sequence = (uint32_t)position;
    return slot_is_valid(out) ? SLOT_TAKEN : SLOT_INVALID;
}

#endif
