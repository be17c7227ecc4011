/* SPDX-License-Identifier: MIT
 *
 * Many logs in one process, and many threads: a thread's writers beyond its fixed table, reused indices, and that emitting
 * never makes a system call. */
#include "../helpers/skip.h"
#include "open_logs.h"
#include "ring_fixture.h"
#include "slot.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LOGS_MAX 600

/* The thread sanitizer makes system calls and maps memory of its own: our calls and mappings cannot be distinguished from
 * these. */
#ifdef THREAD_SANITIZER
#define SEES_SYSTEM 0
#else
#define SEES_SYSTEM 1
#endif

static struct trace_log *logs[LOGS_MAX];

static void open_logs_with(unsigned count, enum trace_policy policy) {
    for (unsigned i = 0; i < count; i++) {
        struct trace_log_options options = {.node_id = id_of(i + 1), .policy = policy};
        ck_assert_int_eq(trace__log_open(&logs[i], &options, 64), 0);
    }
}

static void open_logs(unsigned count) { open_logs_with(count, TRACE_OVERWRITE_OLDEST); }

static void close_logs(unsigned count) {
    for (unsigned i = 0; i < count; i++) trace_log_close(logs[i]);
}

/* An event in each log.  The test reads its number back. */
static void emit_to_all(unsigned count, uint32_t number) {
    for (unsigned i = 0; i < count; i++) TRACE_CUSTOM(logs[i], NULL, NULL, i, number, NULL, 0);
}

/* The log's lane has the events from ... to - 1 of emit_to_all, and nothing else. */
static void expect_numbers(unsigned log, unsigned lane, uint32_t from, uint32_t to) {
    struct trace_reader *reader = attach_log(logs[log]);
    struct trace_event events[64];
    struct trace_read read;
    trace_reader_read(reader, lane, events, 64, false, 1, &read);
    ck_assert_uint_eq(read.count, to - from);
    ck_assert_uint_eq(read.lost, 0);
    for (uint32_t i = 0; i < read.count; i++) {
        ck_assert_uint_eq(code_of(&events[i]), from + i);
        ck_assert_uint_eq(events[i].data.custom.category, log);
    }
    trace_reader_detach(reader);
}

START_TEST(one_thread_writes_to_many_logs_with_one_lane_each) {
    open_logs(LOGS_MAX);
    for (uint32_t round = 0; round < 10; round++) emit_to_all(LOGS_MAX, round);
    for (unsigned i = 0; i < LOGS_MAX; i++) {
        struct trace_reader *reader = attach_log(logs[i]);
        struct trace_lane_count second;
        trace_reader_count(reader, 1, &second);
        ck_assert(!second.used);
        trace_reader_detach(reader);
        expect_numbers(i, 0, 0, 10);
    }
    close_logs(LOGS_MAX);
}
END_TEST

START_TEST(a_log_in_the_place_of_a_closed_one_has_none_of_its_events) {
    struct trace_log_options options = {.node_id = id_of(999)};
    struct trace_log *larger;
    open_logs(200);
    emit_to_all(200, 0);
    for (unsigned i = 0; i < 200; i += 3) trace_log_close(logs[i]);
    /* A log that takes an index but does not fit into the addresses: indices and addresses no longer correspond, so whatever a
     * thread remembers about a closed log's lane certainly belongs to another log. */
    ck_assert_int_eq(trace__log_open(&larger, &options, 4096), 0);
    for (unsigned i = 0; i < 200; i += 3) {
        options.node_id = id_of(1000 + i);
        ck_assert_int_eq(trace__log_open(&logs[i], &options, 64), 0);
        ck_assert_uint_eq(((struct log *)logs[i])->writer_index, i + 3 < 200 ? i + 3 : 200);
    }
    ck_assert_uint_eq(((struct log *)larger)->writer_index, 0);
    emit_to_all(200, 1);
    for (unsigned i = 0; i < 200; i++) expect_numbers(i, 0, i % 3 == 0 ? 1 : 0, 2);
    trace_log_close(larger);
    close_logs(200);
}
END_TEST

START_TEST(open_logs_never_share_a_place) {
    static bool taken[WRITER_INDICES];
    open_logs(LOGS_MAX);
    for (unsigned i = 0; i < LOGS_MAX; i++) {
        const struct log *log = (const struct log *)logs[i];
        ck_assert_uint_lt(log->writer_index, WRITER_INDICES);
        ck_assert(!taken[log->writer_index]);
        taken[log->writer_index] = true;
        ck_assert_uint_eq(log->base.writer, log->writer_index < TRACE__WRITERS ? log->writer_index : TRACE__WRITERS);
    }
    close_logs(LOGS_MAX);
}
END_TEST

