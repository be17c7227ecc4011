/* SPDX-License-Identifier: MIT
 *
 * Reading one slot of a ring: the reading half of the protocol in p2ptrace/shm.h, for traced's reader (reader.c) and for a
 * process's queries of its own ring (query_scan.c).
 *
 * A slot's word says where its writer is, compared with the mark of the position that we want:
 *
 *      the same                      committed: copy, check the mark again, take
 *      older, or the same and BUSY   nothing here yet; or, if head is beyond it, a slot that its writer has left unfinished
 *      newer                         the writer is a lap ahead: this event is overwritten
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

/* Copies the bytes of a slot that may change while we read.  If they do, the copy is thrown away, so any copy will do.  Under the
 * thread sanitizer it uses atomic words, to say that this race is intended. */
static inline void slot_copy(struct trace_event *out, const struct trace_event *slot) {
#ifdef THREAD_SANITIZER
    const uint64_t *from = (const uint64_t *)slot;
    uint64_t *to = (uint64_t *)out;
    for (unsigned i = 0; i < TRACE_EVENT_BYTES / 8; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED); /* relaxed: read:A orders them */
#else
    memcpy(out, slot, sizeof *out);
#endif
}

static inline void slot_fence(void) {
#ifndef THREAD_SANITIZER /* it does not know fences, and reports what they order */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* Is this an event that a node may write? */
static inline bool slot_is_valid(const struct trace_event *event) {
    return event->kind != 0 && event->kind != TRACE_KIND_EVENTS_LOST && event->reserved == 0;
}

/* The state of a slot whose mark is not the one that we want. */
static inline enum slot_state slot_classify(uint32_t mark, uint32_t want) {
    uint32_t ahead = (mark - want) & TRACE_SEQUENCE_MASK;
    if (ahead == 0 || mark == 0) return SLOT_NOT_YET;
    return ahead <= TRACE_SEQUENCE_MASK / 2 ? SLOT_LAPPED : SLOT_NOT_YET;
}

/* Is the event there?  Looks only at the mark: the caller's decision must not depend on the slot's bytes. */
static inline bool slot_is_committed(const struct trace_event *slot, uint64_t position) {
    return __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == trace_shm_mark(position); /* relaxed: slot_read checks again */
}

/* Copies the event at `position` out of its slot.  Only if the result is SLOT_TAKEN, `out` is a complete event of this
 * position, with timestamp in ticks and the low 32 bits of the position in sequence.  SLOT_INVALID: committed, but not an event
 * that a node may write. */
static inline enum slot_state slot_read(const struct trace_event *slot, uint64_t position, struct trace_event *out) {
    uint32_t want = trace_shm_mark(position);
    /* read:A  Pairs with commit:R: whoever sees the mark sees the slot's bytes. */
    uint32_t mark = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
    if (mark != want) return slot_classify(mark, want);
    slot_copy(out, slot);
    /* read:B  Pairs with commit:B: if any byte of the copy was new, the load below sees the busy mark, or a later one. */
    slot_fence();
    if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != want) return SLOT_LAPPED; /* relaxed: the fence orders it */
    out->sequence = (uint32_t)position;
    return slot_is_valid(out) ? SLOT_TAKEN : SLOT_INVALID;
}

#endif
