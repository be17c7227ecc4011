/* SPDX-License-Identifier: MIT
 *
 * Opening and closing a node's log: the shared-memory object, its header, and what happens to it when the process forks or
 * ends. */
#include "dead_rings.h"
#include "lane.h"
#include "object.h"
#include "open_logs.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <libtrace/clock.h>
#include <p2ptrace/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* So many rings of dead nodes that nobody has drained may wait for a traced. */
#define DEAD_RINGS_KEPT 32

/* The control word of a forked child's logs: no kind is enabled. */
static const uint64_t control_nothing = 0;

/* The directory of shared-memory objects. */
static const char *shm_dir(void) {
    const char *dir = secure_getenv("P2PTRACE_SHM_DIR");
    return dir && dir[0] != 0 ? dir : "/dev/shm";
}

/* ---- fork, and the end of the process ---------------------------------------------------------------------------------- */

/* The child must never write into its parent's rings, nor keep their locks alive. */
static void leave_to_parent(struct log *log) {
    log->base.control = &control_nothing;
    object__unmap(log);
}

static void after_fork_child(void) {
    log__thread_after_fork();
    log__fork_end();
    log__each(leave_to_parent);
}

static void mark_closed(struct log *log) {
    if (!log->header) return;
    struct trace_clock_sample now = trace_clock_read();
    uint64_t ticks = log->header->clock_source == TRACE_CLOCK_TSC ? now.ticks : now.monotonic_ns;
    __atomic_store_n(&log->header->closed, ticks, __ATOMIC_RELAXED); /* relaxed: the store of the state publishes it */
    /* release: a reader that sees the log closed also sees everything committed before, and when that was */
    __atomic_store_n(&log->header->state, TRACE_SHM_CLOSED, __ATOMIC_RELEASE);
}

/* Installs the library's hooks in the process.  Called for every log, because a constructor of the program may open one before
 * ours has run.  Under the change lock. */
static int install_hooks(void) {
    static bool hooked_fork;
    int result = log__thread_exit_init();
    if (result != 0 || hooked_fork) return result;
    result = pthread_atfork(log__fork_begin, log__fork_end, after_fork_child);
    hooked_fork = result == 0;
    return -result;
}

/* Runs before the constructors of a program's own objects, so that we notice the end of a thread that draws ids there. */
__attribute__((constructor(101))) static void on_load(void) {
    log__change_begin();
    (void)install_hooks();
    log__change_end();
}

/* exit() without trace_log_close is an orderly end, too.  Nothing is unmapped, because threads may still be emitting.  The
 * process may also live on: a host may unload us, and threads that have emitted end later. */
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
    if (options->node_name)
        memcpy(header->node_name, options->node_name, strnlen(options->node_name, sizeof header->node_name - 1));
    header->open_control = options->control != 0 ? options->control : TRACE_CONTROL_ALL;
    header->control = header->open_control;
    header->state = TRACE_SHM_OPEN;
}

/* Reserves the opening thread's lane, so that a full /dev/shm is an error here instead of a lost event later. */
static int take_first_lane(struct log *log) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    (void)log__thread_make(); /* hooks the thread's end */
    int lane = log__lane_take(log, log__thread_id());
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return lane < 0 ? lane : 0;
}

static int open_log(struct trace_log **ret_log, const struct trace_log_options *options, uint32_t lane_events) {
    struct log *log;
    int dir_fd, result = install_hooks();

    if (result != 0) return result;
    dir_fd = open(shm_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) return -errno;
    log = calloc(1, sizeof *log);
    if (log) log->dir = realpath(shm_dir(), NULL);
    if (!log || !log->dir) {
        result = -errno;
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
    log__writer_index_take(log);
    result = take_first_lane(log);
    if (result != 0) goto fail_made;

    /* magic:R  Publishes the header.  Pairs with magic:A.  Without it a reader accepts a half-written header. */
    __atomic_store_n(&log->header->magic, TRACE_SHM_MAGIC, __ATOMIC_RELEASE);
    log__list_add(log);
    close(dir_fd);
    *ret_log = &log->base;
    return 0;

fail_made:
    log__writer_index_return(log);
    unlinkat(dir_fd, log->name + 1, 0);
    object__unmap(log);
fail:
    close(dir_fd);
    if (log) free(log->dir);
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
    if (!log) return;

    log__change_begin();
    log__list_remove(log);
    mark_closed(log);
    object__unmap(log);
    log__change_end();
    free(log->dir);
    free(log);
}

const char *trace_log_name(const struct trace_log *base) { return base ? ((const struct log *)base)->name : ""; }