/* ---- no system calls ----------------------------------------------------------------------------------------------------- */

/* From here on any system call kills the process, except the last one and writing down what failed. */
static void forbid_system_calls(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(77);
}

static const struct {
    unsigned logs;
    enum trace_policy policy;
    bool shared; /* all events through the shared lane */
} ways[] = {{1, TRACE_OVERWRITE_OLDEST, false},   {TRACE__WRITERS + 1, TRACE_OVERWRITE_OLDEST, false},
            {300, TRACE_OVERWRITE_OLDEST, false}, {1, TRACE_DISCARD_NEWEST, false},
            {40, TRACE_DISCARD_NEWEST, false},    {40, TRACE_OVERWRITE_OLDEST, true}};

static pthread_barrier_t lanes_taken;

/* Takes a lane of each log and stays alive. */
static void *hold_lanes(void *arg) {
    emit_to_all(*(const unsigned *)arg, 0);
    pthread_barrier_wait(&lanes_taken);
    for (;;) pause();
    return NULL;
}

static void *emit_without_system_calls(void *arg) {
    unsigned count = *(const unsigned *)arg;
    emit_to_all(count, 0);
    forbid_system_calls();
    for (uint32_t round = 1; round < 200; round++) emit_to_all(count, round);
    syscall(SYS_exit_group, 0);
    return NULL;
}

/* In a child: exits with status 0 when all was emitted; a system call kills it. */
static void run_way(unsigned way) {
    unsigned count = ways[way].logs, holders = ways[way].shared ? TRACE_LANES_MAX - 2 : 0; /* one lane is this thread's */
    pthread_t thread;
    open_logs_with(count, ways[way].policy);
    pthread_barrier_init(&lanes_taken, NULL, holders + 1);
    for (unsigned i = 0; i < holders; i++) pthread_create(&thread, NULL, hold_lanes, &count);
    pthread_barrier_wait(&lanes_taken);
    pthread_create(&thread, NULL, emit_without_system_calls, &count);
    pthread_join(thread, NULL);
    _exit(1);
}

START_TEST(emitting_makes_no_system_call) {
    int status;
    pid_t child = fork();
    if (child == 0) run_way((unsigned)_i);
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) SKIP_TEST("this kernel has no filters for system calls");
    ck_assert_msg(status == 0, "status %x: killed by a system call, or it failed", status);
}
END_TEST

/* ---- short-lived threads ------------------------------------------------------------------------------------------------ */

static void *emit_once_to_all(void *arg) {
    emit_to_all(*(const unsigned *)arg, 1);
    return NULL;
}

static unsigned long mapped_pages(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages;
}

START_TEST(threads_that_end_leave_neither_lanes_nor_memory_behind) {
    unsigned count = 300;
    unsigned long before = 0;
    open_logs(count);
    for (unsigned i = 0; i < 60; i++) {
        pthread_t thread;
        if (i == 10) before = mapped_pages(); /* by then the C library has allocated what it keeps for threads */
        pthread_create(&thread, NULL, emit_once_to_all, &count);
        pthread_join(thread, NULL);
    }
    ck_assert_uint_lt(mapped_pages(), before + 50); /* a page of each thread; the address sanitizer maps some of its own */
    for (unsigned i = 0; i < count; i++) {
        const struct trace_shm_header *header = ((struct log *)logs[i])->header;
        ck_assert_uint_eq(header->lanes[1].state, TRACE_LANE_RETURNED);
        ck_assert_uint_eq(header->lanes[1].head, 60);
        ck_assert_uint_eq(header->lanes[2].state, TRACE_LANE_FREE);
    }
    close_logs(count);
}
END_TEST

#define WRITERS 4
#define OWN_LOGS 20
#define EACH 3000

struct own {
    unsigned first;
    pthread_t thread;
};

static atomic_uint busy_writers;

/* Emits to logs that stay open, while others are opened and closed.  The rings are small, so heads are counted. */
static void *emit_to_own(void *arg) {
    const struct own *own = arg;
    for (uint32_t round = 0; round < EACH; round++)
        for (unsigned i = own->first; i < own->first + OWN_LOGS; i++) TRACE_CUSTOM(logs[i], NULL, NULL, i, round, NULL, 0);
    atomic_fetch_sub(&busy_writers, 1);
    return NULL;
}

