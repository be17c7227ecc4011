/* SPDX-License-Identifier: MIT
 *
 * The ingest: which rings exist, in what order and how often they are polled, and the thread that does it.
 *
 * The cost of a pass is that of its events; a silent ring costs one read of the next slot's mark in each of its lanes.  Between
 * passes the thread sleeps on the directory watch and a stop signal.  It never spins, so it never follows a writer slot by
 * slot.
 *
 * An object's way:   appeared -> PENDING -> ATTACHED -> OVER -> vanished
 *                                   \-----(bad)----------^
 * Its ring is freed when both its name and its reader are gone. */
#include "ingest_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <libtrace/guard.h>
#include <poll.h>
#include <proto/clock.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

/* ---- objects come, are attached or rejected, and go ---------------------------------------------------------------------- */

static void remove_pending(struct ingest *ingest, const struct ingest_ring *ring) {
    for (uint32_t i = 0; i < ingest->pending_count; i++) {
        if (ingest->pending[i] != ring) continue;
        ingest->pending[i] = ingest->pending[--ingest->pending_count];
        return;
    }
}

/* Retry later: the object is not ready, or we ran out of a resource. */
static void put_off(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault fault) {
    uint64_t wait_ns = ring->retry_wait_ns;
    if (ingest->now_ns - ring->seen_ns >= INGEST_RETRY_END_NS) {
        if (!ring->has_node) ring_reject(ingest, ring, fault, -EAGAIN);
        if (!ring->has_node) { /* the table has no room for it: it is only counted, and then ignored */
            remove_pending(ingest, ring);
            return;
        }
        ring->state = RING_PENDING;
        wait_ns = INGEST_RETRY_LATE_NS;
    } else if (ring->retry_wait_ns < INGEST_RETRY_MAX_NS) {
        ring->retry_wait_ns *= 2;
        if (ring->retry_wait_ns > INGEST_RETRY_MAX_NS) ring->retry_wait_ns = INGEST_RETRY_MAX_NS;
    }
    ring->retry_due_ns = ingest->now_ns + wait_ns;
}

static void try_attach(struct ingest *ingest, struct ingest_ring *ring) {
    enum trace_attach_fault fault;
    uint32_t told_index = ring->node_index;
    bool told = ring->has_node;
    int result = ring_attach(ingest, ring, &fault);
    if (result == -EAGAIN) {
        put_off(ingest, ring, fault);
        return;
    }
    remove_pending(ingest, ring);
    if (told) { /* it is no longer rejected */
        nodes_forget(ingest->config.nodes, told_index);
        ring->has_node = result == 0;
    }
    if (result == -ENOENT) {
        ring->state = RING_OVER; /* already gone; discovery will report that */
    } else if (result != 0) {
        ring_reject(ingest, ring, fault, result);
    } else {
        ring->slot = ingest->attached_count++; /* never more than the entries of the node table */
        /* everything is due: its node may have run and died while we did not run */
        ingest->attached[ring->slot] = (struct attached){.ring = ring};
        ingest->changed = true;
        ingest->activity_ns = ingest->now_ns;
        ingest_add(&ingest->counters.nodes_attached, 1);
        ingest_say(ingest, INGEST_ABOUT_ATTACHED, LOG_LEVEL_INFO, "node %s (pid %d) attached: %u lanes of %u events",
                   ring->node->info.node_name, (int)ring->node->info.pid, ring->node->info.lane_count,
                   ring->node->info.lane_events);
    }
}

static void on_appeared(void *arg, const char *name, void **slot) {
    struct ingest *ingest = arg;
    struct ingest_ring *ring = calloc(1, sizeof *ring);
    if (!ring) {
        ingest_add(&ingest->counters.nodes_left_out, 1);
        ingest_say(ingest, INGEST_ABOUT_REJECTED, LOG_LEVEL_ERROR, "out of memory: an object was ignored");
        return;
    }
    snprintf(ring->name, sizeof ring->name, "%s", name);
    ring->state = RING_PENDING;
    ring->seen_ns = ring->retry_due_ns = ingest->now_ns;
    ring->retry_wait_ns = INGEST_RETRY_MIN_NS;
    ingest->pending[ingest->pending_count++] = ring; /* discovery knows at most DISCOVER_NAMES_MAX */
    *slot = ring;
    if (strlen(name) < sizeof ring->name) return;
    remove_pending(ingest, ring);
    ring_reject(ingest, ring, TRACE_ATTACH_BAD_OBJECT, -ENAMETOOLONG);
}

