/* SPDX-License-Identifier: MIT
 *
 * A log that is opened before main, by a constructor that runs before the library's own, as constructors of global C++ objects
 * may.  Another library's thread data stay intact, and the end of a thread and a fork are noticed there, too. */
#include "ring_fixture.h"

#include <sys/wait.h>

#define OTHERS 4

static pthread_key_t others[OTHERS]; /* keys that are created before ours */
static int mine = 42;
static struct trace_log *early_log;
static int open_result = 1;
static struct trace_context early, forked;

static void *emit_one(void *log) {
    emit_codes(log, 5, 6);
    return NULL;
}

static void ignore(void *value) { (void)value; }

/* Constructors of one priority run in the order in which they are linked: before those of a library. */
__attribute__((constructor(101))) static void before_the_library(void) {
    struct trace_log_options options = {.node_id = id_of(1)};
    int ids[2], status;
    pid_t child;
    for (unsigned i = 0; i < OTHERS; i++) {
        pthread_key_create(&others[i], ignore);
        pthread_setspecific(others[i], &mine);
    }
    /* not setup_shm_dir: no test runs yet */
    if (!make_shm_scratch(shm_dir) || setenv("P2PTRACE_SHM_DIR", shm_dir, 1) != 0) return;
    shm_dir_fd = open(shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    open_result = trace__log_open(&early_log, &options, 64);
    emit_codes(early_log, 0, 1);
    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, emit_one, early_log) == 0) pthread_join(thread, NULL);
    }
    early = trace_context_new(0);
    if (pipe(ids) != 0) return;
    child = fork();
    if (child == 0) {
        emit_codes(early_log, 100, 101);
        forked = trace_context_new(0);
        (void)!write(ids[1], &forked, sizeof forked);
        _exit(0);
    }
    early = trace_context_new(0);
    (void)!read(ids[0], &forked, sizeof forked);
    waitpid(child, &status, 0);
    close(ids[0]);
    close(ids[1]);
}

START_TEST(another_librarys_thread_data_stay_its_own) {
    ck_assert_int_eq(open_result, 0);
    for (unsigned i = 0; i < OTHERS; i++) ck_assert_ptr_eq(pthread_getspecific(others[i]), &mine);
}
END_TEST

START_TEST(a_child_that_was_forked_there_writes_nothing_and_draws_its_own_ids) {
    struct trace_reader *reader = attach_log(early_log);
    for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
        struct trace_lane_count count;
        trace_reader_count(reader, lane, &count);
        ck_assert_uint_eq(count.behind, lane == 0 ? 1 : lane == 1 ? 3 : 0);
    }
    ck_assert_uint_eq(trace_reader_no_lane(reader), 0);
    ck_assert_mem_ne(&early.trace_id, &forked.trace_id, sizeof early.trace_id);
    ck_assert_uint_ne(forked.span_id, 0);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(threads_that_ended_there_gave_their_lanes_back) {
    struct trace_reader *reader = attach_log(early_log);
    struct trace_lane_count count;
    trace_reader_count(reader, 1, &count);
    ck_assert_uint_eq(count.behind, 3);
    trace_reader_detach(reader);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("early");
    TCase *tcase = tcase_create("early");
    SRunner *runner;
    int failed;
    /* In this process: a Check test would be a fork, in which the log is gone. */
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, another_librarys_thread_data_stay_its_own);
    tcase_add_test(tcase, a_child_that_was_forked_there_writes_nothing_and_draws_its_own_ids);
    tcase_add_test(tcase, threads_that_ended_there_gave_their_lanes_back);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    trace_log_close(early_log);
    teardown_shm_dir();
    return failed == 0 ? 0 : 1;
}