START_TEST(logs_are_opened_and_closed_while_others_are_written_to) {
    struct own own[WRITERS];
    unsigned stable = WRITERS * OWN_LOGS, turns = 0;
    open_logs(stable);
    atomic_store(&busy_writers, WRITERS);
    for (unsigned w = 0; w < WRITERS; w++) {
        own[w].first = w * OWN_LOGS;
        ck_assert_int_eq(pthread_create(&own[w].thread, NULL, emit_to_own, &own[w]), 0);
    }
    while (atomic_load(&busy_writers) > 0 || turns == 0) {
        struct trace_log *passing[8];
        for (unsigned i = 0; i < 8; i++) {
            struct trace_log_options options = {.node_id = id_of(5000 + i)};
            ck_assert_int_eq(trace__log_open(&passing[i], &options, 64), 0);
            emit_codes(passing[i], 0, 10);
        }
        for (unsigned i = 0; i < 8; i++) trace_log_close(passing[i]);
        turns++;
    }
    for (unsigned w = 0; w < WRITERS; w++) pthread_join(own[w].thread, NULL);
    for (unsigned i = 0; i < stable; i++) {
        const struct trace_shm_header *header = ((struct log *)logs[i])->header;
        uint64_t emitted = 0;
        for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) emitted += header->lanes[lane].head;
        ck_assert_uint_eq(emitted, EACH);
    }
    close_logs(stable);
}
END_TEST

/* ---- fork ------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_child_of_a_process_with_many_logs_writes_only_into_its_own) {
    unsigned count = 100;
    struct trace_log *parents[100];
    int status;
    pid_t child;
    open_logs(count);
    emit_to_all(count, 0);
    memcpy(parents, logs, sizeof parents);
    child = fork();
    if (child == 0) {
        emit_to_all(count, 1000);
        open_logs(count);
        emit_to_all(count, 0);
        for (unsigned i = 0; i < count; i++)
            if (((struct log *)logs[i])->header->lanes[0].head != 1) _exit(1);
        for (unsigned i = 0; i < count; i++) trace_log_close(parents[i]);
        emit_to_all(count, 1);
        close_logs(count);
        _exit(0);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    emit_to_all(count, 1);
    for (unsigned i = 0; i < count; i++) expect_numbers(i, 0, 0, 2);
    close_logs(count);
}
END_TEST

/* ---- signal handlers ----------------------------------------------------------------------------------------------------- */

static volatile uint32_t handled; /* the compiler assumes that pthread_kill does not call us */

static void emit_to_all_from_handler(int number) {
    (void)number;
    emit_to_all(200, handled++);
}

/* Its first event to each log comes from a handler that interrupts nothing; then they alternate. */
static void *take_turns_with_a_handler(void *arg) {
    pthread_t self = pthread_self();
    (void)arg;
    while (handled < 30) {
        pthread_kill(self, SIGUSR1); /* handled before this returns */
        emit_to_all(200, handled++);
    }
    return NULL;
}

START_TEST(a_handler_may_be_the_first_to_emit_to_many_logs) {
    struct sigaction action = {.sa_handler = emit_to_all_from_handler};
    pthread_t thread;
    open_logs(200);
    handled = 0;
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, take_turns_with_a_handler, NULL);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < 200; i++) expect_numbers(i, 1, 0, 30);
    close_logs(200);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("many");
    TCase *tcase = tcase_create("many");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, one_thread_writes_to_many_logs_with_one_lane_each);
    tcase_add_test(tcase, open_logs_never_share_a_place);
    tcase_add_test(tcase, a_log_in_the_place_of_a_closed_one_has_none_of_its_events);
    tcase_add_loop_test(tcase, emitting_makes_no_system_call, 0, SEES_SYSTEM * (int)(sizeof ways / sizeof *ways));
    tcase_add_loop_test(tcase, threads_that_end_leave_neither_lanes_nor_memory_behind, 0, SEES_SYSTEM);
    tcase_add_test(tcase, logs_are_opened_and_closed_while_others_are_written_to);
    tcase_add_test(tcase, a_child_of_a_process_with_many_logs_writes_only_into_its_own);
    tcase_add_test(tcase, a_handler_may_be_the_first_to_emit_to_many_logs);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
