/* SPDX-License-Identifier: MIT
 *
 * What a thread keeps of its lanes: where its writers are, how it gets one, what happens when it ends; and the slow paths to a
 * slot.
 *
 * All of it is in one block of memory, which the thread maps when it first needs it.  Thread-local storage holds only the block's
 * address: a program that loads libraries later has little room for such storage (dlopen: "cannot allocate memory in static TLS
 * block"), and each plugin may have a copy of this library.
 *
 * A signal handler that interrupted an emit may enter all of this, so nothing here takes a lock.  Signals are blocked while
 * the block changes, so that a handler never sees half an entry. */
#include "thread.h"

#include "lane.h"
#include "open_logs.h"

#include <errno.h>
#include <libtrace/clock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef TRACE_TESTPOINTS
static void testpoint_nothing(const char *name) { (void)name; }
void (*trace__testpoint)(const char *name) = testpoint_nothing;
#endif

/* The block of every thread that has none yet.  Never written. */
static const struct trace__thread no_thread;

__thread struct trace__thread *trace__thread __attribute__((tls_model("initial-exec"))) = (struct trace__thread *)&no_thread;

static bool has_block(void) { return trace__thread != &no_thread; }

uint32_t log__thread_id(void) {
    if (!has_block()) return (uint32_t)syscall(SYS_gettid);
    if (trace__thread->thread_id == 0) trace__thread->thread_id = (uint32_t)syscall(SYS_gettid);
    return trace__thread->thread_id;
}

/* ---- the end of a thread ------------------------------------------------------------------------------------------------- */

static pthread_key_t thread_exit_key; /* 0 is a valid key ... */
static int has_thread_exit_key;       /* ... so this says whether it was made */
static int ending_threads;            /* how many threads are in on_thread_exit now */

static size_t level_bytes(unsigned level) { return ((size_t)TRACE__WRITERS << level) * sizeof(struct trace__writer); }

static void forget_block(void) {
    struct trace__thread *thread = trace__thread;
    if (!has_block()) return;
    trace__thread = (struct trace__thread *)&no_thread; /* first: a handler may interrupt us */
    for (unsigned level = 0; level < TRACE__WRITER_LEVELS; level++)
        if (thread->more_writers[level]) munmap(thread->more_writers[level], level_bytes(level));
    munmap(thread, sizeof *thread);
}

static void return_lanes(struct log *log) { log__lanes_return(log, log__thread_id()); }

/* Signals are blocked throughout: a handler in between would find the lane again, and still use it when it belongs to another
 * thread. */
