/* SPDX-License-Identifier: MIT
 *
 * The ingest: real rings in a directory of their own, the real history, and passes that the test drives with a simulated time.
 * Only the last tests run the thread. */
#define TRACE_FULL
#include "../helpers/scratch.h"
#include "../helpers/skip.h"
#include "../helpers/userfaultfd.h"
#include "ingest_internal.h"
#include <store/grace.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libtrace/guard.h>
#include <malloc.h>
#include <p2ptrace/trace.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define HISTORY_BYTES (UINT64_C(64) << 20)

static char dir[SCRATCH_BYTES];
static struct history *history;
static struct nodes *nodes;
static struct ingest *ingest;
static uint64_t now_ns;
static uint32_t uid; /* whose rings it reads */
static unsigned wakes, lines;
static char said[8192];
static unsigned fds_before, maps_before;

/* ---- fixture ------------------------------------------------------------------------------------------------------------- */

static unsigned open_files(void) {
    unsigned count = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (readdir(fds) != NULL) count++;
    closedir(fds);
    return count;
}

static unsigned mapped_rings(void) {
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, "/p2ptrace.") != NULL;
    fclose(maps);
    return count;
}

static void wake(void *arg) {
    ck_assert_ptr_eq(arg, &ingest);
    wakes++;
}

static void say(void *arg, enum log_level level, const char *line) {
    size_t at = strlen(said);
    ck_assert_ptr_eq(arg, &ingest);
    lines++;
    snprintf(said + at, sizeof said - at, "%s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", line);
}

static void open_ingest_with(bool watch) {
    struct ingest_config config = {
        .shm_dir = dir, .uid = uid, .history = history, .nodes = nodes, .wake = wake, .say = say, .arg = &ingest};
    ingest = calloc(1, sizeof *ingest);
    ck_assert_int_eq(ingest_init(ingest, &config, watch), 0);
}

static void open_ingest(void) { open_ingest_with(true); }

static void close_ingest(void) {
    if (!ingest) return;
    ingest_fini(ingest);
    free(ingest);
    ingest = NULL;
}

static void setup(void) {
    rcu_register_thread();
    ck_assert_int_eq(trace_guard_install(), 0); /* keeps a descriptor */
    fds_before = open_files();
    maps_before = mapped_rings();
    ck_assert_ptr_nonnull(make_shm_scratch(dir));
    ck_assert_int_eq(setenv("P2PTRACE_SHM_DIR", dir, 1), 0);
    ck_assert_int_eq(history_create(&history, HISTORY_BYTES), 0);
    ck_assert_int_eq(nodes_create(&nodes, NULL), 0);
    now_ns = trace_clock_read().monotonic_ns;
    uid = (uint32_t)geteuid();
    open_ingest();
}

static void teardown(void) {
    char command[128];
    close_ingest();
    history_destroy(history);
    nodes_destroy(nodes);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert_uint_eq(open_files(), fds_before);
    ck_assert_uint_eq(mapped_rings(), maps_before);
    rcu_unregister_thread();
}

static uint64_t pass(void) {
    struct pollfd pollfd = {.fd = discover_fd(ingest->discover), .events = POLLIN};
    bool readable = pollfd.fd >= 0 && poll(&pollfd, 1, 0) == 1;
    now_ns += 2 * MS;
    return ingest_pass(ingest, readable, now_ns);
}

/* As many passes as needed to do everything that depends on time. */
static void settle(void) {
    for (unsigned i = 0; i < 60; i++) pass();
}

static void pass_time(uint64_t ns) {
    for (uint64_t end_ns = now_ns + ns; now_ns < end_ns;) pass();
}

/* ---- nodes under test ---------------------------------------------------------------------------------------------------- */

static int try_open_log(struct trace_log **ret_log, const char *name, uint32_t lane_events, enum trace_policy policy) {
    struct trace_log_options options = {.node_name = name, .policy = policy};
    memset(&options.node_id, 0x11, sizeof options.node_id);
    memcpy(&options.node_id, name, strlen(name) < 16 ? strlen(name) : 16);
    return trace__log_open(ret_log, &options, lane_events);
}

static struct trace_log *open_log_with(const char *name, uint32_t lane_events, enum trace_policy policy) {
    struct trace_log *log;
    ck_assert_int_eq(try_open_log(&log, name, lane_events, policy), 0);
    return log;
}

static struct trace_log *open_log(const char *name) { return open_log_with(name, 1024, TRACE_OVERWRITE_OLDEST); }

static void emit(struct trace_log *log, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) TRACE_CUSTOM(log, NULL, NULL, 7, i, NULL, 0);
}

static struct node *node_named(const char *name) {
    for (uint32_t i = nodes_count(nodes); i-- > 0;) {
        struct node *node = nodes_at(nodes, i);
        if (node && strcmp(node->info.node_name, name) == 0) return node;
    }
    return NULL;
}

static uint64_t lost_of(const struct node *node) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < TRACE_LOSS_COUNT; i++) sum += node->lost[i];
    return sum;
}

static void assert_settled(const struct node *node, uint64_t emitted, uint64_t indexed) {
    ck_assert_uint_eq(node->emitted, emitted);
    ck_assert_uint_eq(node->indexed, indexed);
    ck_assert_uint_eq(lost_of(node), emitted - indexed);
}

/* The event at a position of the history, which must be there. */
static struct trace_event at(uint64_t position, history_source *ret_source) {
    struct trace_event event;
    grace_read_lock();
    struct history_item item;
    ck_assert(history_at(history, position, &item));
    event = *item.event;
    *ret_source = item.source;
    grace_read_unlock();
    return event;
}

/* The history's events from `position` on are custom events with codes from ... to - 1, of that source. */
static void assert_codes(uint64_t position, history_source source, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++, position++) {
        history_source found;
        struct trace_event event = at(position, &found);
        ck_assert_uint_eq(event.kind, TRACE_KIND_CUSTOM);
        ck_assert_uint_eq(event.data.custom.code, i);
        ck_assert_uint_eq(event.sequence, i);
        ck_assert_uint_eq(found, source);
    }
}

static void assert_gap(struct trace_event event, uint64_t first, uint64_t count, enum trace_loss cause) {
    ck_assert_uint_eq(event.kind, TRACE_KIND_EVENTS_LOST);
    ck_assert_uint_eq(event.data.events_lost.first, first);
    ck_assert_uint_eq(event.data.events_lost.count, count);
    ck_assert_uint_eq(event.data.events_lost.cause, cause);
    ck_assert_uint_eq(event.sequence, (uint32_t)first);
    ck_assert_uint_eq(event.flags, 0);
}

static const char *path(const char *name) {
    static char text[512];
    snprintf(text, sizeof text, "%s/%s", dir, name);
    return text;
}