/* Schedules the next check of a ring for this time or earlier. */
static void check_by(struct ingest *ingest, struct ingest_ring *ring, uint64_t due_ns) {
    struct attached *attached = &ingest->attached[ring->slot];
    if (attached->check_due_ns > due_ns) attached->check_due_ns = due_ns;
}

static void on_closed(void *arg, const char *name, void *slot) {
    struct ingest *ingest = arg;
    struct ingest_ring *ring = slot;
    (void)name;
    if (!ring) return;
    if (ring->state == RING_ATTACHED) check_by(ingest, ring, ingest->now_ns + INGEST_CLOSED_NS);
    ring_not_closed_by(ring, ingest->heard_before_ns);
    ring->close_seen = true;
}

static void on_vanished(void *arg, const char *name, void *slot) {
    struct ingest *ingest = arg;
    struct ingest_ring *ring = slot;
    (void)name;
    if (!ring) return;
    ring->name_gone = true;
    ring->close_seen = true;            /* nor does discovery see it any more */
    if (ring->state == RING_ATTACHED) { /* its memory is still mapped: check whether the node died, and continue */
        check_by(ingest, ring, 0);
        return;
    }
    if (ring->state == RING_PENDING) remove_pending(ingest, ring);
    if (ring->has_node) {
        nodes_forget(ingest->config.nodes, ring->node_index);
        ingest->changed = true;
    }
    free(ring);
}

static void try_pending(struct ingest *ingest) {
    for (uint32_t i = ingest->pending_count; i-- > 0;) /* backwards: a ring that is removed is replaced by the last */
        if (ingest->pending[i]->retry_due_ns <= ingest->now_ns) try_attach(ingest, ingest->pending[i]);
}

/* ---- a pass -------------------------------------------------------------------------------------------------------------- */

static void end_ring(struct ingest *ingest, struct ingest_ring *ring) {
    uint32_t last = --ingest->attached_count;
    ring_end(ingest, ring);
    ingest->attached[ring->slot] = ingest->attached[last];
    ingest->attached[ring->slot].ring->slot = ring->slot;
    if (ring->name_gone) free(ring);
}

/* When to poll a ring again: in the next pass, unless it is silent while others are busy. */
static uint64_t pause_ns(const struct ingest *ingest) {
    uint64_t pause_ns = INGEST_SILENT_NS + ingest->attached_count * INGEST_SILENT_RING_NS;
    if (ingest->now_ns - ingest->activity_ns >= INGEST_QUIET_NS) return 0;
    return pause_ns < INGEST_WAIT_MAX_NS ? pause_ns : INGEST_WAIT_MAX_NS;
}

/* Polls one ring, including its checks.  Returns the number of events. */
static uint64_t visit(struct ingest *ingest, struct attached *attached, bool *ret_more) {
    struct ingest_ring *ring = attached->ring;
    uint64_t found;
    bool more = false;
    /* before draining, so that a dead node's last events come in this pass */
    if (attached->check_due_ns <= ingest->now_ns && ring->end == NODE_LIVE) attached->check_due_ns = ring_check(ingest, ring);
    found = ring_drain(ingest, ring, &more);
    *ret_more |= more;
    if (trace_reader_broken(ring->reader) || (ring->end != NODE_LIVE && !more)) {
        end_ring(ingest, ring);
        return found;
    }
    attached->watched = !more && ring_silence_ns(ingest, ring) >= INGEST_QUIET_NS;
    attached->look_due_ns = attached->watched ? ingest->now_ns + pause_ns(ingest) : 0;
    if (attached->watched) trace_reader_watch(ring->reader, ring->lanes_used, &attached->watch);
    return found;
}

/* Was it silent, and is it still?  Then only the words of the watch are read.  Anything else waits for the next check. */
static bool is_silent(struct ingest *ingest, struct attached *attached) {
    if (!attached->watched || attached->check_due_ns <= ingest->now_ns || trace_watch_stirs(&attached->watch)) return false;
    attached->look_due_ns = ingest->now_ns + pause_ns(ingest);
    return true;
}

