/* SPDX-License-Identifier: MIT
 *
 * Opening and closing a node's log: the shared-memory object, its header, and what happens to it when the process forks or ends.
 *
 * The process keeps a list of its open logs, under a lock that the emit path never takes.  Another one, which is taken first, is held
 * while a log is opened, closed, or gets a description: a fork waits for that, so that its child never has half of a log, nor the
 * descriptor of one that it cannot find. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libtrace/clock.h>
#include <p2ptrace/trace.h>

#include "log_internal.h"

/* Rings of dead nodes that nobody has drained: this many may wait for a traced. */
#define DEAD_RINGS_KEPT 32

#ifdef TRACE_TESTPOINTS
static void testpoint_nothing(const char *name) { (void)name; }
void (*trace__testpoint)(const char *name) = testpoint_nothing;
#endif

static pthread_mutex_t change_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log *list;

/* What a forked child's logs allow. */
static const uint64_t control_nothing = 0;

const char *log__shm_dir(void) {
    const char *dir = secure_getenv("P2PTRACE_SHM_DIR");
    return dir != NULL && dir[0] != 0 ? dir : "/dev/shm";
}

/* Places in the threads' tables of writers, a bit each, under the list's lock. */
static uint64_t writer_indices_taken[WRITER_INDICES / 64];

/* The lowest that is free: the first logs have the short way.  WRITER_INDICES: none. */
static void take_writer_index(struct log *log) {
    uint32_t word = 0, index = WRITER_INDICES;
    while (word < WRITER_INDICES / 64 && writer_indices_taken[word] == UINT64_MAX) word++;
    if (word < WRITER_INDICES / 64) {
        index = word * 64 + (uint32_t)__builtin_ctzll(~writer_indices_taken[word]);
        writer_indices_taken[word] |= UINT64_C(1) << index % 64;
    }
    log->writer_index = index;
    log->base.writer = index < TRACE__WRITERS ? index : TRACE__WRITERS;
}

static void give_back_writer_index(const struct log *log) {
    if (log->writer_index < WRITER_INDICES)
        writer_indices_taken[log->writer_index / 64] &= ~(UINT64_C(1) << log->writer_index % 64);
}

void log__change_begin(void) { pthread_mutex_lock(&change_lock); }
void log__change_end(void) { pthread_mutex_unlock(&change_lock); }

void log__each(void (*each)(struct log *log)) {
    pthread_mutex_lock(&list_lock);
    for (struct log *log = list; log != NULL; log = log->next) each(log);
    pthread_mutex_unlock(&list_lock);
}

/* ---- fork, and the end of the process ---------------------------------------------------------------------------------- */

static void before_fork(void) {
    log__change_begin();
    pthread_mutex_lock(&list_lock);
}

static void after_fork_parent(void) {
    pthread_mutex_unlock(&list_lock);
    log__change_end();
}

/* The child must never write into its parent's rings, nor keep their locks alive. */
static void after_fork_child(void) {
    log__thread_after_fork();
    for (struct log *log = list; log != NULL; log = log->next) {
        log->base.control = &control_nothing;
        object__unmap(log);
    }
    after_fork_parent();
}

static void mark_closed(struct log *log) {
    /* release: a reader that sees the log closed sees all that was committed before */
    if (log->header != NULL) __atomic_store_n(&log->header->state, TRACE_SHM_CLOSED, __ATOMIC_RELEASE);
}

/* What the library needs of the process.  Asked with every log, for a constructor of the program may open one before ours has run. */
static int init(void) {
    static bool hears_forks;
    int result = log__thread_exit_init();
    if (result != 0 || hears_forks) return result;
    result = pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    hears_forks = result == 0;
    return -result;
}

/* Before the constructors of a program's own objects: a thread that draws ids there has its end noticed. */
__attribute__((constructor(101))) static void on_load(void) {
    log__change_begin();
    (void)init();
    log__change_end();
}

/* exit() without trace_log_close is an orderly end too.  Threads may still be emitting: nothing is unmapped.  Nor is this always the end of
 * the process: a host may unload us, and threads that have emitted end later. */
__attribute__((destructor(101))) static void on_unload(void) {
    log__each(mark_closed);
    log__thread_exit_fini();
}

/* ---- open ---------------------------------------------------------------------------------------------------------------- */

static int check_options(const struct trace_log_options *options, uint32_t lane_events) {
    static const struct trace_node_id zero;
    if (memcmp(&options->node_id, &zero, sizeof zero) == 0) return -EINVAL;
    if (options->policy != TRACE_OVERWRITE_OLDEST && options->policy != TRACE_DISCARD_NEWEST) return -EINVAL;
    if (lane_events < 64 || lane_events > TRACE_LANE_EVENTS_MAX || (lane_events & (lane_events - 1)) != 0) return -EINVAL;
    return 0;
}