static bool exists(const char *object_name) {
    struct stat status;
    return lstat(path(object_name), &status) == 0;
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

START_TEST(nodes_that_were_there_before_and_that_come_later_are_found) {
    struct trace_log *before = open_log("before"), *after;
    emit(before, 0, 3);
    pass();
    after = open_log("after");
    emit(after, 0, 2);
    pass();
    ck_assert_uint_eq(node_named("before")->indexed, 3);
    ck_assert_uint_eq(node_named("after")->indexed, 2);
    ck_assert_uint_eq(node_named("after")->state, NODE_LIVE);
    ck_assert_int_eq(node_named("after")->info.pid, getpid());
    ck_assert_uint_eq(ingest->counters.nodes_attached, 2);
    ck_assert_ptr_nonnull(strstr(said, "node before"));
    ck_assert_ptr_nonnull(strstr(said, "node after"));
    trace_log_close(before);
    trace_log_close(after);
}
END_TEST

START_TEST(events_come_complete_in_order_and_once) {
    struct trace_log *log = open_log("alice");
    uint64_t begin_ns, end_ns, last_ns = 0;
    pass();
    begin_ns = trace_clock_read().unix_ns;
    for (uint32_t i = 0; i < 7000; i += 700) {
        emit(log, i, i + 700);
        pass();
        pass();
    }
    end_ns = trace_clock_read().unix_ns;
    ck_assert_uint_eq(history_end_position(history), 7000);
    assert_codes(0, history_source_make(0, 0), 0, 7000);
    for (uint64_t i = 0; i < 7000; i++) {
        history_source source;
        uint64_t time_ns = at(i, &source).timestamp;
        ck_assert_uint_ge(time_ns, last_ns);
        last_ns = time_ns;
        /* the clock's slope comes from 5 ms; the time-stamps are true to well below a second */
        ck_assert(time_ns + 1000 * MS > begin_ns && time_ns < end_ns + 1000 * MS);
    }
    ck_assert_uint_eq(node_named("alice")->last_unix_ns, last_ns);
    assert_settled(node_named("alice"), 7000, 7000);
    ck_assert_uint_eq(ingest->counters.events, 7000);
    trace_log_close(log);
}
END_TEST

START_TEST(events_come_complete_over_the_end_of_a_segment) {
    struct trace_log *log = open_log_with("alice", 65536, TRACE_OVERWRITE_OLDEST);
    emit(log, 0, 300);
    pass();
    for (uint32_t i = 300; i < 100300; i += 20000) {
        emit(log, i, i + 20000);
        while (pass() == 0) {}
    }
    ck_assert_uint_eq(history_end_position(history), 100300);
    assert_codes(0, history_source_make(0, 0), 0, 100300);
    assert_settled(node_named("alice"), 100300, 100300);
    trace_log_close(log);
}
END_TEST

START_TEST(a_node_that_exits_is_drained_and_its_object_removed) {
    struct trace_log *log = open_log("alice");
    char name[128];
    snprintf(name, sizeof name, "%s", trace_log_name(log) + 1);
    pass();
    emit(log, 0, 500);
    trace_log_close(log);
    ck_assert(exists(name));
    settle();
    ck_assert(!exists(name));
    ck_assert_uint_eq(node_named("alice")->state, NODE_EXITED);
    assert_settled(node_named("alice"), 500, 500);
    assert_codes(0, history_source_make(0, 0), 0, 500);
    ck_assert_uint_eq(discover_count(ingest->discover), 0);
    ck_assert_uint_eq(ingest->attached_count, 0);
    ck_assert_ptr_nonnull(strstr(said, "exited: 500 events emitted, 500 indexed, 0 lost"));
}
END_TEST

START_TEST(a_node_that_died_before_the_ingest_began_is_drained_at_once) {
    struct trace_log *log = open_log("alice");
    emit(log, 0, 500);
    trace_log_close(log);
    pass();
    ck_assert_uint_eq(node_named("alice")->state, NODE_EXITED);
    assert_settled(node_named("alice"), 500, 500);
}
END_TEST

/* A process started by spawn(): it opens a log, emits, reports that, and waits to be killed. */
static int be_a_node(const char *name, uint32_t count) {
    struct trace_log *log;
    if (try_open_log(&log, name, 1024, TRACE_OVERWRITE_OLDEST)) return 1; /* Check's assertions work only in tests */
    emit(log, 0, count);
    if (write(STDOUT_FILENO, "x", 1) != 1) return 1;
    for (;;) pause();
}

/* Starts a node in its own process, and returns when it has emitted.  Uses exec, not only fork: the history has a thread,
 * which may hold a lock of the allocator at that moment, and a forked child would wait for it forever (seen with the address
 * sanitizer). */
static pid_t spawn(const char *name, uint32_t count) {
    char program[] = "test_ingest", role[] = "node", node_name[32], number[16], byte;
    char *arguments[] = {program, role, node_name, number, NULL};
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid;
    snprintf(node_name, sizeof node_name, "%s", name);
    snprintf(number, sizeof number, "%u", count);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    ck_assert_int_eq(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

START_TEST(a_killed_node_has_crashed_and_all_it_committed_is_kept) {
    pid_t pid = spawn("alice", _i == 0 ? 0 : 900);
    if (_i == 2) pass(); /* attached and half drained before, or first found when dead */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    settle();
    ck_assert_uint_eq(node_named("alice")->state, NODE_CRASHED);
    ck_assert_int_eq(node_named("alice")->info.pid, pid);
    assert_settled(node_named("alice"), _i == 0 ? 0 : 900, _i == 0 ? 0 : 900);
    ck_assert_uint_eq(history_end_position(history), _i == 0 ? 0 : 900);
    ck_assert_uint_eq(discover_count(ingest->discover), 0);
    ck_assert_ptr_nonnull(strstr(said, "ended without closing its log"));
}
END_TEST

/* Unix time of a moment on a clock, as the ingest has it. */
static uint64_t unix_of(uint64_t ticks, enum trace_clock_source source) {
    const struct trace_ring_clock clock = {.source = source};
    return trace_clock_unix_ns(&ingest->clock, &clock, ticks);
}

static uint64_t monotonic_now(void) { return trace_clock_read().monotonic_ns; }

/* What the thread does between two passes. */
static void hear(void) {
    ingest->heard_before_ns = ingest->heard_ns;
    ingest->heard_ns = monotonic_now();
}

/* Discovery tells of each close.  So a node that was seen live lived until it last told of nothing; without it, until the last
 * look at its lock. */
START_TEST(a_killed_node_ended_after_it_was_last_known_to_live_and_before_that_was_noticed) {
    bool watched = _i == 0;
    if (!watched) {
        close_ingest();
        open_ingest_with(false);
    }
    pid_t pid = spawn("alice", 900);
    pass();
    uint64_t looked_ns = monotonic_now();
    for (unsigned i = 0; i < 3; i++) {
        hear();
        pass();
    }
    hear();
    uint64_t heard_ns = ingest->heard_before_ns;
    if (watched) ck_assert_uint_gt(heard_ns, looked_ns);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    uint64_t gone_ns = monotonic_now();
    hear(); /* it ended during the pass before */
    pass_time(1000 * MS);
    const struct node *node = node_named("alice");
    ck_assert_uint_eq(node->state, NODE_CRASHED);
    ck_assert_uint_ge(node->ended_after_ns, node->last_unix_ns);
    if (watched) ck_assert_uint_ge(node->ended_after_ns, unix_of(heard_ns, TRACE_CLOCK_MONOTONIC));
    ck_assert_uint_lt(node->ended_after_ns, unix_of(watched ? gone_ns : looked_ns, TRACE_CLOCK_MONOTONIC));
    ck_assert_uint_ge(node->ended_by_ns, unix_of(gone_ns, TRACE_CLOCK_MONOTONIC));
    ck_assert_uint_le(node->ended_by_ns, unix_of(monotonic_now(), TRACE_CLOCK_MONOTONIC));
}
END_TEST

START_TEST(of_a_node_that_was_found_dead_only_its_last_event_is_known) {
    pid_t pid = spawn("alice", 900);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    hear();
    hear();
    settle();
    ck_assert_uint_eq(node_named("alice")->state, NODE_CRASHED);
    ck_assert_uint_eq(node_named("alice")->ended_after_ns, 0);
    ck_assert_uint_eq(node_named("alice")->ended_by_ns, 0);
}
END_TEST

/* Whether it was seen live before, or not. */
START_TEST(a_log_that_was_closed_ended_when_it_says) {
    enum trace_clock_source source = trace_clock_tsc_usable() ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC;
    struct trace_log *log = open_log("alice");
    emit(log, 0, 3);
    if (_i == 0) pass();
    struct trace_clock_sample before = trace_clock_read();
    trace_log_close(log);
    struct trace_clock_sample after = trace_clock_read();
    settle();
    const struct node *node = node_named("alice");
    ck_assert_uint_eq(node->state, NODE_EXITED);
    ck_assert_uint_eq(node->ended_after_ns, node->ended_by_ns);
    bool tsc = source == TRACE_CLOCK_TSC;
    ck_assert_uint_ge(node->ended_by_ns, unix_of(tsc ? before.ticks : before.monotonic_ns, source));
    ck_assert_uint_le(node->ended_by_ns, unix_of(tsc ? after.ticks : after.monotonic_ns, source));
}
END_TEST

START_TEST(an_event_that_a_dead_node_never_committed_is_reported_as_unfinished) {
    struct trace_log *log = open_log("alice");
    emit(log, 0, 10);
    (void)trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM); /* reserved, marked, never committed */
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 10);
    trace_log_close(log);
    settle();
    assert_settled(node_named("alice"), 10, 10);
    ck_assert_uint_eq(node_named("alice")->unfinished, 1);
}
END_TEST

START_TEST(a_lapped_ring_reports_exactly_what_it_lost) {
    struct trace_log *log = open_log_with("alice", 64, TRACE_OVERWRITE_OLDEST);
    history_source source;
    emit(log, 0, 10);
    pass();
    emit(log, 10, 1000);
    pass();
    /* 10 read, then the last 64 are left */
    assert_codes(0, history_source_make(0, 0), 0, 10);
    struct trace_event gap = at(10, &source);
    ck_assert_uint_eq(source, history_source_make(0, 0));
    assert_gap(gap, 10, 1000 - 64 - 10, TRACE_LOSS_OVERWRITTEN);
    ck_assert_uint_eq(gap.timestamp, at(11, &source).timestamp);
    assert_codes(11, history_source_make(0, 0), 1000 - 64, 1000);
    ck_assert_uint_eq(history_end_position(history), 10 + 1 + 64);
    assert_settled(node_named("alice"), 1000, 74);
    ck_assert_uint_eq(node_named("alice")->lost[TRACE_LOSS_OVERWRITTEN], 926);
    ck_assert_uint_eq(ingest->counters.lost[TRACE_LOSS_OVERWRITTEN], 926);
    ck_assert_uint_eq(ingest->counters.events, 74);
    trace_log_close(log);
    settle();
    assert_settled(node_named("alice"), 1000, 74);
}
END_TEST

START_TEST(a_ring_lapped_before_it_was_found_reports_what_it_lost) {
    struct trace_log *log = open_log_with("alice", 64, TRACE_OVERWRITE_OLDEST);
    history_source source;
    emit(log, 0, 1000);
    pass();
    assert_gap(at(0, &source), 0, 1000 - 64, TRACE_LOSS_BEFORE_ATTACH);
    assert_codes(1, history_source_make(0, 0), 1000 - 64, 1000);
    assert_settled(node_named("alice"), 1000, 64);
    trace_log_close(log);
}
END_TEST

START_TEST(events_that_a_full_ring_discarded_are_reported) {
    struct trace_log *log = open_log_with("alice", 64, TRACE_DISCARD_NEWEST);
    history_source source;
    emit(log, 0, 100); /* 36 too many */
    pass();
    assert_codes(0, history_source_make(0, 0), 0, 64);
    assert_gap(at(64, &source), 64, 36, TRACE_LOSS_DISCARDED);
    assert_settled(node_named("alice"), 100, 64);
    TRACE_CUSTOM(log, NULL, NULL, 7, 64, NULL, 0); /* there is room again */
    pass();
    assert_codes(65, history_source_make(0, 0), 64, 65);
    assert_settled(node_named("alice"), 101, 65);
    settle();
    ck_assert_uint_eq(history_end_position(history), 66); /* reported once */
    ck_assert_uint_eq(ingest->counters.lost[TRACE_LOSS_DISCARDED], 36);
    trace_log_close(log);
}
END_TEST

START_TEST(losses_of_a_full_ring_are_reported_after_all_that_it_kept) {
    struct trace_log *log = open_log_with("alice", 16384, TRACE_DISCARD_NEWEST); /* more than one pass takes */
    history_source source;
    emit(log, 0, 16384 + 10);
    while (pass() == 0) {}
    assert_codes(0, history_source_make(0, 0), 0, 16384);
    assert_gap(at(16384, &source), 16384, 10, TRACE_LOSS_DISCARDED);
    assert_settled(node_named("alice"), 16394, 16384);
    trace_log_close(log);
}
END_TEST

static void poke(const struct trace_log *log, size_t offset, const void *value, size_t bytes) {
    int fd = open(path(trace_log_name(log)), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, value, bytes, (off_t)offset), (ssize_t)bytes);
    close(fd);
}

START_TEST(a_lane_behind_a_free_one_is_found_too) {
    struct trace_log *log = open_log("alice");
    uint32_t state = TRACE_LANE_RETURNED;
    pass();
    ck_assert_uint_eq(node_named("alice")->lanes_used, 1);
    poke(log,
         offsetof(struct trace_shm_header, lanes) + 5 * sizeof(struct trace_shm_lane) + offsetof(struct trace_shm_lane, state),
         &state, sizeof state);
    settle();
    ck_assert_uint_eq(node_named("alice")->lanes_used, 2);
    trace_log_close(log);
}
END_TEST