/* Events after a quiet period: other rings may have late ones, too. */
static void rouse(struct ingest *ingest) {
    for (uint32_t i = 0; i < ingest->attached_count; i++) ingest->attached[i].look_due_ns = 0;
}

/* Visits the rings that are due, starting at the cursor and wrapping around, until INGEST_PASS_EVENTS.  A ring that was moved
 * to the place of one that ended comes last.  Returns true if there is more to do now. */
static bool visit_rings(struct ingest *ingest) {
    bool was_quiet = ingest->now_ns - ingest->activity_ns >= INGEST_QUIET_NS;
    uint64_t found = 0;
    bool more = false;
    for (uint32_t left = ingest->attached_count; left > 0 && found < INGEST_PASS_EVENTS; left--) {
        if (ingest->cursor >= ingest->attached_count) ingest->cursor = 0;
        struct attached *attached = &ingest->attached[ingest->cursor++];
        if (attached->look_due_ns <= ingest->now_ns && !is_silent(ingest, attached)) found += visit(ingest, attached, &more);
    }
    if (found == 0) return more;
    ingest->activity_ns = ingest->now_ns;
    if (was_quiet) rouse(ingest);
    return more || was_quiet || found >= INGEST_PASS_EVENTS;
}

/* Those who yield meanwhile get a share for each pass. */
static void publish_behind(struct ingest *ingest) {
    bool was = ingest_is_behind(ingest), is = ingest->now_ns < ingest->calm_ns;
    atomic_store_explicit(&ingest->counters.behind, is, memory_order_relaxed); /* relaxed: a hint, before the wake */
    ingest->changed |= was || is;
}

static struct ingest_sleep_clocks read_sleep_clocks(void) {
    struct ingest_sleep_clocks clocks;
    clocks.before_ns = trace_now_monotonic_ns();
    clocks.boottime_ns = trace_now_ns(CLOCK_BOOTTIME);
    clocks.after_ns = trace_now_monotonic_ns();
    return clocks;
}

bool ingest_slept(int64_t *asleep_max_ns, const struct ingest_sleep_clocks *clocks) {
    int64_t min_ns = (int64_t)(clocks->boottime_ns - clocks->after_ns),
            max_ns = (int64_t)(clocks->boottime_ns - clocks->before_ns);
    if (max_ns < *asleep_max_ns) *asleep_max_ns = max_ns; /* the total never shrinks: this bound held before, too */
    if (min_ns - *asleep_max_ns <= INGEST_ASLEEP_NS) return false;
    *asleep_max_ns = max_ns;
    return true;
}

/* Keeps the step that the clock has just found, for those who judge durations. */
static void keep_step(struct ingest *ingest, bool slept) {
    const struct clock_step step = {.machine = ingest->machine,
                                    .before_ns = ingest->clock.step_before_ns,
                                    .after_ns = ingest->clock.step_after_ns,
                                    .number = (uint8_t)ingest->clock.steps,
                                    .slept = slept};
    clock_steps_add(nodes_clock_steps(ingest->config.nodes), &step);
}

static void update_clock(struct ingest *ingest) {
    const struct ingest_sleep_clocks clocks = read_sleep_clocks();
    uint64_t steps = ingest->clock.steps, restarts = ingest->clock.restarts;
    int64_t offset_ns = ingest->clock.unix_offset_ns;
    bool slept = ingest_slept(&ingest->asleep_max_ns, &clocks);
    if (ingest->now_ns < ingest->clock_due_ns && !slept) return;
    ingest->read_unix_ns = 0; /* the system time may have been set back */
    if (trace_clock_update(&ingest->clock, trace_clock_read())) {
        bool back = ingest->clock.step_after_ns < ingest->clock.step_before_ns; /* no sleep does that */
        bool stopped = (ingest->clock.restarts != restarts || slept) && !back;
        keep_step(ingest, stopped);
        ingest_say(ingest, INGEST_ABOUT_US, LOG_LEVEL_WARNING, "%s %.3f s",
                   stopped ? "the machine slept, or was stopped, for" : "the system time was stepped by",
                   (double)(ingest->clock.unix_offset_ns - offset_ns) / 1e9);
    }
    ingest->clock_due_ns = ingest->now_ns + trace_clock_interval_ns(&ingest->clock);
    ingest_add(&ingest->counters.clock_steps, ingest->clock.steps - steps);
    double hz = trace_clock_tsc_usable() ? 1e9 / ingest->clock.ns_per_tick : 0;
    atomic_store_explicit(&ingest->counters.clock_hz, hz, memory_order_relaxed); /* relaxed: one value */
}

