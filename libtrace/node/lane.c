/* SPDX-License-Identifier: MIT
 *
 * Lanes on the writing side: how a thread gets one, keeps it, and hands it on; and the slow ways to a slot.
 *
 * Everything here may be entered from a signal handler that interrupted an emit, so it takes no lock.  find_writer blocks
 * signals while it works, so that the thread's table never shows half an entry. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libtrace/clock.h>

#include "log_internal.h"

__thread struct trace__writer trace__writers[TRACE__WRITERS + 1] __attribute__((tls_model("initial-exec")));

/* The writers of logs beyond that table: level l has the TRACE__WRITERS << l indices from TRACE__WRITERS << l on.  A level is mapped when the
 * thread first needs it and stays where it is until the thread ends, for a signal handler may come while an entry is read. */
static __thread struct trace__writer *more_writers[WRITER_LEVELS] __attribute__((tls_model("initial-exec")));

static pthread_key_t thread_exit_key;

static __thread uint32_t own_thread_id __attribute__((tls_model("initial-exec"))); /* 0: not asked yet */

static uint32_t thread_id(void) {
    if (own_thread_id == 0) own_thread_id = (uint32_t)syscall(SYS_gettid);
    return own_thread_id;
}

/* Makes sure that a lane's memory is there, so that writing to it can never raise SIGBUS; and maps it, so that the first lap
 * takes no page faults. */
static int reserve_memory(const struct log *log, unsigned lane) {
    size_t bytes = (size_t)log->lane_events * TRACE_EVENT_BYTES;
    size_t offset = TRACE_SHM_LANES_OFFSET + lane * bytes;
    int result;
    do result = posix_fallocate(log->fd, (off_t)offset, (off_t)bytes);
    while (result == EINTR);
    if (result != 0) return -result;
#ifdef MADV_POPULATE_WRITE
    (void)madvise((char *)log->header + offset, bytes, MADV_POPULATE_WRITE); /* else faults come one by one */
#endif
    return 0;
}

/* lane:R  Publishes a lane.  Pairs with lane:A.  Without it a reader touches slots whose memory is not reserved. */
static void publish_lane(struct trace_shm_lane *lane, uint32_t state) {
    __atomic_store_n(&lane->thread_id, state == TRACE_LANE_OWNED ? thread_id() : 0, __ATOMIC_RELAXED); /* state publishes it */
    __atomic_store_n(&lane->state, state, __ATOMIC_RELEASE);
}