START_TEST(events_of_threads_without_a_lane_are_reported) {
    struct trace_log *log = open_log("alice");
    uint64_t count = 5;
    history_source source;
    pass();
    poke(log, offsetof(struct trace_shm_header, no_lane), &count, sizeof count);
    settle();
    assert_gap(at(0, &source), 0, 5, TRACE_LOSS_NO_LANE);
    ck_assert_uint_eq(history_end_position(history), 1);
    assert_settled(node_named("alice"), 5, 0);
    ck_assert_uint_eq(node_named("alice")->lost[TRACE_LOSS_NO_LANE], 5);
    trace_log_close(log);
    settle();
    assert_settled(node_named("alice"), 5, 0);
}
END_TEST

START_TEST(unknown_kinds_are_kept_and_counted_and_ours_are_invalid) {
    struct trace_log *log = open_log("alice");
    history_source source;
    trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 77));
    trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_EVENTS_LOST));
    trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 1000));
    pass();
    ck_assert_uint_eq(at(0, &source).kind, 77);
    assert_gap(at(1, &source), 1, 1, TRACE_LOSS_INVALID);
    ck_assert_uint_eq(at(2, &source).kind, 1000);
    ck_assert_uint_eq(ingest->counters.unknown_kinds, 2);
    assert_settled(node_named("alice"), 3, 2);
    trace_log_close(log);
}
END_TEST

START_TEST(consecutive_losses_are_one_report_per_cause) {
    struct trace_log *log = open_log_with("alice", 64, TRACE_OVERWRITE_OLDEST);
    history_source source;
    emit(log, 0, 80); /* 16 lost before; then 64, of which the last 3 are: invalid, invalid, good */
    trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 0));
    trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 0));
    emit(log, 82, 83);
    pass();
    assert_gap(at(0, &source), 0, 19, TRACE_LOSS_BEFORE_ATTACH);
    assert_codes(1, history_source_make(0, 0), 19, 80);
    assert_gap(at(62, &source), 80, 2, TRACE_LOSS_INVALID);
    assert_codes(63, history_source_make(0, 0), 82, 83);
    assert_settled(node_named("alice"), 83, 62);
    trace_log_close(log);
}
END_TEST

static void *emit_from_thread(void *log) {
    emit(log, 0, 800);
    return NULL;
}

/* Otherwise a time in the future would be the newest as long as the event is in the history. */
START_TEST(an_event_from_the_future_gets_the_time_of_reading_and_a_flag) {
    static const uint64_t late_ticks[] = {UINT64_C(1) << 36, UINT64_C(1) << 50, UINT64_MAX / 2};
    struct trace_log *log = open_log("alice");
    history_source source;
    emit(log, 0, 1);
    struct trace__slot slot = trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM);
    slot.event->timestamp += late_ticks[_i];
    trace__commit(slot);
    emit(log, 2, 3);
    pass();
    uint64_t now = trace_clock_read().unix_ns;
    ck_assert_uint_eq(history_end_position(history), 3);
    ck_assert_uint_eq(at(0, &source).flags & TRACE_FLAG_FUTURE, 0);
    ck_assert_uint_eq(at(1, &source).flags & TRACE_FLAG_FUTURE, TRACE_FLAG_FUTURE);
    ck_assert_uint_eq(at(2, &source).flags & TRACE_FLAG_FUTURE, 0);
    ck_assert_uint_le(at(1, &source).timestamp, now + 1000 * MS);
    ck_assert_uint_le(node_named("alice")->last_unix_ns, now + 1000 * MS);
    trace_log_close(log);
}
END_TEST

/* Many losses: one read does not skip all of them, and they must not fill the history. */
START_TEST(a_long_row_of_losses_is_one_event) {
    struct trace_log *log = open_log_with("alice", 8192, TRACE_OVERWRITE_OLDEST);
    history_source source;
    emit(log, 0, 10);
    for (unsigned i = 0; i < 5000; i++) trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 0));
    emit(log, 5010, 5020);
    settle();
    ck_assert_uint_eq(history_end_position(history), 21);
    assert_codes(0, history_source_make(0, 0), 0, 10);
    assert_gap(at(10, &source), 10, 5000, TRACE_LOSS_INVALID);
    assert_codes(11, history_source_make(0, 0), 5010, 5020);
    assert_settled(node_named("alice"), 5020, 20);
    trace_log_close(log);
}
END_TEST

/* Work that only costs time counts as well: a pass ends, and the others get their turn. */
START_TEST(losses_count_towards_the_budget_of_a_pass) {
    struct trace_log *log = open_log_with("alice", 65536, TRACE_OVERWRITE_OLDEST);
    for (unsigned i = 0; i < 60000; i++) trace__commit(trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 0));
    ck_assert_uint_eq(pass(), 0); /* there is more */
    const struct node *node = node_named("alice");
    ck_assert_uint_ge(node->lost[TRACE_LOSS_INVALID], INGEST_LANE_EVENTS / 2);
    ck_assert_uint_le(node->lost[TRACE_LOSS_INVALID], INGEST_LANE_EVENTS + 2 * INGEST_BATCH_EVENTS);
    settle();
    ck_assert_uint_eq(node->lost[TRACE_LOSS_INVALID], 60000);
    trace_log_close(log);
}
END_TEST

START_TEST(nodes_and_lanes_are_kept_apart) {
    /* a lane that a thread leaves is taken by the next: room for all of them */
    struct trace_log *alice = open_log_with("alice", 4096, TRACE_OVERWRITE_OLDEST);
    struct trace_log *bob = open_log_with("bob", 4096, TRACE_OVERWRITE_OLDEST);
    pthread_t threads[4];
    uint32_t next[2][4] = {{0}};
    pass();
    for (unsigned i = 0; i < 4; i++) pthread_create(&threads[i], NULL, emit_from_thread, i % 2 ? alice : bob);
    emit_from_thread(alice);
    for (unsigned i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    pass();
    assert_settled(node_named("alice"), 2400, 2400);
    assert_settled(node_named("bob"), 1600, 1600);
    ck_assert_uint_ge(node_named("alice")->lanes_used, 2);
    ck_assert_uint_eq(history_end_position(history), 4000);
    for (uint64_t i = 0; i < 4000; i++) { /* within a lane each event follows the previous one */
        history_source source;
        struct trace_event event = at(i, &source);
        uint32_t *expected = &next[history_source_node(source)][history_source_lane(source)];
        ck_assert_uint_eq(event.sequence, *expected);
        ++*expected;
    }
    trace_log_close(alice);
    trace_log_close(bob);
}
END_TEST

START_TEST(descriptions_of_applications_are_there_with_their_first_event) {
    struct trace_log *log = open_log("alice");
    struct trace_app app = {.app_id = "DMAP", .name = "DataMap", .command_count = 1};
    app.commands[0].cmd = 2;
    strcpy(app.commands[0].name, "GET_CHUNK");
    pass();
    ck_assert_int_eq(trace_log_register_app(log, &app), 0);
    TRACE_APP_COMMAND(log, NULL, NULL, "DMAP", 2, NULL, 0);
    pass();
    ck_assert_uint_eq(history_end_position(history), 1);
    const struct trace_app *found = nodes_app(node_named("alice"), "DMAP");
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->commands[0].name, "GET_CHUNK");

    memcpy(app.app_id, "CHAT", 4);
    ck_assert_int_eq(trace_log_register_app(log, &app), 0);
    settle(); /* without an event it comes a little later */
    ck_assert_ptr_nonnull(nodes_app(node_named("alice"), "CHAT"));
    ck_assert_uint_eq(node_named("alice")->app_count, 2);
    trace_log_close(log);
}
END_TEST

/* ---- bad objects --------------------------------------------------------------------------------------------------------- */

#define BAD "p2ptrace.1.2.bad"

static void make_file(const char *name, size_t bytes, const void *content, size_t content_bytes) {
    int fd = open(path(name), O_CREAT | O_EXCL | O_RDWR, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    ck_assert_int_eq(pwrite(fd, content, content_bytes, 0), (ssize_t)content_bytes);
    close(fd);
}

/* A valid header, created by the library elsewhere. */
static struct trace_shm_header good_header(uint64_t *ret_object_bytes) {
    struct trace_shm_header header;
    char elsewhere[SCRATCH_BYTES], command[SCRATCH_BYTES + 16];
    ck_assert_ptr_nonnull(make_shm_scratch(elsewhere));
    setenv("P2PTRACE_SHM_DIR", elsewhere, 1);
    struct trace_log *log = open_log_with("model", 64, TRACE_OVERWRITE_OLDEST);
    setenv("P2PTRACE_SHM_DIR", dir, 1);
    char object[256];
    snprintf(object, sizeof object, "%s%s", elsewhere, trace_log_name(log));
    int fd = open(object, O_RDONLY);
    ck_assert_int_eq(read(fd, &header, sizeof header), sizeof header);
    close(fd);
    trace_log_close(log);
    snprintf(command, sizeof command, "rm -rf %s", elsewhere);
    ck_assert_int_eq(system(command), 0);
    *ret_object_bytes = header.object_bytes;
    return header;
}

static void make_symlink(void) { ck_assert_int_eq(symlink("/dev/null", path(BAD)), 0); }
static void make_fifo(void) { ck_assert_int_eq(mkfifo(path(BAD), 0600), 0); }
static void make_directory(void) { ck_assert_int_eq(mkdir(path(BAD), 0700), 0); }
static void make_short(void) { make_file(BAD, 100, "P2TRACE1", 8); }

static void make_wrong_magic(void) {
    uint64_t bytes;
    struct trace_shm_header header = good_header(&bytes);
    header.magic++;
    make_file(BAD, bytes, &header, sizeof header);
}

static void make_wrong_version(void) {
    uint64_t bytes;
    struct trace_shm_header header = good_header(&bytes);
    header.abi++;
    make_file(BAD, bytes, &header, sizeof header);
}

static void make_wrong_size(void) {
    uint64_t bytes;
    struct trace_shm_header header = good_header(&bytes);
    make_file(BAD, bytes - 1, &header, sizeof header);
}

static void make_wrong_clock(void) {
    uint64_t bytes;
    struct trace_shm_header header = good_header(&bytes);
    header.clock_source = 99;
    make_file(BAD, bytes, &header, sizeof header);
}

static const struct {
    void (*make)(void);
    enum trace_attach_fault fault;
} bad_objects[] = {
    {make_symlink, TRACE_ATTACH_BAD_OBJECT},    {make_fifo, TRACE_ATTACH_BAD_OBJECT},
    {make_directory, TRACE_ATTACH_BAD_OBJECT},  {make_short, TRACE_ATTACH_BAD_SIZE},
    {make_wrong_magic, TRACE_ATTACH_BAD_MAGIC}, {make_wrong_version, TRACE_ATTACH_BAD_VERSION},
    {make_wrong_size, TRACE_ATTACH_BAD_SIZE},   {make_wrong_clock, TRACE_ATTACH_BAD_CLOCK},
};

START_TEST(a_bad_object_is_rejected_once_and_forgotten_with_its_name) {
    struct trace_log *log = open_log("alice");
    bad_objects[_i].make();
    pass();
    lines = 0;
    pass_time(12000 * MS); /* over several scans */
    ck_assert_uint_eq(lines, 0);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 1);
    ck_assert_uint_eq(ingest->counters.rejected[bad_objects[_i].fault], 1);
    ck_assert_ptr_nonnull(strstr(said, "warning: object " BAD " rejected: "));
    ck_assert_ptr_nonnull(strstr(said, trace_attach_fault_text(bad_objects[_i].fault)));
    const struct node *node = node_named(BAD);
    ck_assert_ptr_nonnull(node);
    ck_assert_uint_eq(node->state, NODE_REJECTED);
    ck_assert_str_eq(node->reason, trace_attach_fault_text(bad_objects[_i].fault));

    emit(log, 0, 10); /* no other node is affected */
    settle();
    ck_assert_uint_eq(node_named("alice")->indexed, 10);

    ck_assert_int_eq(remove(path(BAD)), 0);
    pass();
    ck_assert_ptr_null(node_named(BAD));
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 1);
    trace_log_close(log);
}
END_TEST

