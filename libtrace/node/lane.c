/* SPDX-License-Identifier: MIT
 *
 * Lanes on the writing side: how they are made, taken and returned.  See lane.h; thread.c has what a thread keeps of its lanes.
 *
 * A signal handler that interrupted an emit may enter all of this, so nothing here takes a lock. */
#include "lane.h"

#include "dead_rings.h"
#include "object.h"
#include "open_logs.h"

#include <errno.h>
#include <libtrace/clock.h>
#include <sched.h>
#include <unistd.h>

static size_t lane_bytes(const struct log *log) { return (size_t)log->lane_events * TRACE_EVENT_BYTES; }

/* lane:R  Publishes a lane.  Pairs with lane:A.  Without it a reader touches slots whose memory is not reserved. */
static void publish_lane(struct trace_shm_lane *lane, uint32_t state, uint32_t thread_id) {
    uint32_t owner = state == TRACE_LANE_OWNED ? thread_id : 0;
    __atomic_store_n(&lane->thread_id, owner, __ATOMIC_RELAXED); /* relaxed: state publishes it */
    __atomic_store_n(&lane->state, state, __ATOMIC_RELEASE);
}

/* Takes a lane that another thread returned, which costs no memory.  -ENOENT: there is none. */
static int take_returned_lane(struct log *log, uint32_t thread_id) {
    for (unsigned i = 0; i + 1 < log->lane_count; i++) {
        struct trace_shm_lane *lane = &log->header->lanes[i];
        uint32_t expected = TRACE_LANE_RETURNED;
        if (__atomic_load_n(&lane->state, __ATOMIC_RELAXED) != expected) continue; /* relaxed: the exchange looks again */
        /* acquire: what the last owner wrote to the lane; pairs with its publish_lane */
        if (__atomic_compare_exchange_n(&lane->state, &expected, TRACE_LANE_MAKING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            publish_lane(lane, TRACE_LANE_OWNED, thread_id);
            return (int)i;
        }
    }
    return -ENOENT;
}

/* The first of the lanes from ... to - 1 that has never been used; -EBUSY: there is none. */
static int find_free_lane(const struct log *log, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) /* relaxed: the exchange looks again */
        if (__atomic_load_n(&log->header->lanes[i].state, __ATOMIC_RELAXED) == TRACE_LANE_FREE) return (int)i;
    return -EBUSY;
}

/* Gives memory to a lane that has never been used: the last one for all threads to share, any other for this thread.  -EBUSY:
 * another thread was faster. */