/* Makes a lane that has never been used.  from: TRACE_LANE_FREE; state: what it becomes. */
static int make_lane(struct log *log, unsigned index, uint32_t state) {
    struct trace_shm_lane *lane = &log->header->lanes[index];
    uint32_t expected = TRACE_LANE_FREE;
    int result;
    if (!__atomic_compare_exchange_n(&lane->state, &expected, TRACE_LANE_MAKING, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return -EBUSY; /* relaxed: nothing is read that another thread wrote */
    result = reserve_memory(log, index);
    publish_lane(lane, result == 0 ? state : TRACE_LANE_FREE);
    return result;
}

static int take_owned_lane(struct log *log) {
    unsigned owned_count = log->lane_count - 1;
    for (unsigned i = 0; i < owned_count; i++) { /* one that a thread left behind costs no memory */
        struct trace_shm_lane *lane = &log->header->lanes[i];
        uint32_t expected = TRACE_LANE_RETURNED;
        /* acquire: what the last owner wrote to the lane; pairs with its publish_lane */
        if (__atomic_compare_exchange_n(&lane->state, &expected, TRACE_LANE_MAKING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            publish_lane(lane, TRACE_LANE_OWNED);
            return (int)i;
        }
    }
    for (unsigned i = 0; i < owned_count; i++) {
        int result = make_lane(log, i, TRACE_LANE_OWNED);
        if (result == 0) return (int)i;
        if (result != -EBUSY) return result;
    }
    return -EBUSY;
}

int log__lane_take(struct log *log) {
    unsigned last = log->lane_count - 1;
    struct trace_shm_lane *shared = &log->header->lanes[last];
    int result = take_owned_lane(log);
    if (result >= 0) {
        (void)pthread_setspecific(thread_exit_key, log); /* any value: the destructor looks at all logs */
        return result;
    }
    /* A full /dev/shm: the shared lane still serves, if it is there. */
    for (;;) {
        uint32_t state = __atomic_load_n(&shared->state, __ATOMIC_ACQUIRE); /* acquire: pairs with publish_lane */
        if (state == TRACE_LANE_SHARED) return (int)last;
        if (state == TRACE_LANE_FREE && result != -EBUSY) return result;
        if (state == TRACE_LANE_FREE && (result = make_lane(log, last, TRACE_LANE_SHARED)) == 0) return (int)last;
        /* Another thread is making it.  It has its signals blocked, so that we can't be its own handler. */
        sched_yield();
    }
}

void log__lanes_return(struct log *log) {
    if (log->header == NULL) return;
    for (unsigned i = 0; i + 1 < log->lane_count; i++) {
        struct trace_shm_lane *lane = &log->header->lanes[i];
        /* relaxed: both are our own stores, if they are ours */
        if (__atomic_load_n(&lane->state, __ATOMIC_RELAXED) == TRACE_LANE_OWNED &&
            __atomic_load_n(&lane->thread_id, __ATOMIC_RELAXED) == thread_id())
            publish_lane(lane, TRACE_LANE_RETURNED);
    }
}

static size_t level_bytes(unsigned level) { return ((size_t)TRACE__WRITERS << level) * sizeof(struct trace__writer); }

void log__writers_forget(void) {
    own_thread_id = 0; /* in a forked child it is another */
    for (unsigned i = 0; i < TRACE__WRITERS; i++) trace__writers[i].serial = 0;
    for (unsigned level = 0; level < WRITER_LEVELS; level++) {
        struct trace__writer *writers = more_writers[level];
        more_writers[level] = NULL; /* first: a handler may come */
        if (writers != NULL) munmap(writers, level_bytes(level));
    }
}

/* Where the thread keeps its writer for a log; NULL: nowhere, or not yet. */
static struct trace__writer *place_of(const struct log *log) {
    uint32_t index = log->writer_index;
    unsigned level;
    if (index < TRACE__WRITERS) return &trace__writers[index];
    if (index >= WRITER_INDICES) return NULL;
    level = 31U - (unsigned)__builtin_clz(index / TRACE__WRITERS);
    return more_writers[level] != NULL ? &more_writers[level][index - (TRACE__WRITERS << level)] : NULL;
}

/* As place_of, and makes the level if need be.  Signals must be blocked. */
static struct trace__writer *make_place(const struct log *log) {
    struct trace__writer *place = place_of(log);
    unsigned level;
    void *writers;
    if (place != NULL || log->writer_index >= WRITER_INDICES) return place;
    level = 31U - (unsigned)__builtin_clz(log->writer_index / TRACE__WRITERS);
    writers = mmap(NULL, level_bytes(level), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (writers == MAP_FAILED) return NULL;
    more_writers[level] = (struct trace__writer *)writers;
    (void)pthread_setspecific(thread_exit_key, log); /* also for a thread that has only shared lanes */
    return place_of(log);
}

/* A handler that came in between would find the lane again, and go on with it when it is another thread's. */
static void on_thread_exit(void *unused) {
    sigset_t all, old;
    (void)unused;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    log__writers_forget();
    TRACE_TESTPOINT("forgotten");
    log__each(log__lanes_return);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void log__thread_exit_init(void) { (void)pthread_key_create(&thread_exit_key, on_thread_exit); }

/* A lane that this thread already has, of a log that is not in the table. */
static int find_own_lane(const struct log *log) {
    for (unsigned i = 0; i + 1 < log->lane_count; i++) {
        const struct trace_shm_lane *lane = &log->header->lanes[i];
        /* relaxed: both are our own stores, if they are ours */
        if (__atomic_load_n(&lane->thread_id, __ATOMIC_RELAXED) == thread_id() &&
            __atomic_load_n(&lane->state, __ATOMIC_RELAXED) == TRACE_LANE_OWNED)
            return (int)i;
    }
    return -ENOENT;
}

static struct trace__writer make_writer(struct log *log, unsigned lane) {
    struct trace__writer writer = {
        .serial = log->base.serial,
        .lane = &log->header->lanes[lane],
        .slots = log->slots + (size_t)lane * log->lane_events,
        .slot_mask = log->lane_events - 1,
        .shared = lane == log->lane_count - 1,
        .discards = log->header->policy == TRACE_DISCARD_NEWEST,
        .monotonic = log->header->clock_source == TRACE_CLOCK_MONOTONIC,
    };
    writer.slow = writer.shared || writer.discards || writer.monotonic;
    return writer;
}

/* Finds or takes the calling thread's lane.  Returns 0 or a negative errno; then the thread tries again with its next event. */
static int find_writer(struct log *log, struct trace__writer *ret_writer) {
    const struct trace__writer *known = place_of(log);
    struct trace__writer *place;
    sigset_t all, old;
    int lane;
    if (known != NULL && known->serial == log->base.serial) {
        *ret_writer = *known;
        return 0;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    lane = find_own_lane(log);
    if (lane < 0) lane = log__lane_take(log);
    if (lane >= 0) {
        *ret_writer = make_writer(log, (unsigned)lane);
        place = make_place(log);
        if (place != NULL) *place = *ret_writer;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return lane < 0 ? lane : 0;
}

void trace__contended(const struct trace__writer *writer) {
    __atomic_fetch_add(&writer->lane->contended, 1, __ATOMIC_RELAXED); /* relaxed: a counter */
}

/* The shared lane: several threads reserve and claim.  A slot is taken only from a committed older event, so that two writers never
 * write into one slot. */
static struct trace__slot claim_shared(const struct trace__writer *writer, struct trace__stamp stamp) {
    uint64_t position = __atomic_fetch_add(&writer->lane->head, 1, __ATOMIC_RELAXED); /* relaxed: the mark publishes */
    struct trace__slot slot = {&writer->slots[position & writer->slot_mask], trace_shm_mark(position)};
    uint32_t mark = __atomic_load_n(&slot.event->sequence, __ATOMIC_RELAXED); /* relaxed: the exchange orders */
    TRACE_TESTPOINT("reserved");
    for (;;) {
        uint32_t ahead = (mark - slot.mark) & TRACE_SEQUENCE_MASK;
        int newer = mark != 0 && ahead < TRACE_SEQUENCE_MASK / 2;
        if ((mark & TRACE_SEQUENCE_BUSY) || newer) {
            trace__contended(writer);
            return (struct trace__slot){NULL, 0};
        }
        /* acquire: our stores to the slot come after those of the writer a lap behind, whose commit:R this pairs with */
        if (__atomic_compare_exchange_n(&slot.event->sequence, &mark, slot.mark | TRACE_SEQUENCE_BUSY, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            break;
    }
    stamp.mark = slot.mark;
    trace__mark_busy(slot.event, stamp); /* the same mark again, with the rest of its word and commit:B */
    return slot;
}

static struct trace__slot claim_owned(const struct trace__writer *writer, struct trace__stamp stamp) {
    uint64_t position = trace__reserve(&writer->lane->head);
    struct trace__slot slot = {&writer->slots[position & writer->slot_mask], trace_shm_mark(position)};
    TRACE_TESTPOINT("reserved");
    if (slot.event->sequence & TRACE_SEQUENCE_BUSY) {
        trace__contended(writer);
        return (struct trace__slot){NULL, 0};
    }
    stamp.mark = slot.mark;
    trace__mark_busy(slot.event, stamp);
    return slot;
}

static bool has_room(const struct trace__writer *writer) {
    uint64_t head = __atomic_load_n(&writer->lane->head, __ATOMIC_RELAXED); /* relaxed: ours, or a few too old */
    /* tail:A  Pairs with tail:R.  Without it we write into a slot that is still being copied. */
    uint64_t tail = __atomic_load_n(&writer->lane->tail, __ATOMIC_ACQUIRE);
    return head - tail <= writer->slot_mask;
}

struct trace__slot trace__claim_slow(struct trace_log *base, struct trace__stamp stamp) {
    static const struct trace__slot none = {NULL, 0};
    struct log *log = (struct log *)base;
    struct trace__writer writer;
    struct trace__slot slot;
    int saved_errno = errno, result;
    if (log->header == NULL) return none; /* a child that was forked after the control word was read: by an argument, say */
    result = find_writer(log, &writer);
    errno = saved_errno;
    if (result != 0) {
        __atomic_fetch_add(&log->header->no_lane, 1, __ATOMIC_RELAXED); /* relaxed: a counter */
        return none;
    }
    if (writer.discards && !has_room(&writer)) {
        __atomic_fetch_add(&writer.lane->discarded, 1, __ATOMIC_RELAXED); /* relaxed: a counter */
        return none;
    }
    slot = writer.shared ? claim_shared(&writer, stamp) : claim_owned(&writer, stamp);
    if (slot.event != NULL) slot.event->timestamp = writer.monotonic ? trace__monotonic_ns() : trace__tsc();
    return slot;
}