START_TEST(another_users_objects_are_counted_and_logged_once_a_minute) {
    char name[80];
    close_ingest();
    uid = (uint32_t)geteuid() + 1; /* so that our files belong to another user, with our id in their names */
    open_ingest();
    lines = 0;
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "p2ptrace.%u.%u.stranger", uid, i);
        make_file(name, 0, "", 0);
        pass();
    }
    pass_time(61000 * MS);
    ck_assert_uint_eq(ingest->counters.rejected[TRACE_ATTACH_BAD_OWNER], 500);
    ck_assert_uint_le(lines, 2);
    ck_assert_ptr_nonnull(strstr(said, "500 objects of another user are named like our rings"));
    ck_assert_uint_eq(nodes_count(nodes), 0);
}
END_TEST

START_TEST(a_flood_of_bad_objects_is_a_few_lines_a_minute) {
    char name[80];
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "p2ptrace.%u.%u.bad", uid, i);
        make_file(name, 100, "nothing", 7);
    }
    pass();
    ck_assert_uint_eq(ingest->counters.rejected[TRACE_ATTACH_BAD_SIZE], 500);
    ck_assert_uint_eq(lines, INGEST_REJECTED_LINES);
    pass_time(INGEST_REJECTED_KEPT_NS - 10 * MS);
    ck_assert(exists(name));
    pass_time(INGEST_SWEEP_NS + 20 * MS); /* nobody holds a lock on them */
    ck_assert(!exists(name));
    ck_assert_uint_eq(discover_count(ingest->discover), 0);
    ck_assert_uint_eq(lines, 2 * INGEST_REJECTED_LINES);
    for (unsigned i = 500; i < 600; i++) { /* the removals do not make room for more lines about rejections */
        snprintf(name, sizeof name, "p2ptrace.%u.%u.bad", uid, i);
        make_file(name, 100, "nothing", 7);
    }
    pass();
    ck_assert_uint_eq(lines, 2 * INGEST_REJECTED_LINES);
    pass_time(INGEST_LINES_NS - 19000 * MS);
    ck_assert_uint_eq(lines, 2 * INGEST_REJECTED_LINES + 2);
    ck_assert_ptr_nonnull(strstr(said, "592 more objects were rejected in a minute"));
    ck_assert_ptr_nonnull(strstr(said, "592 more unreadable objects of dead nodes were removed in a minute"));
}
END_TEST

/* Rings are attached and then turn out to lie, or are honest and end: their nodes cannot fill the log either. */
START_TEST(a_flood_of_nodes_is_a_bounded_number_of_lines_a_minute) {
    enum { LANE_HEAD = offsetof(struct trace_shm_header, lanes) + offsetof(struct trace_shm_lane, head) };
    const unsigned liars = INGEST_REJECTED_LINES + 40, honest = INGEST_NODE_LINES + 20;
    const uint64_t lie = UINT64_C(1) << 31;
    pass_time(INGEST_LINES_NS + 10 * MS); /* into the next minute */
    for (unsigned i = 0; i < liars + honest; i++) {
        struct trace_log *log = open_log("many");
        emit(log, 0, 1);
        pass();
        if (i < liars) poke(log, LANE_HEAD, &lie, sizeof lie);
        trace_log_close(log);
        settle();
    }
    ck_assert_uint_eq(ingest->counters.nodes_attached, liars + honest);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, liars);
    ck_assert_uint_eq(lines, INGEST_NODE_LINES + INGEST_REJECTED_LINES + INGEST_NODE_LINES + INGEST_REJECTED_LINES);
    *said = 0;
    pass_time(INGEST_LINES_NS);
    ck_assert_ptr_nonnull(strstr(said, "68 more nodes were attached in a minute"));
    ck_assert_ptr_nonnull(strstr(said, "40 more objects were rejected in a minute"));
    ck_assert_ptr_nonnull(strstr(said, "20 more nodes exited, or ended without closing their logs in a minute"));
}
END_TEST

/* A rejected object stays while its node lives, and where another traced drains. */
START_TEST(the_draining_traced_removes_rejected_objects_of_dead_nodes) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    make_wrong_version();
    int fd = open(path(BAD), O_RDWR);
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    pass_time(INGEST_REJECTED_KEPT_NS + 2 * INGEST_SWEEP_NS);
    ck_assert(exists(BAD));
    close(fd);
    ingest->config.read_only = true;
    pass_time(2 * INGEST_SWEEP_NS);
    ck_assert(exists(BAD));
    ingest->config.read_only = false;
    pass_time(2 * INGEST_SWEEP_NS);
    ck_assert(!exists(BAD));
    ck_assert_ptr_null(node_named(BAD));
}
END_TEST

/* A ring with two names is one node, and its events appear once; even if it is dead, and one name is removed before the other. */
START_TEST(a_hard_link_of_a_ring_is_not_read_again) {
    char other[512];
    struct trace_log *log = open_log("alice");
    char name[80];
    snprintf(name, sizeof name, "%s", trace_log_name(log) + 1);
    snprintf(other, sizeof other, "%s", path("p2ptrace.0.0.link"));
    ck_assert_int_eq(link(path(name), other), 0);
    emit(log, 0, 10);
    settle();
    ck_assert_uint_eq(ingest->counters.nodes_attached, 1);
    ck_assert_uint_eq(ingest->counters.rejected[TRACE_ATTACH_DUPLICATE], 1);
    ck_assert_uint_eq(history_end_position(history), 10);
    trace_log_close(log);
    snprintf(other, sizeof other, "%s", path("p2ptrace.0.0.link2"));
    settle();
    ck_assert_uint_eq(ingest->attached_count, 0);
    char linked[512];
    snprintf(linked, sizeof linked, "%s", path(exists(name) ? name : "p2ptrace.0.0.link")); /* either was read, and went */
    ck_assert_int_eq(link(linked, other), 0); /* a third name, of a ring that has been read to its end */
    pass_time(INGEST_REJECTED_KEPT_NS / 2);
    ck_assert_uint_eq(ingest->counters.nodes_attached, 1);
    ck_assert_uint_eq(history_end_position(history), 10);
    pass_time(INGEST_REJECTED_KEPT_NS + 2 * INGEST_SWEEP_NS); /* none of the names stays forever */
    ck_assert(!exists(name) && !exists("p2ptrace.0.0.link") && !exists("p2ptrace.0.0.link2"));
    ck_assert_uint_eq(ingest->counters.nodes_attached, 1);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_rejected) {
    char name[200] = "p2ptrace.";
    memset(name + strlen(name), 'x', sizeof name - strlen(name) - 1);
    make_file(name, 0, "", 0);
    pass();
    ck_assert_uint_eq(ingest->counters.rejected[TRACE_ATTACH_BAD_OBJECT], 1);
}
END_TEST

START_TEST(an_object_that_gets_ready_later_is_attached) {
    uint64_t bytes;
    struct trace_shm_header header = good_header(&bytes);
    make_file(BAD, 0, "", 0);
    pass();
    ck_assert_uint_eq(ingest->pending_count, 1);
    ck_assert_uint_eq(ingest->counters.nodes_attached, 0);
    ck_assert_uint_lt(pass(), 3 * MS); /* checked again soon */
    ck_assert_int_eq(truncate(path(BAD), (off_t)bytes), 0);
    pass_time(100 * MS);
    ck_assert_uint_eq(ingest->pending_count, 1); /* no magic yet */
    int fd = open(path(BAD), O_RDWR);
    ck_assert_int_eq(pwrite(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
    pass_time(INGEST_RETRY_MAX_NS);
    ck_assert_uint_eq(ingest->pending_count, 0);
    ck_assert_uint_eq(ingest->counters.nodes_attached, 1);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 0);
    ck_assert_ptr_nonnull(strstr(said, "node model")); /* and as nobody holds its lock: */
    ck_assert_uint_eq(node_named("model")->state, NODE_CRASHED);
}
END_TEST

START_TEST(an_object_that_never_gets_ready_is_finally_rejected) {
    make_file(BAD, 0, "", 0);
    pass_time(INGEST_RETRY_END_NS - 10 * MS);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 0);
    pass_time(INGEST_RETRY_MAX_NS + 20 * MS);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 1);
    ck_assert_uint_eq(ingest->counters.rejected[TRACE_ATTACH_NOT_READY], 1);
    ck_assert_str_eq(node_named(BAD)->reason, trace_attach_fault_text(TRACE_ATTACH_NOT_READY));
    lines = 0;
    pass_time(5 * INGEST_RETRY_LATE_NS);
    ck_assert_uint_eq(lines, 0); /* reported once */
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 1);
    ck_assert_int_eq(remove(path(BAD)), 0);
    pass();
    ck_assert_ptr_null(node_named(BAD));
    ck_assert_uint_eq(ingest->pending_count, 0);
}
END_TEST