static int make_lane(struct log *log, unsigned index, uint32_t thread_id) {
    struct trace_shm_lane *lane = &log->header->lanes[index];
    size_t bytes = lane_bytes(log), offset = TRACE_SHM_LANES_OFFSET + index * bytes;
    uint32_t expected = TRACE_LANE_FREE, state = index + 1 < log->lane_count ? TRACE_LANE_OWNED : TRACE_LANE_SHARED;
    if (!__atomic_compare_exchange_n(&lane->state, &expected, TRACE_LANE_MAKING, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return -EBUSY; /* relaxed: nothing is read that another thread wrote */
    int result = object__reserve(log, offset, bytes);
    if (result != 0) object__release(log, offset, bytes);
    publish_lane(lane, result == 0 ? state : TRACE_LANE_FREE, thread_id);
    return result;
}

/* ---- a shortage ------------------------------------------------------------------------------------------------------------
 *
 * Finding out that there is no memory for a lane can take milliseconds: the kernel hands out page after page until there are no
 * more, and then takes them back.  So after a failure no thread of the log tries again for a second.  Then one thread asks the
 * filesystem whether it has room now, which takes a microsecond.  Costlier attempts come after 1 s, 2 s, 4 s, ... up to 17
 * minutes: removing the rings of dead nodes, and trying again when the kernel refused although the filesystem had room (a
 * memory cgroup).  A lane that a thread returns, or that all can share, ends the wait.
 *
 * Every access is relaxed: these words decide only how soon a thread tries. */

#define RETRY_NS UINT64_C(1000000000)
#define HARD_WAIT_NS_MAX (1024 * RETRY_NS)

static uint64_t load_relaxed(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static void store_relaxed(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }

bool log__lanes_are_short(const struct log *log) {
    uint64_t retry_ns = load_relaxed(&log->shortage.retry_ns);
    return retry_ns != 0 && trace__monotonic_ns() < retry_ns;
}

/* May this thread try?  After a failure only one thread at a time may. */
static bool may_try(struct lane_shortage *shortage, uint64_t now_ns) {
    uint64_t retry_ns = load_relaxed(&shortage->retry_ns);
    if (retry_ns == 0) return true;
    return now_ns >= retry_ns &&
           __atomic_compare_exchange_n(&shortage->retry_ns, &retry_ns, now_ns + RETRY_NS, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* May it make a costly attempt?  If so, the wait for the next one doubles. */
static bool may_try_hard(struct lane_shortage *shortage, uint64_t now_ns) {
    uint64_t wait_ns = load_relaxed(&shortage->hard_wait_ns);
    if (now_ns < load_relaxed(&shortage->hard_ns)) return false;
    if (wait_ns == 0) wait_ns = RETRY_NS;
    store_relaxed(&shortage->hard_ns, now_ns + wait_ns);
    if (wait_ns < HARD_WAIT_NS_MAX) store_relaxed(&shortage->hard_wait_ns, 2 * wait_ns);
    return true;
}

static void end_shortage(struct lane_shortage *shortage) {
    if (load_relaxed(&shortage->retry_ns) == 0) return;
    store_relaxed(&shortage->retry_ns, 0);
    store_relaxed(&shortage->hard_ns, 0);
    store_relaxed(&shortage->hard_wait_ns, 0);
    store_relaxed(&shortage->refused, 0);
}

/* Makes one of the lanes from ... to - 1.  -EBUSY: all of them are taken; -EAGAIN: not now. */
static int make_one_of(struct log *log, unsigned from, unsigned to, uint32_t thread_id) {
    struct lane_shortage *shortage = &log->shortage;
    uint64_t now_ns = trace__monotonic_ns();
    int index = find_free_lane(log, from, to), result = -ENOSPC;
    if (index < 0) return index;
    if (!may_try(shortage, now_ns)) return -EAGAIN;
    bool room = object__has_room(log, lane_bytes(log));
    bool hard = (!room || load_relaxed(&shortage->refused)) && may_try_hard(shortage, now_ns);
    if (!room && hard && log__clear_dead(log->dir) > 0) room = object__has_room(log, lane_bytes(log));
    if (room && (hard || !load_relaxed(&shortage->refused))) {
        do result = make_lane(log, (unsigned)index, thread_id);
        while (result == -EBUSY && (index = find_free_lane(log, from, to)) >= 0);
        if (result == 0) end_shortage(shortage);
        if (result == 0 || result == -EBUSY) return result == 0 ? index : result;
        store_relaxed(&shortage->refused, 1);
        (void)may_try_hard(shortage, now_ns);
    }
    store_relaxed(&shortage->retry_ns, now_ns + RETRY_NS);
    return result;
}

/* ---- finding, taking and returning --------------------------------------------------------------------------------------- */

static bool is_lane_of(const struct trace_shm_lane *lane, uint32_t thread_id) {
    /* relaxed: if it is ours, we stored both ourselves */
    return __atomic_load_n(&lane->state, __ATOMIC_RELAXED) == TRACE_LANE_OWNED &&
           __atomic_load_n(&lane->thread_id, __ATOMIC_RELAXED) == thread_id;
}

int log__lane_find(const struct log *log, uint32_t thread_id) {
    for (unsigned i = 0; i + 1 < log->lane_count; i++)
        if (is_lane_of(&log->header->lanes[i], thread_id)) return (int)i;
    return -ENOENT;
}

int log__lane_take(struct log *log, uint32_t thread_id) {
    unsigned last = log->lane_count - 1;
    struct trace_shm_lane *shared = &log->header->lanes[last];
    if (getpid() != log->pid) return -ECHILD;
    int result = take_returned_lane(log, thread_id);
    if (result < 0) result = make_one_of(log, 0, last, thread_id);
    if (result >= 0) return result;
    for (;;) {
        uint32_t state = __atomic_load_n(&shared->state, __ATOMIC_ACQUIRE); /* acquire: pairs with publish_lane */
        if (state == TRACE_LANE_SHARED) return (int)last;
        if (state == TRACE_LANE_FREE && result != -EBUSY) return result;
        if (state == TRACE_LANE_FREE && (result = make_one_of(log, last, last + 1, thread_id)) >= 0) return result;
        /* Another thread is making it.  Its signals are blocked, so we cannot be a handler that interrupted it. */
        sched_yield();
    }
}

void log__lanes_return(struct log *log, uint32_t thread_id) {
    if (!log->header) return;
    for (unsigned i = 0; i + 1 < log->lane_count; i++) {
        struct trace_shm_lane *lane = &log->header->lanes[i];
        if (!is_lane_of(lane, thread_id)) continue;
        publish_lane(lane, TRACE_LANE_RETURNED, 0);
        end_shortage(&log->shortage);
    }
}