uint64_t ingest_wait_ns(uint64_t quiet_ns) {
    static const struct {
        uint64_t quiet_ns, wait_ns;
    } steps[] = {{INGEST_QUIET_NS, INGEST_WAIT_BUSY_NS}, {100000000, 1000000}, {1000000000, 2000000}};
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
        if (quiet_ns < steps[i].quiet_ns) return steps[i].wait_ns;
    return INGEST_WAIT_MAX_NS;
}

uint64_t ingest_pass(struct ingest *ingest, bool readable, uint64_t now_ns) {
    ingest->now_ns = now_ns;
    ingest->changed = false;

    update_clock(ingest);
    discover_run(ingest->discover, readable, now_ns);
    if (discover_has_missed(ingest->discover)) ingest->heard_ns = 0;
    try_pending(ingest);
    rejected_sweep(ingest);
    if (ingest->config.control) control_serve(ingest->config.control, ingest_control, ingest);
    bool more = visit_rings(ingest);
    publish_behind(ingest);

    if (ingest->changed) ingest->config.wake(ingest->config.arg);
    if (more) return 0;
    uint64_t wait_ns = ingest_wait_ns(now_ns - ingest->activity_ns);
    for (uint32_t i = 0; i < ingest->pending_count; i++) {
        uint64_t due_ns = ingest->pending[i]->retry_due_ns;
        if (due_ns < now_ns + wait_ns) wait_ns = due_ns > now_ns ? due_ns - now_ns : INGEST_WAIT_MIN_NS;
    }
    return wait_ns;
}

int ingest_init(struct ingest *ingest, const struct ingest_config *config, bool watch) {
    static const struct timespec pause = {.tv_nsec = 5000000};
    struct discover_handler handler = {
        .appeared = on_appeared, .vanished = on_vanished, .closed = on_closed, .arg = ingest, .uid = config->uid};
    const struct ingest_sleep_clocks clocks = read_sleep_clocks();
    struct trace_clock_sample first = trace_clock_read();
    int result = trace_guard_install();
    if (result < 0) return result;
    ingest->config = *config;
    machine_here(&ingest->machine);
    ingest->asleep_max_ns = (int64_t)(clocks.boottime_ns - clocks.before_ns);
    result = discover_create(&ingest->discover, config->shm_dir, &handler, watch);
    if (result < 0) return result;
    while (nanosleep(&pause, NULL) != 0 && errno == EINTR) {} /* the rate of the clock needs two points */
    trace_clock_init(&ingest->clock, first, trace_clock_read());
    return 0;
}

static void detach_and_free(void *arg, const char *name, void *slot) {
    struct ingest_ring *ring = slot;
    (void)arg;
    (void)name;
    if (!ring) return;
    trace_reader_detach(ring->reader);
    free(ring);
}

void ingest_fini(struct ingest *ingest) {
    if (!ingest->discover) return;
    ingest_say_rest(ingest);
    /* rings whose names have vanished are only in attached[] */
    for (uint32_t i = 0; i < ingest->attached_count; i++)
        if (ingest->attached[i].ring->name_gone) detach_and_free(NULL, NULL, ingest->attached[i].ring);
    discover_each(ingest->discover, detach_and_free);
    discover_destroy(ingest->discover);
    ingest->discover = NULL;
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

/* Sleeps until the next pass is due, the directory changed, or a control request or shutdown came.  Returns false on
 * shutdown. */
static bool sleep_until_due(struct ingest *ingest, uint64_t wait_ns, bool *ret_readable) {
    struct control *control = ingest->config.control;
    struct pollfd fds[] = {{.fd = ingest->stop_fd, .events = POLLIN},
                           {.fd = discover_fd(ingest->discover), .events = POLLIN},
                           {.fd = control ? control_fd(control) : -1, .events = POLLIN}};
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)};
    int ready = ppoll(fds, sizeof fds / sizeof *fds, &timeout, NULL); /* a negative fd is ignored */
    *ret_readable = ready < 0 || fds[1].revents != 0;
    return ready <= 0 || fds[0].revents == 0;
}