/* A node that was stopped while it created its log, for longer than we wait at first. */
START_TEST(an_object_that_gets_ready_after_it_was_rejected_is_attached_or_rejected_anew) {
    uint64_t bytes;
    struct trace_shm_header header = good_header(&bytes);
    make_file(BAD, 0, "", 0);
    pass_time(INGEST_RETRY_END_NS + 2 * INGEST_RETRY_LATE_NS);
    ck_assert_str_eq(node_named(BAD)->reason, trace_attach_fault_text(TRACE_ATTACH_NOT_READY));
    if (_i == 1) header.abi++;
    ck_assert_int_eq(truncate(path(BAD), (off_t)bytes), 0);
    int fd = open(path(BAD), O_RDWR);
    ck_assert_int_eq(pwrite(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
    pass_time(INGEST_RETRY_LATE_NS);
    ck_assert_uint_eq(ingest->pending_count, 0);
    ck_assert_uint_eq(nodes_count(nodes), 2); /* the previous entry is a different one, and no longer used */
    ck_assert_ptr_null(nodes_at(nodes, 0));
    if (_i == 0) {
        ck_assert_uint_eq(ingest->counters.nodes_attached, 1);
        ck_assert_ptr_nonnull(node_named("model"));
    } else {
        ck_assert_uint_eq(ingest->counters.rejected[TRACE_ATTACH_BAD_VERSION], 1);
        ck_assert_str_eq(node_named(BAD)->reason, trace_attach_fault_text(TRACE_ATTACH_BAD_VERSION));
    }
}
END_TEST

/* The table keeps 64 rejected objects; the 65th costs nothing more once it is counted. */
START_TEST(unready_objects_are_polled_only_while_the_table_has_room) {
    char name[64];
    for (unsigned i = 0; i <= NODES_REJECTED_MAX; i++) {
        snprintf(name, sizeof name, "p2ptrace.%u", i);
        make_file(name, 0, "", 0);
    }
    pass_time(INGEST_RETRY_END_NS + INGEST_RETRY_LATE_NS);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, NODES_REJECTED_MAX + 1);
    ck_assert_uint_eq(ingest->pending_count, NODES_REJECTED_MAX);
}
END_TEST

START_TEST(a_pending_object_whose_name_goes_is_forgotten) {
    make_file(BAD, 0, "", 0);
    pass();
    ck_assert_uint_eq(ingest->pending_count, 1);
    ck_assert_int_eq(remove(path(BAD)), 0);
    pass();
    ck_assert_uint_eq(ingest->pending_count, 0);
    pass_time(INGEST_RETRY_END_NS * 2);
    ck_assert_uint_eq(ingest->counters.nodes_rejected, 0);
}
END_TEST

/* The object of the other node. */
static int open_object_beside(const struct trace_log *log) {
    DIR *entries = opendir(dir);
    int fd = -1;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, trace_log_name(log) + 1) != 0)
            fd = openat(dirfd(entries), entry->d_name, O_RDWR | O_CLOEXEC);
    closedir(entries);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Half of alice's lane, or her header, is removed while she lives. */
START_TEST(a_ring_that_gets_holes_costs_only_its_own_node) {
    pid_t alice = spawn("alice", 20);
    struct trace_log *bob = open_log("bob");
    struct stat before, after;
    if (!is_userfaultfd_allowed()) SKIP_TEST("the kernel, or a filter, does not allow userfaultfd");
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 20);
    int fd = open_object_beside(bob);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, _i == 0 ? 0 : TRACE_SHM_LANES_OFFSET, 1 << 16), 0);
    ck_assert_int_eq(fstat(fd, &before), 0);
    emit(bob, 0, 30);
    settle();
    ck_assert_uint_eq(node_named("alice")->state, NODE_REJECTED);
    ck_assert_str_eq(node_named("alice")->reason, trace_attach_fault_text(TRACE_ATTACH_LOST_PAGES));
    ck_assert_int_eq(fstat(fd, &after), 0);
    ck_assert_int_eq(after.st_blocks, before.st_blocks);
    ck_assert_uint_eq(node_named("bob")->indexed, 30);
    close(fd);
    kill(alice, SIGKILL);
    waitpid(alice, NULL, 0);
    trace_log_close(bob);
}
END_TEST

START_TEST(a_ring_that_shrinks_costs_only_its_own_node) {
    pid_t alice = spawn("alice", 20);
    struct trace_log *bob = open_log("bob");
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 20);
    int fd = open_object_beside(bob);
    ck_assert_int_eq(ftruncate(fd, _i == 0 ? 0 : 8192), 0);
    close(fd);
    emit(bob, 0, 30);
    settle();
    ck_assert_uint_eq(node_named("alice")->state, NODE_REJECTED);
    ck_assert_str_eq(node_named("alice")->reason, trace_attach_fault_text(TRACE_ATTACH_BAD_SIZE));
    assert_settled(node_named("alice"), 20, 20);
    ck_assert_uint_eq(node_named("bob")->state, NODE_LIVE);
    ck_assert_uint_eq(node_named("bob")->indexed, 30);
    ck_assert_ptr_nonnull(strstr(said, "the object shrank"));
    kill(alice, SIGKILL);
    waitpid(alice, NULL, 0);
    trace_log_close(bob);
    settle();
    ck_assert_uint_eq(node_named("bob")->state, NODE_EXITED);
    ck_assert_ptr_nonnull(node_named("alice")); /* its events are in the history: it is still known */
}
END_TEST

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

START_TEST(rings_of_live_nodes_stay_and_a_new_ingest_reads_what_is_in_them) {
    struct trace_log *alice = open_log("alice"), *bob = open_log_with("bob", 64, TRACE_OVERWRITE_OLDEST);
    emit(alice, 0, 100);
    emit(bob, 0, 50);
    pass();
    close_ingest();
    ck_assert(exists(trace_log_name(alice) + 1));
    emit(alice, 100, 150);
    emit(bob, 50, 200);

    nodes_destroy(nodes);
    history_destroy(history);
    ck_assert_int_eq(nodes_create(&nodes, NULL), 0);
    ck_assert_int_eq(history_create(&history, HISTORY_BYTES), 0);
    open_ingest();
    pass();
    assert_settled(node_named("alice"), 150, 150);
    assert_settled(node_named("bob"), 200, 64);
    ck_assert_uint_eq(node_named("bob")->lost[TRACE_LOSS_BEFORE_ATTACH], 136);
    ck_assert_uint_eq(history_end_position(history), 150 + 1 + 64);
    emit(alice, 150, 160);
    trace_log_close(alice);
    trace_log_close(bob);
    settle();
    assert_settled(node_named("alice"), 160, 160);
    assert_settled(node_named("bob"), 200, 64);
}
END_TEST

START_TEST(a_node_whose_name_was_removed_goes_on) {
    struct trace_log *log = open_log("alice");
    emit(log, 0, 10);
    pass();
    ck_assert_int_eq(remove(path(trace_log_name(log) + 1)), 0);
    settle();
    emit(log, 10, 20);
    pass();
    ck_assert_uint_eq(node_named("alice")->state, NODE_LIVE);
    assert_settled(node_named("alice"), 20, 20);
    trace_log_close(log);
    settle();
    ck_assert_uint_eq(node_named("alice")->state, NODE_EXITED);
    ck_assert_uint_eq(ingest->attached_count, 0);
}
END_TEST

/* It is gone when both its name and its reader are. */
START_TEST(a_ring_whose_name_was_removed_finally_takes_no_memory) {
    size_t heap_bytes[4];
    for (unsigned round = 0; round < 4; round++) {
        struct trace_log *log = open_log("alice");
        pass();
        ck_assert_int_eq(remove(path(trace_log_name(log) + 1)), 0);
        pass();
        ck_assert_uint_eq(ingest->attached_count, 1);
        trace_log_close(log);
        settle();
        ck_assert_uint_eq(ingest->attached_count, 0);
        heap_bytes[round] = mallinfo2().uordblks;
    }
    ck_assert_uint_lt(heap_bytes[3], heap_bytes[2] + sizeof(struct ingest_ring));
}
END_TEST

START_TEST(a_pass_in_which_rings_end_looks_at_all_others) {
    enum { COUNT = 5 };
    for (unsigned first = 0; first < COUNT; first++) {
        struct trace_log *logs[COUNT];
        char name[16];
        for (unsigned i = 0; i < COUNT; i++) {
            snprintf(name, sizeof name, "node %u", first * COUNT + i);
            logs[i] = open_log(name);
        }
        pass();
        pass_time(100 * MS); /* so that the end is found by a check */
        for (unsigned i = 0; i < COUNT; i++) emit(logs[i], 0, 1);
        trace_log_close(logs[first]);
        uint64_t end = history_end_position(history);
        while (history_end_position(history) == end) pass();
        ck_assert_uint_eq(history_end_position(history), end + COUNT);
        for (unsigned i = 0; i < COUNT; i++)
            if (i != first) trace_log_close(logs[i]);
        settle();
        ck_assert_uint_eq(ingest->attached_count, 0);
    }
}
END_TEST