static void on_thread_exit(void *unused) {
    sigset_t all, old;
    (void)unused;
    __atomic_fetch_add(&ending_threads, 1, __ATOMIC_ACQUIRE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    forget_block();
    TRACE_TESTPOINT("forgotten");
    log__each(return_lanes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    __atomic_fetch_sub(&ending_threads, 1, __ATOMIC_RELEASE); /* release: pairs with log__thread_exit_fini */
}

int log__thread_exit_init(void) {
    if (has_thread_exit_key) return 0;
    int result = pthread_key_create(&thread_exit_key, on_thread_exit);
    if (result != 0) return -result;
    __atomic_store_n(&has_thread_exit_key, 1, __ATOMIC_RELEASE); /* release: pairs with hook_thread_exit */
    return 0;
}

void log__thread_exit_fini(void) {
    if (!has_thread_exit_key) return;
    /* relaxed: a thread that has seen 1 sets a value for a key that is gone, which does no harm */
    __atomic_store_n(&has_thread_exit_key, 0, __ATOMIC_RELAXED);
    pthread_key_delete(thread_exit_key);
    /* acquire: see on_thread_exit.  Bounded: a child of _Fork may have inherited a count that no thread will ever decrement. */
    for (unsigned i = 0; i < 10000 && __atomic_load_n(&ending_threads, __ATOMIC_ACQUIRE) != 0; i++) sched_yield();
}

void log__thread_after_fork(void) {
    ending_threads = 0;
    forget_block();
}

/* Makes sure that on_thread_exit is called when this thread ends. */
static void hook_thread_exit(void) {
    if (__atomic_load_n(&has_thread_exit_key, __ATOMIC_ACQUIRE)) /* acquire: the key */
        (void)pthread_setspecific(thread_exit_key, &no_thread);  /* any value that is not NULL */
}

/* ---- the block ----------------------------------------------------------------------------------------------------------- */

struct trace__thread *log__thread_make(void) {
    sigset_t all, old;
    if (has_block()) return trace__thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    void *memory = mmap(NULL, sizeof *trace__thread, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        /* A child of _Fork or clone, which run no fork handlers, finds an empty block: no lane of its parent, and no ids. */
        (void)madvise(memory, sizeof *trace__thread, MADV_WIPEONFORK);
        trace__thread = (struct trace__thread *)memory;
        hook_thread_exit();
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return memory != MAP_FAILED ? (struct trace__thread *)memory : NULL;
}

/* Where the thread keeps its writer for a log; NULL: it has no place for it, or not yet. */
static struct trace__writer *writer_place(const struct log *log) {
    uint32_t index = log->writer_index;
    if (!has_block() || index >= WRITER_INDICES) return NULL;
    if (index < TRACE__WRITERS) return &trace__thread->writers[index];
    unsigned level = 31U - (unsigned)__builtin_clz(index / TRACE__WRITERS);
    if (!trace__thread->more_writers[level]) return NULL;
    return &trace__thread->more_writers[level][index - (TRACE__WRITERS << level)];
}

/* Like place_of, but makes what is missing.  Signals must be blocked. */
static struct trace__writer *make_writer_place(const struct log *log) {
    struct trace__writer *place = writer_place(log);
    if (place || log->writer_index >= WRITER_INDICES || !log__thread_make()) return place;
    if (log->writer_index < TRACE__WRITERS) return writer_place(log);
    unsigned level = 31U - (unsigned)__builtin_clz(log->writer_index / TRACE__WRITERS);
    void *writers = mmap(NULL, level_bytes(level), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (writers == MAP_FAILED) return NULL;
    trace__thread->more_writers[level] = (struct trace__writer *)writers;
    return writer_place(log);
}

/* ---- a writer ------------------------------------------------------------------------------------------------------------ */

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

/* Finds or takes the calling thread's lane.  Returns 0 or a negative errno; after an error the thread tries again with its next
 * event. */
static int find_writer(struct log *log, struct trace__writer *ret_writer) {
    const struct trace__writer *known = writer_place(log);
    sigset_t all, old;
    if (known && known->serial == log->base.serial) {
        *ret_writer = *known;
        return 0;
    }
    if (known && log__lanes_are_short(log)) return -EAGAIN;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    struct trace__writer *place = make_writer_place(log);
    if (!place) hook_thread_exit(); /* otherwise making the block has done so */
    uint32_t thread_id = log__thread_id();
    int lane = log__lane_find(log, thread_id); /* it may have one, if the log has no place in its block */
    if (lane < 0) lane = log__lane_take(log, thread_id);
    if (lane >= 0) {
        *ret_writer = make_writer(log, (unsigned)lane);
        if (place) *place = *ret_writer;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return lane < 0 ? lane : 0;
}

void trace__contended(const struct trace__writer *writer) {
    __atomic_fetch_add(&writer->lane->contended, 1, __ATOMIC_RELAXED); /* relaxed: a counter */
}

/* The shared lane, where several threads reserve and claim.  A slot is claimed only when its older event is committed, so two
 * writers never write into one slot. */
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
        /* acquire: our stores to the slot come after those of the writer one lap behind, whose commit:R this pairs with */
        if (__atomic_compare_exchange_n(&slot.event->sequence, &mark, slot.mark | TRACE_SEQUENCE_BUSY, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            break;
    }
    stamp.mark = slot.mark;
    trace__mark_busy(slot.event, stamp); /* stores the same mark again, with the rest of its word and commit:B */
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
    uint64_t head = __atomic_load_n(&writer->lane->head, __ATOMIC_RELAXED); /* relaxed: our own word, or a few positions old */
    /* tail:A  Pairs with tail:R.  Without it we write into a slot that is still being copied. */
    uint64_t tail = __atomic_load_n(&writer->lane->tail, __ATOMIC_ACQUIRE);
    return head - tail <= writer->slot_mask;
}

struct trace__slot trace__claim_slow(struct trace_log *base, struct trace__stamp stamp) {
    static const struct trace__slot none = {NULL, 0};
    struct log *log = (struct log *)base;
    struct trace__writer writer;
    int saved_errno = errno, result;
    if (!log->header) return none; /* a child forked after the control word was read: by an argument of the macro, say */
    result = find_writer(log, &writer);
    errno = saved_errno;
    if (result == -ECHILD) return none;
    if (result != 0) {
        __atomic_fetch_add(&log->header->no_lane, 1, __ATOMIC_RELAXED); /* relaxed: a counter */
        return none;
    }
    if (writer.discards && !has_room(&writer)) {
        __atomic_fetch_add(&writer.lane->discarded, 1, __ATOMIC_RELAXED); /* relaxed: a counter */
        return none;
    }
    struct trace__slot slot = writer.shared ? claim_shared(&writer, stamp) : claim_owned(&writer, stamp);
    if (slot.event) slot.event->timestamp = writer.monotonic ? trace__monotonic_ns() : trace__tsc();
    return slot;
}