static void *run(void *arg) {
    struct ingest *ingest = arg;
    bool readable = true;
    uint64_t wait_ns;

    rcu_register_thread();
    (void)prctl(PR_SET_NAME, "ingest");
    ingest->clock_ns = trace_now_monotonic_ns;
    (void)prctl(PR_SET_TIMERSLACK, 10000UL); /* the default, 50 us, is a fifth of the shortest wait */
    do {
        uint64_t begin_ns = trace_now_monotonic_ns();
        wait_ns = ingest_pass(ingest, readable, begin_ns);
        ingest->heard_before_ns = ingest->heard_ns;
        ingest->heard_ns = trace_now_monotonic_ns(); /* what the next wait does not report happens later */
        if (wait_ns == 0) continue;
        uint64_t spent_ns = ingest->heard_ns - begin_ns;
        wait_ns = wait_ns > spent_ns + INGEST_WAIT_MIN_NS ? wait_ns - spent_ns : INGEST_WAIT_MIN_NS;
    } while (sleep_until_due(ingest, wait_ns, &readable));

    /* Events emitted before the stop are still read, but nodes that keep emitting do not delay us. */
    rouse(ingest);
    uint64_t stop_ns = trace_now_monotonic_ns(), now_ns = stop_ns;
    for (unsigned i = 0; i < 64 && now_ns - stop_ns < INGEST_STOP_NS && ingest_pass(ingest, true, now_ns) == 0; i++)
        now_ns = trace_now_monotonic_ns();
    if (ingest->config.control) control_close(ingest->config.control);
    rcu_unregister_thread();
    return NULL;
}

/* Signals go to the other threads; faults hit the thread that causes them, blocked or not. */
static int start_thread(struct ingest *ingest) {
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = -pthread_create(&ingest->thread, NULL, run, ingest);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int ingest_start(struct ingest **ret_ingest, const struct ingest_config *config) {
    struct ingest *ingest = calloc(1, sizeof *ingest);
    int result;
    if (!ingest) return -ENOMEM;
    ingest->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ingest->stop_fd < 0) {
        result = -errno;
        goto fail_eventfd;
    }
    result = ingest_init(ingest, config, true);
    if (result < 0) goto fail_init;
    result = start_thread(ingest);
    if (result < 0) goto fail_thread;
    *ret_ingest = ingest;
    return 0;

fail_thread:
    ingest_fini(ingest);
fail_init:
    close(ingest->stop_fd);
fail_eventfd:
    free(ingest);
    return result;
}

void ingest_stop(struct ingest *ingest) {
    if (!ingest) return;
    (void)eventfd_write(ingest->stop_fd, 1);
    pthread_join(ingest->thread, NULL);
    ingest_fini(ingest);
    close(ingest->stop_fd);
    free(ingest);
}

bool ingest_is_behind(const struct ingest *ingest) {
    /* relaxed: a hint; who acts on it is woken when it changes */
    return atomic_load_explicit(&ingest->counters.behind, memory_order_relaxed);
}

void ingest_stats(const struct ingest *ingest, struct ingest_stats *ret_stats) {
    const struct ingest_counters *counters = &ingest->counters;
    /* relaxed: single counters, an approximate snapshot */
#define LOAD(member) ret_stats->member = atomic_load_explicit(&counters->member, memory_order_relaxed)
    /* stats:A  Pairs with events:R in publish_events(): the nodes' counters have at least these events. */
    ret_stats->events = atomic_load_explicit(&counters->events, memory_order_acquire);
    LOAD(batches);
    LOAD(unknown_kinds);
    LOAD(nodes_attached);
    LOAD(nodes_rejected);
    LOAD(nodes_left_out);
    for (unsigned i = 0; i < sizeof counters->rejected / sizeof *counters->rejected; i++) LOAD(rejected[i]);
    for (unsigned i = 0; i < TRACE_LOSS_COUNT; i++) LOAD(lost[i]);
    LOAD(clock_steps);
    LOAD(clock_hz);
#undef LOAD
}