START_TEST(a_ring_that_shrinks_is_detached_in_the_same_pass) {
    struct trace_log *log = open_log("alice");
    pid_t pid = spawn("bob", 10);
    char name[256] = "";
    while (node_named("bob") == NULL || node_named("bob")->indexed < 10) pass();
    DIR *objects = opendir(dir);
    for (struct dirent *entry; (entry = readdir(objects)) != NULL;)
        if (strncmp(entry->d_name, "p2ptrace.", 9) == 0 && strcmp(entry->d_name, trace_log_name(log) + 1) != 0)
            snprintf(name, sizeof name, "%s", entry->d_name);
    closedir(objects);
    ck_assert_int_eq(truncate(path(name), 0), 0);
    now_ns += 2 * MS;
    (void)ingest_pass(ingest, false, now_ns); /* there was no notification about it */
    ck_assert_uint_eq(node_named("bob")->state, NODE_REJECTED);
    ck_assert_uint_eq(ingest->attached_count, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    trace_log_close(log);
}
END_TEST

START_TEST(an_index_is_used_again_but_not_while_the_history_has_its_events) {
    struct trace_log *log = open_log("first");
    emit(log, 0, 1);
    pass();
    trace_log_close(log);
    settle();
    for (uint32_t i = 1; i < NODES_KEPT; i++) {
        log = open_log_with(i == 1 ? "second" : "filler", 64, TRACE_OVERWRITE_OLDEST);
        trace_log_close(log);
        pass();
    }
    ck_assert_uint_eq(nodes_count(nodes), NODES_KEPT);
    log = open_log("newcomer");
    pass();
    /* "second" died when the history's one event was there: it may be forgotten only when that event is gone.  So far no node
     * may. */
    ck_assert_uint_eq(nodes_count(nodes), NODES_KEPT + 1);
    for (uint32_t i = 0; history_begin_position(history) == 0; i++) {
        emit(log, i * 1000, (i + 1) * 1000);
        while (pass() == 0) {}
    }
    struct trace_log *last = open_log("last");
    pass();
    ck_assert_uint_eq(nodes_count(nodes), NODES_KEPT + 1);
    ck_assert_ptr_null(node_named("first"));
    ck_assert_str_eq(nodes_at(nodes, 0)->info.node_name, "last");
    trace_log_close(log);
    trace_log_close(last);
}
END_TEST

/* Copies of one ring, each locked as if by its own node.  Only the written part of the object is copied. */
static int copies[NODES_MAX];

static void copy_part(int from, int to, off_t at, size_t bytes) {
    char part[4096];
    ck_assert_uint_le(bytes, sizeof part);
    ck_assert_int_eq(pread(from, part, bytes, at), (ssize_t)bytes);
    ck_assert_int_eq(pwrite(to, part, bytes, at), (ssize_t)bytes);
}

static void copy_ring(const struct trace_log *log, unsigned from, unsigned to) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat status;
    int ring = open(path(trace_log_name(log) + 1), O_RDONLY);
    ck_assert_int_eq(fstat(ring, &status), 0);
    for (unsigned i = from; i < to; i++) {
        char name[64];
        snprintf(name, sizeof name, TRACE_SHM_PREFIX "copy.%u", i);
        copies[i] = open(path(name), O_RDWR | O_CREAT, 0600);
        ck_assert_int_eq(fcntl(copies[i], F_OFD_SETLK, &lock), 0);
        ck_assert_int_eq(ftruncate(copies[i], status.st_size), 0);
        copy_part(ring, copies[i], TRACE_SHM_LANES_OFFSET, 4096);
        copy_part(ring, copies[i], 0, TRACE_SHM_HEADER_BYTES);
    }
    close(ring);
}

/* Brings the copies up to date, and has their nodes close. */
static void end_copies(const struct trace_log *log, unsigned count) {
    int ring = open(path(trace_log_name(log) + 1), O_RDONLY);
    uint32_t closed = TRACE_SHM_CLOSED;
    for (unsigned i = 0; i < count; i++) {
        copy_part(ring, copies[i], TRACE_SHM_LANES_OFFSET, 4096);
        copy_part(ring, copies[i], offsetof(struct trace_shm_header, lanes), sizeof(struct trace_shm_lane));
        ck_assert_int_eq(pwrite(copies[i], &closed, sizeof closed, offsetof(struct trace_shm_header, state)), sizeof closed);
        close(copies[i]);
    }
    close(ring);
}

START_TEST(nodes_that_the_table_has_no_room_for_are_left_out_and_counted) {
    struct rlimit old_files, files;
    const char *no_room = scratch_lacks(dir, (NODES_MAX + 1) * 12); /* a header and a lane of 64 events each */
    if (no_room) SKIP_TEST(no_room);
    struct trace_log *alice = open_log_with("alice", 64, TRACE_OVERWRITE_OLDEST), *bob = open_log("bob");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old_files), 0);
    files = (struct rlimit){.rlim_cur = old_files.rlim_max, .rlim_max = old_files.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    emit(alice, 0, 3);
    copy_ring(alice, 0, NODES_MAX - 2);
    pass();
    ck_assert_uint_eq(ingest->attached_count, NODES_MAX);
    ck_assert_uint_eq(ingest->counters.nodes_left_out, 0);
    ck_assert_uint_eq(history_end_position(history), 3 * (NODES_MAX - 1));
    said[0] = 0;
    copy_ring(alice, NODES_MAX - 2, NODES_MAX);
    pass();
    ck_assert_uint_eq(ingest->attached_count, NODES_MAX);
    ck_assert_uint_eq(ingest->counters.nodes_left_out, 2);
    ck_assert_ptr_nonnull(strstr(said, "copy.4095 rejected: there are already 4096 nodes with events"));

    emit(alice, 3, 4); /* the others continue to their end */
    end_copies(alice, NODES_MAX);
    pass();
    trace_log_close(alice);
    settle();
    ck_assert_uint_eq(ingest->attached_count, 1);
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        const struct node *node = nodes_at(nodes, i);
        if (node != node_named("bob")) assert_settled(node, 4, 4);
    }
    struct trace_log *late = open_log("late"); /* they are dead, but the history has their events */
    pass();
    ck_assert_uint_eq(ingest->counters.nodes_left_out, 3);
    trace_log_close(late);
    for (uint32_t i = 0; history_begin_position(history) < 4 * (NODES_MAX - 1); i++) {
        emit(bob, i * 1000, (i + 1) * 1000);
        while (pass() == 0) {}
    }
    struct trace_log *carol = open_log("carol");
    pass();
    ck_assert_uint_eq(ingest->counters.nodes_left_out, 3);
    ck_assert_uint_eq(nodes_count(nodes), NODES_MAX);
    ck_assert_uint_eq(node_named("carol")->state, NODE_LIVE);
    trace_log_close(bob);
    trace_log_close(carol);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old_files), 0);
}
END_TEST

START_TEST(a_step_of_the_system_time_is_counted_logged_and_followed) {
    struct trace_log *log = open_log("alice");
    history_source source;
    uint64_t before, after;
    settle();
    ck_assert_uint_eq(ingest->counters.clock_steps, 0);
    emit(log, 0, 1);
    settle();
    before = at(0, &source).timestamp;
    ingest->clock.unix_offset_ns -= (int64_t)(5000 * MS); /* as if the system time had been 5 s less until now */
    pass_time(2000 * MS);
    ck_assert_uint_eq(ingest->counters.clock_steps, 1);
    ck_assert_ptr_nonnull(strstr(said, "the system time was stepped by 5.000 s"));
    emit(log, 1, 2);
    settle();
    after = at(1, &source).timestamp;
    ck_assert_uint_ge(after, before); /* the clock shows the right time again */
    ck_assert_uint_eq(at(0, &source).reserved, 0);
    ck_assert_uint_eq(at(1, &source).reserved, 1);
    struct clock_step steps[CLOCK_STEPS_MAX];
    ck_assert_uint_eq(clock_steps_copy(nodes_clock_steps(nodes), steps), 1);
    ck_assert_uint_eq(steps[0].number, 1);
    ck_assert(!steps[0].slept);
    int64_t step_ns = (int64_t)(steps[0].after_ns - steps[0].before_ns); /* the two clocks are not read at the same moment */
    ck_assert_int_gt(step_ns, (int64_t)(4999 * MS) - 1);
    ck_assert_int_lt(step_ns, (int64_t)(5001 * MS));
    pass_time(3000 * MS);
    ck_assert_uint_eq(ingest->counters.clock_steps, 1);
    trace_log_close(log);
}
END_TEST

/* Times in ms.  The machine had slept for `slept` in all when CLOCK_BOOTTIME was read; another process had the processor for
 * `delay` before that, and for `delay_after` behind it. */
static const struct reading {
    int64_t slept, delay, delay_after;
    bool found;
} no_sleep[] = {{7000, 0, 0, false}, {7000, 300, 0, false}, {7000, 0, 300, false}, {7000, 300, 300, false}},
  always_late[] = {{7000, 20, 20, false}, {7000, 20, 20, false}, {7000, 9000, 0, false}, {7000, 20, 20, false}},
  never_slept[] = {{0, 0, 0, false}, {0, 0, 300, false}, {0, 300, 0, false}, {0, 11, 0, false}, {20, 0, 0, true}},
  behind[] = {{-5000, 0, 0, false}, {-5000, 0, 300, false}, {-5000, 300, 0, false}, {-4980, 0, 0, true}, {-4980, 0, 0, false}},
  sleeps[] = {{7000, 0, 0, false}, {7020, 0, 0, true}, {7020, 0, 0, false},
              {7029, 0, 0, false}, {7031, 0, 0, true}, {7031, 0, 0, false}},
  late_begin[] = {{7000, 300, 0, false}, {7000, 0, 0, false}, {7020, 0, 0, true}},
  seen_late[] = {{7000, 0, 0, false}, {7400, 100, 100, true}, {7400, 0, 0, false}, {7420, 0, 0, true}},
  hidden[] = {{7000, 0, 0, false}, {7200, 0, 300, false}, {7200, 0, 0, true}};

static const struct {
    const struct reading *readings;
    size_t count;
} sleep_cases[] = {
#define READINGS(name) \
    { name, sizeof name / sizeof *name }
    READINGS(no_sleep), READINGS(always_late), READINGS(never_slept), READINGS(behind),
    READINGS(sleeps),   READINGS(late_begin),  READINGS(seen_late),   READINGS(hidden),
#undef READINGS
};

START_TEST(the_machine_slept_only_if_no_delay_between_the_clocks_explains_it) {
    int64_t asleep_max_ns = 0;
    for (size_t i = 0; i < sleep_cases[_i].count; i++) {
        const struct reading *reading = &sleep_cases[_i].readings[i];
        struct ingest_sleep_clocks clocks = {.before_ns = (10000 + 1000 * i) * MS};
        clocks.boottime_ns = clocks.before_ns + (uint64_t)(reading->delay + reading->slept) * MS;
        clocks.after_ns = clocks.before_ns + (uint64_t)(reading->delay + reading->delay_after) * MS;
        if (i == 0) asleep_max_ns = (int64_t)(clocks.boottime_ns - clocks.before_ns);
        ck_assert_msg(ingest_slept(&asleep_max_ns, &clocks) == reading->found, "case %d, reading %zu", _i, i);
    }
}
END_TEST

START_TEST(the_others_are_woken_once_for_each_pass_with_news) {
    struct trace_log *log = open_log("alice");
    pass();
    wakes = 0;
    pass();
    ck_assert_uint_eq(wakes, 0);
    emit(log, 0, 200); /* less than fills it up */
    pass();
    ck_assert_uint_eq(wakes, 1);
    settle();
    ck_assert_uint_eq(wakes, 1);
    trace_log_close(log);
    settle();
    ck_assert_uint_eq(wakes, 2);
}
END_TEST