static void write_header(struct log *log, const struct trace_log_options *options) {
    struct trace_shm_header *header = log->header;
    struct trace_clock_sample now = trace_clock_read();
    bool tsc = trace_clock_tsc_usable();

    header->abi = TRACE_SHM_ABI;
    header->header_bytes = TRACE_SHM_LANES_OFFSET;
    header->object_bytes = log->object_bytes;
    header->event_bytes = TRACE_EVENT_BYTES;
    header->lane_count = log->lane_count;
    header->lane_events = log->lane_events;
    header->policy = options->policy;
    header->pid = getpid();
    header->clock_source = tsc ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC;
    header->open_ticks = tsc ? now.ticks : now.monotonic_ns;
    header->open_monotonic_ns = now.monotonic_ns;
    header->open_unix_ns = now.unix_ns;
    header->node_id = options->node_id;
    if (options->node_name != NULL)
        memcpy(header->node_name, options->node_name, strnlen(options->node_name, sizeof header->node_name - 1));
    header->open_control = options->control != 0 ? options->control : TRACE_CONTROL_ALL;
    header->control = header->open_control;
    header->state = TRACE_SHM_OPEN;
}

/* Reserves the opening thread's lane, so that a full /dev/shm is an error here and not a lost event later. */
static int take_first_lane(struct log *log) {
    sigset_t all, old;
    int lane;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    (void)log__thread_make(); /* hooks the thread's end */
    lane = log__lane_take(log);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return lane < 0 ? lane : 0;
}

static int open_log(struct trace_log **ret_log, const struct trace_log_options *options, uint32_t lane_events) {
    struct log *log;
    int dir_fd, result = init();

    if (result != 0) return result;
    dir_fd = open(log__shm_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) return -errno;
    log = calloc(1, sizeof *log);
    if (log != NULL) log->dir = realpath(log__shm_dir(), NULL);
    if (log == NULL || log->dir == NULL) {
        result = -ENOMEM;
        goto fail;
    }
    log->pid = getpid();
    log->lane_count = TRACE_LANES_MAX;
    log->lane_events = lane_events;
    log->object_bytes = TRACE_SHM_LANES_OFFSET + (size_t)log->lane_count * lane_events * TRACE_EVENT_BYTES;

    (void)log__collect_dead(dir_fd, DEAD_RINGS_KEPT);
    result = object__make(log, dir_fd);
    if (result == -ENOSPC && log__collect_dead(dir_fd, 0) > 0) result = object__make(log, dir_fd);
    if (result != 0) goto fail;

    write_header(log, options);
    pthread_mutex_lock(&list_lock);
    take_writer_index(log);
    pthread_mutex_unlock(&list_lock);
    result = take_first_lane(log);
    if (result != 0) goto fail_made;

    /* magic:R  Publishes the header.  Pairs with magic:A.  Without it a reader takes a half-made header. */
    __atomic_store_n(&log->header->magic, TRACE_SHM_MAGIC, __ATOMIC_RELEASE);
    pthread_mutex_lock(&list_lock);
    log->next = list;
    list = log;
    pthread_mutex_unlock(&list_lock);
    close(dir_fd);
    *ret_log = &log->base;
    return 0;

fail_made:
    pthread_mutex_lock(&list_lock);
    give_back_writer_index(log);
    pthread_mutex_unlock(&list_lock);
    unlinkat(dir_fd, log->name + 1, 0);
    object__unmap(log);
fail:
    close(dir_fd);
    if (log != NULL) free(log->dir);
    free(log);
    return result;
}

int trace__log_open(struct trace_log **ret_log, const struct trace_log_options *options, uint32_t lane_events) {
    int result = check_options(options, lane_events);
    if (result != 0) return result;
    log__change_begin();
    result = open_log(ret_log, options, lane_events);
    log__change_end();
    return result;
}

/* ---- close --------------------------------------------------------------------------------------------------------------- */

void trace_log_close(struct trace_log *base) {
    struct log *log = (struct log *)base;
    if (log == NULL) return;

    log__change_begin();
    pthread_mutex_lock(&list_lock);
    for (struct log **at = &list; *at != NULL; at = &(*at)->next) {
        if (*at == log) {
            *at = log->next;
            break;
        }
    }
    give_back_writer_index(log);
    pthread_mutex_unlock(&list_lock);

    mark_closed(log);
    object__unmap(log);
    log__change_end();
    free(log->dir);
    free(log);
}

const char *trace_log_name(const struct trace_log *base) { return base != NULL ? ((const struct log *)base)->name : ""; }