/* ---- the ingest is behind ------------------------------------------------------------------------------------------------ */

static void be_calm(void) {
    pass_time(INGEST_CALM_NS + 10 * MS);
    ck_assert(!ingest_is_behind(ingest));
}

START_TEST(the_ingest_is_behind_when_a_ring_fills_up_and_until_none_has_for_a_while) {
    struct trace_log *log = open_log_with("alice", 65536, TRACE_OVERWRITE_OLDEST);
    uint64_t begin_ns;
    pass();
    emit(log, 0, INGEST_FILLING(65536) - 1);
    pass();
    ck_assert(!ingest_is_behind(ingest));
    be_calm();
    emit(log, 0, INGEST_FILLING(65536));
    pass();
    ck_assert(ingest_is_behind(ingest));
    begin_ns = now_ns;
    for (wakes = 0; ingest_is_behind(ingest); pass()) {}
    ck_assert_uint_ge(now_ns, begin_ns + INGEST_CALM_NS);
    ck_assert_uint_le(now_ns, begin_ns + INGEST_CALM_NS + 2 * MS);
    ck_assert_uint_eq(wakes, (now_ns - begin_ns) / (2 * MS)); /* each pass, although most found nothing */
    pass();
    ck_assert_uint_eq(wakes, (now_ns - begin_ns) / (2 * MS) - 1);
    trace_log_close(log);
}
END_TEST

/* One drain emptied it, but it had been nearly full. */
START_TEST(the_ingest_is_behind_when_a_small_ring_was_full) {
    struct trace_log *log = open_log("alice");
    pass();
    emit(log, 0, 1000);
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 1000);
    ck_assert(ingest_is_behind(ingest));
    trace_log_close(log);
}
END_TEST

/* A node that is stopped in the middle of an event, or claims it, could otherwise hold subscriptions back for ever. */
START_TEST(a_ring_that_waits_for_its_node_is_not_filling_up) {
    struct trace_log *log = open_log("alice");
    pass();
    emit(log, 0, 100);
    struct trace__slot unfinished = trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM);
    emit(log, 0, 800);
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 100);
    ck_assert(!ingest_is_behind(ingest));
    trace__commit(unfinished);
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 901);
    ck_assert(ingest_is_behind(ingest));
    trace_log_close(log);
}
END_TEST

/* Nothing can be lost from it any more. */
START_TEST(the_ring_of_a_dead_node_is_not_filling_up) {
    pid_t pid = spawn("alice", 900);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pass();
    ck_assert_uint_eq(node_named("alice")->indexed, 900);
    ck_assert(!ingest_is_behind(ingest));
}
END_TEST

START_TEST(the_wait_grows_with_silence_up_to_a_limit) {
    uint64_t last_ns = 0;
    for (uint64_t quiet_ns = 0; quiet_ns < 100000 * MS; quiet_ns += MS) {
        uint64_t wait_ns = ingest_wait_ns(quiet_ns);
        ck_assert_uint_ge(wait_ns, last_ns);
        last_ns = wait_ns;
    }
    ck_assert_uint_eq(ingest_wait_ns(0), INGEST_WAIT_BUSY_NS);
    ck_assert_uint_eq(last_ns, INGEST_WAIT_MAX_NS);

    struct trace_log *log = open_log("alice");
    pass_time(2000 * MS);
    ck_assert_uint_eq(pass(), INGEST_WAIT_MAX_NS);
    emit(log, 0, 1);
    while (history_end_position(history) == 0) pass();
    ck_assert_uint_eq(pass(), INGEST_WAIT_BUSY_NS);
    trace_log_close(log);
}
END_TEST

START_TEST(a_node_that_closes_is_seen_at_once_however_long_it_was_silent) {
    struct trace_log *log = open_log("alice");
    pass_time(5000 * MS);
    trace_log_close(log);
    pass();
    pass();
    ck_assert_uint_eq(node_named("alice")->state, NODE_EXITED);
}
END_TEST

START_TEST(the_first_event_after_a_silence_is_late_by_a_bounded_time_and_makes_all_rings_due) {
    struct trace_log *alice = open_log("alice"), *bob = open_log("bob");
    for (uint32_t i = 0; i < 20; i++) { /* the two are polled in step, or not */
        pass_time((1500 + i * 37) * MS);
        emit(alice, i, i + 1);
        emit(bob, i, i + 1);
        uint64_t begin_ns = now_ns;
        while (history_end_position(history) == 2 * i) pass();
        ck_assert_uint_le(now_ns - begin_ns, INGEST_WAIT_MAX_NS + 2 * MS);
        pass();
        ck_assert_uint_eq(history_end_position(history), 2 * i + 2);
    }
    trace_log_close(alice);
    trace_log_close(bob);
}
END_TEST

static void *emit_one_elsewhere(void *log) {
    emit(log, 0, 1);
    return NULL;
}

START_TEST(a_silent_ring_is_checked_for_everything_that_a_writer_can_do) {
    struct trace_log *log = open_log("alice");
    const uint64_t patience_ns = 250 * MS;
    pthread_t thread;
    uint64_t begin_ns;
    emit(log, 0, 1);
    pass_time(5000 * MS);
    pthread_create(&thread, NULL, emit_one_elsewhere, log); /* in a separate lane */
    pthread_join(thread, NULL);
    for (begin_ns = now_ns; history_end_position(history) < 2;) pass();
    ck_assert_uint_le(now_ns - begin_ns, INGEST_WAIT_MAX_NS);
    pass_time(5000 * MS);
    (void)trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM); /* a handler that jumped out of an emit */
    emit(log, 2, 4);
    for (begin_ns = now_ns; history_end_position(history) < 5;) pass();
    ck_assert_uint_le(now_ns - begin_ns, patience_ns + 2 * INGEST_WAIT_MAX_NS);
    trace_log_close(log);
    settle();
    ck_assert_uint_eq(node_named("alice")->state, NODE_EXITED);
    assert_settled(node_named("alice"), 5, 4);
}
END_TEST

/* Counters without events, and without a notification that an object was closed. */
START_TEST(a_silent_ring_is_checked_now_and_then) {
    struct trace_log *log;
    if (_i == 1) {
        close_ingest();
        open_ingest_with(false);
    }
    log = open_log("alice");
    pass_time(5000 * MS);
    poke(log, offsetof(struct trace_shm_header, no_lane), &(uint64_t){3}, 8);
    for (uint64_t begin_ns = now_ns; node_named("alice")->emitted == 0; pass())
        ck_assert_uint_le(now_ns - begin_ns, _i == 1 ? INGEST_CHECK_UNWATCHED_NS : INGEST_CHECK_SILENT_NS);
    assert_settled(node_named("alice"), 3, 0);
    trace_log_close(log);
    if (_i == 0) return;
    for (uint64_t begin_ns = now_ns; node_named("alice")->state == NODE_LIVE; pass())
        ck_assert_uint_le(now_ns - begin_ns, INGEST_CHECK_UNWATCHED_NS);
}
END_TEST

START_TEST(a_silent_ring_beside_a_busy_one_is_checked_soon) {
    struct trace_log *alice = open_log("alice"), *bob = open_log("bob");
    uint32_t emitted = 0;
    for (uint32_t i = 0; i < 20; i++) {
        for (uint32_t k = 0; k < 50 + i; k++, emitted++) {
            emit(alice, emitted, emitted + 1);
            pass();
        }
        emit(bob, i, i + 1);
        pass();
        ck_assert_uint_eq(node_named("bob")->indexed, i + 1);
    }
    trace_log_close(alice);
    trace_log_close(bob);
}
END_TEST

START_TEST(nodes_leave_in_any_order) {
    static const unsigned order[] = {1, 0, 4, 2, 5, 3};
    enum { COUNT = sizeof order / sizeof *order };
    struct trace_log *logs[COUNT];
    char name[16];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "node %u", i);
        logs[i] = open_log(name);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        for (unsigned k = i; k < COUNT; k++) emit(logs[order[k]], i * 10, i * 10 + 10);
        trace_log_close(logs[order[i]]);
        settle();
        ck_assert_uint_eq(ingest->attached_count, COUNT - 1 - i);
        for (unsigned k = 0; k < COUNT; k++) {
            snprintf(name, sizeof name, "node %u", order[k]);
            uint64_t emitted = (k < i ? k + 1 : i + 1) * 10;
            assert_settled(node_named(name), emitted, emitted);
            ck_assert_uint_eq(node_named(name)->state, k <= i ? NODE_EXITED : NODE_LIVE);
        }
    }
}
END_TEST

START_TEST(a_busy_node_does_not_keep_a_pass_from_ending) {
    struct trace_log *log = open_log_with("alice", 65536, TRACE_OVERWRITE_OLDEST), *other;
    pass();
    emit(log, 0, 60000);
    other = open_log("bob");
    emit(other, 0, 10);
    ck_assert_uint_eq(pass(), 0);
    ck_assert_uint_eq(node_named("alice")->indexed, INGEST_LANE_EVENTS);
    ck_assert_uint_eq(node_named("bob")->indexed, 10);
    while (pass() == 0) {}
    assert_settled(node_named("alice"), 60000, 60000);
    trace_log_close(log);
    trace_log_close(other);
}
END_TEST

START_TEST(events_of_one_drain_precede_those_of_the_next) {
    enum { LOGS = 4, ROUNDS = 4 };
    struct trace_log *logs[LOGS];
    uint32_t next[LOGS] = {0}, round = 0;
    for (uint32_t i = 0; i < LOGS; i++) logs[i] = open_log_with("alice", i == 1 ? 65536 : 64, TRACE_OVERWRITE_OLDEST);
    pass();
    for (round = 0; round < ROUNDS; round++) {
        if (round == 1) pass_time(5000 * MS); /* the first events after a silence */
        for (uint32_t i = 0; i < LOGS; i++) { /* in round 2 one of them has more than a pass takes */
            uint32_t count = round == 2 && i == 1 ? 3 * INGEST_LANE_EVENTS : 10;
            for (; count > 0; count--) TRACE_CUSTOM(logs[i], NULL, NULL, round, next[i]++, NULL, 0);
        }
        if (round == 1) pass_time(INGEST_WAIT_MAX_NS);
        while (pass() == 0) {}
    }
    memset(next, 0, sizeof next);
    round = 0;
    for (uint64_t i = 0; i < history_end_position(history); i++) {
        history_source source;
        struct trace_event event = at(i, &source);
        ck_assert_uint_eq(event.data.custom.code, next[history_source_node(source)]++);
        ck_assert_uint_ge(event.data.custom.category, round);
        round = event.data.custom.category;
    }
    ck_assert_uint_eq(history_end_position(history), (LOGS * ROUNDS - 1) * 10 + 3 * INGEST_LANE_EVENTS);
    for (uint32_t i = 0; i < LOGS; i++) trace_log_close(logs[i]);
}
END_TEST

START_TEST(many_busy_nodes_all_get_their_turn) {
    struct trace_log *logs[8];
    const char *no_room = scratch_lacks(dir, 8 * (4 + 16384 / 8)); /* headers, and lanes of eight events to the KiB */
    if (no_room) SKIP_TEST(no_room);
    for (unsigned i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "node %u", i);
        logs[i] = open_log_with(name, 16384, TRACE_OVERWRITE_OLDEST);
    }
    pass();
    for (unsigned i = 0; i < 8; i++) emit(logs[i], 0, 16000);
    unsigned rounds = 0;
    while (pass() == 0) rounds++;
    ck_assert_uint_ge(rounds, 3); /* 128,000 events, at most 40,000 a pass */
    ck_assert_uint_eq(history_end_position(history), 8 * 16000);
    for (unsigned i = 0; i < nodes_count(nodes); i++) assert_settled(nodes_at(nodes, i), 16000, 16000);
    for (unsigned i = 0; i < 8; i++) trace_log_close(logs[i]);
}
END_TEST

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

static sem_t woken;
static void wake_test(void *arg) { sem_post(arg); }
static void say_nothing(void *arg, enum log_level level, const char *line) { (void)arg, (void)level, (void)line; }

static struct ingest *start(void) {
    struct ingest *running;
    struct ingest_config config = {.shm_dir = dir,
                                   .uid = (uint32_t)geteuid(),
                                   .history = history,
                                   .nodes = nodes,
                                   .wake = wake_test,
                                   .say = say_nothing,
                                   .arg = &woken};
    close_ingest();
    sem_init(&woken, 0, 0);
    ck_assert_int_eq(ingest_start(&running, &config), 0);
    return running;
}

START_TEST(the_thread_finds_drains_and_wakes) {
    struct ingest *running = start();
    struct ingest_stats stats = {.events = 0};
    struct trace_log *log = open_log("alice");
    for (uint32_t i = 0; i < 10; i++) {
        emit(log, i * 100, (i + 1) * 100);
        while (stats.events < (i + 1) * 100) {
            sem_wait(&woken);
            ingest_stats(running, &stats);
        }
    }
    trace_log_close(log);
    while (history_end_position(history) < 1000 || node_named("alice")->state != NODE_EXITED) sem_wait(&woken);
    ingest_stop(running);
    assert_codes(0, history_source_make(0, 0), 0, 1000);
    assert_settled(node_named("alice"), 1000, 1000);
}
END_TEST

START_TEST(events_emitted_before_the_stop_are_ingested) {
    struct ingest *running = start();
    struct trace_log *log = open_log("alice");
    while (nodes_count(nodes) == 0) sem_wait(&woken);
    /* quiet enough not to be polled in each pass: not required, but makes the test stricter */
    usleep(_i * 100000);
    emit(log, 0, 900);
    ingest_stop(running);
    assert_settled(node_named("alice"), 900, 900);
    ck_assert(exists(trace_log_name(log) + 1));
    trace_log_close(log);
    ingest_stop(NULL);
}
END_TEST

START_TEST(a_missing_directory_is_an_error_at_start) {
    struct ingest *running = NULL;
    struct ingest_config config = {.shm_dir = "/proc/there-is-no-such-directory"};
    ck_assert_int_eq(ingest_start(&running, &config), -ENOENT);
    ck_assert_ptr_null(running);
}
END_TEST

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "node") == 0) return be_a_node(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    Suite *suite = suite_create("ingest");
    TCase *tcase = tcase_create("ingest");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, nodes_that_were_there_before_and_that_come_later_are_found);
    tcase_add_test(tcase, events_come_complete_in_order_and_once);
    tcase_add_test(tcase, events_come_complete_over_the_end_of_a_segment);
    tcase_add_test(tcase, a_node_that_exits_is_drained_and_its_object_removed);
    tcase_add_test(tcase, a_node_that_died_before_the_ingest_began_is_drained_at_once);
    tcase_add_loop_test(tcase, a_killed_node_has_crashed_and_all_it_committed_is_kept, 0, 3);
    tcase_add_loop_test(tcase, a_killed_node_ended_after_it_was_last_known_to_live_and_before_that_was_noticed, 0, 2);
    tcase_add_test(tcase, of_a_node_that_was_found_dead_only_its_last_event_is_known);
    tcase_add_loop_test(tcase, a_log_that_was_closed_ended_when_it_says, 0, 2);
    tcase_add_test(tcase, an_event_that_a_dead_node_never_committed_is_reported_as_unfinished);
    tcase_add_test(tcase, a_lapped_ring_reports_exactly_what_it_lost);
    tcase_add_test(tcase, a_ring_lapped_before_it_was_found_reports_what_it_lost);
    tcase_add_test(tcase, events_that_a_full_ring_discarded_are_reported);
    tcase_add_test(tcase, losses_of_a_full_ring_are_reported_after_all_that_it_kept);
    tcase_add_test(tcase, a_lane_behind_a_free_one_is_found_too);
    tcase_add_test(tcase, events_of_threads_without_a_lane_are_reported);
    tcase_add_test(tcase, unknown_kinds_are_kept_and_counted_and_ours_are_invalid);
    tcase_add_test(tcase, consecutive_losses_are_one_report_per_cause);
    tcase_add_test(tcase, a_long_row_of_losses_is_one_event);
    tcase_add_test(tcase, losses_count_towards_the_budget_of_a_pass);
    tcase_add_loop_test(tcase, an_event_from_the_future_gets_the_time_of_reading_and_a_flag, 0, 3);
    tcase_add_test(tcase, nodes_and_lanes_are_kept_apart);
    tcase_add_test(tcase, descriptions_of_applications_are_there_with_their_first_event);
    tcase_add_loop_test(tcase, a_bad_object_is_rejected_once_and_forgotten_with_its_name, 0,
                        sizeof bad_objects / sizeof *bad_objects);
    tcase_add_test(tcase, another_users_objects_are_counted_and_logged_once_a_minute);
    tcase_add_test(tcase, a_flood_of_bad_objects_is_a_few_lines_a_minute);
    tcase_add_test(tcase, a_flood_of_nodes_is_a_bounded_number_of_lines_a_minute);
    tcase_add_test(tcase, the_draining_traced_removes_rejected_objects_of_dead_nodes);
    tcase_add_test(tcase, a_hard_link_of_a_ring_is_not_read_again);
    tcase_add_test(tcase, a_name_that_is_too_long_is_rejected);
    tcase_add_test(tcase, an_object_that_gets_ready_later_is_attached);
    tcase_add_test(tcase, an_object_that_never_gets_ready_is_finally_rejected);
    tcase_add_loop_test(tcase, an_object_that_gets_ready_after_it_was_rejected_is_attached_or_rejected_anew, 0, 2);
    tcase_add_test(tcase, unready_objects_are_polled_only_while_the_table_has_room);
    tcase_add_test(tcase, a_pending_object_whose_name_goes_is_forgotten);
    tcase_add_loop_test(tcase, a_ring_that_gets_holes_costs_only_its_own_node, 0, 2);
    tcase_add_loop_test(tcase, a_ring_that_shrinks_costs_only_its_own_node, 0, 2);
    tcase_add_test(tcase, rings_of_live_nodes_stay_and_a_new_ingest_reads_what_is_in_them);
    tcase_add_test(tcase, a_node_whose_name_was_removed_goes_on);
    tcase_add_test(tcase, a_ring_whose_name_was_removed_finally_takes_no_memory);
    tcase_add_test(tcase, a_pass_in_which_rings_end_looks_at_all_others);
    tcase_add_test(tcase, a_ring_that_shrinks_is_detached_in_the_same_pass);
    tcase_add_test(tcase, an_index_is_used_again_but_not_while_the_history_has_its_events);
    tcase_add_test(tcase, nodes_that_the_table_has_no_room_for_are_left_out_and_counted);
    tcase_add_test(tcase, a_step_of_the_system_time_is_counted_logged_and_followed);
    tcase_add_loop_test(tcase, the_machine_slept_only_if_no_delay_between_the_clocks_explains_it, 0,
                        sizeof sleep_cases / sizeof *sleep_cases);
    tcase_add_test(tcase, the_others_are_woken_once_for_each_pass_with_news);
    tcase_add_test(tcase, the_ingest_is_behind_when_a_ring_fills_up_and_until_none_has_for_a_while);
    tcase_add_test(tcase, the_ingest_is_behind_when_a_small_ring_was_full);
    tcase_add_test(tcase, a_ring_that_waits_for_its_node_is_not_filling_up);
    tcase_add_test(tcase, the_ring_of_a_dead_node_is_not_filling_up);
    tcase_add_test(tcase, the_wait_grows_with_silence_up_to_a_limit);
    tcase_add_test(tcase, a_node_that_closes_is_seen_at_once_however_long_it_was_silent);
    tcase_add_test(tcase, the_first_event_after_a_silence_is_late_by_a_bounded_time_and_makes_all_rings_due);
    tcase_add_test(tcase, a_silent_ring_is_checked_for_everything_that_a_writer_can_do);
    tcase_add_loop_test(tcase, a_silent_ring_is_checked_now_and_then, 0, 2);
    tcase_add_test(tcase, a_silent_ring_beside_a_busy_one_is_checked_soon);
    tcase_add_test(tcase, nodes_leave_in_any_order);
    tcase_add_test(tcase, a_busy_node_does_not_keep_a_pass_from_ending);
    tcase_add_test(tcase, events_of_one_drain_precede_those_of_the_next);
    tcase_add_test(tcase, many_busy_nodes_all_get_their_turn);
    tcase_add_test(tcase, the_thread_finds_drains_and_wakes);
    tcase_add_loop_test(tcase, events_emitted_before_the_stop_are_ingested, 0, 2);
    tcase_add_test(tcase, a_missing_directory_is_an_error_at_start);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
