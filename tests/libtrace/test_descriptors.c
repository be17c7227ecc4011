/* SPDX-License-Identifier: MIT
 *
 * Programs that close descriptors they do not own and reuse the numbers.  The log continues, and none of the program's files is
 * touched. */
#include "ring_fixture.h"

#include <p2ptrace/query.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { FIRST = 3, LAST = 63 };

static void close_from(void) { closefrom(FIRST); }
static void close_by_range(void) { ck_assert_int_eq(close_range(FIRST, ~0U, 0), 0); }

static void close_in_a_loop(void) {
    for (int fd = FIRST; fd <= LAST; fd++) close(fd);
}

/* Every number is /dev/null from now on. */
static void dup_over(void) {
    int null = open("/dev/null", O_RDWR);
    for (int fd = FIRST; fd <= LAST; fd++) dup2(null, fd);
}

/* Like close_in_a_loop; and a child, which inherits them, closes the rest. */
static void close_after_fork(void) {
    pid_t child = fork();
    if (child == 0) {
        closefrom(0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    close_in_a_loop();
}

static void (*const ways[])(void) = {close_from, close_by_range, close_in_a_loop, dup_over, close_after_fork};

static void *emit_one(void *log) {
    emit_codes(log, 1, 2);
    return NULL;
}

static off_t size_of(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_size : -1;
}

/* The program's life, in its own process.  Returns what went wrong, or NULL. */
static const char *live(void (*close_all)(void)) {
    struct trace_log *log = open_log(4096);
    struct trace_query *query;
    char path[128], name[80];
    pthread_t thread;
    int files[LAST + 1], count = 0, dir;
    struct trace_reader *reader;
    struct trace_lane_count lane;
    snprintf(name, sizeof name, "%s", trace_log_name(log) + 1);
    close_all();
    snprintf(path, sizeof path, "%s/precious", shm_dir);
    if (close_all == dup_over) /* those numbers are the program's now */
        for (int fd = FIRST; fd <= LAST; fd++) close(fd);
    for (int fd = 0; fd < LAST && fd >= 0;) {
        fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
        if (fd >= 0) files[count++] = fd;
    }
    if (write(files[0], "precious\n", 9) != 9) return "the program's file cannot be written";
    pthread_create(&thread, NULL, emit_one, log);
    pthread_join(thread, NULL);
    emit_codes(log, 2, 3);
    if (size_of(files[0]) != 9) return "the program's file has another size";
    if (trace_query_open(&query, log) != 0) return "the log cannot be asked";
    trace_query_close(query);

    dir = open(shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum trace_attach_fault fault;
    if (trace_reader_attach(&reader, dir, name, geteuid(), 0, &fault) != 0) return "the log cannot be attached to";
    if (trace_reader_state(reader) != TRACE_NODE_LIVE) return "the node is considered dead";
    trace_reader_count(reader, 1, &lane);
    if (lane.behind != 1) return "the thread's event is missing";
    trace_log_close(log);
    if (trace_reader_state(reader) != TRACE_NODE_EXITED) return "the node is considered alive";
    for (int i = 0; i < count; i++)
        if (write(files[i], "more\n", 5) != 5) return "a descriptor of the program's was closed";
    return NULL;
}

START_TEST(a_program_that_closes_all_descriptors_keeps_its_files_and_its_log) {
    const char **wrong;
    int status;
    pid_t child;
    wrong =
        mmap(NULL, sizeof *wrong, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* no descriptor could notify it */
    child = fork();
    if (child == 0) {
        *wrong = live(ways[_i]);
        _exit(0);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_msg(!*wrong, "%s", *wrong); /* the child's text is at the same address here */
}
END_TEST

START_TEST(a_log_keeps_no_descriptor) {
    struct trace_log *log;
    int next = open("/dev/null", O_RDONLY), after;
    close(next);
    log = open_log(64);
    after = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(after, next);
    close(after);
    trace_log_close(log);
}
END_TEST

/* A name that belongs to another object by now. */
START_TEST(an_object_that_took_the_name_is_never_taken_for_the_logs) {
    struct trace_log *log = open_log(64);
    struct trace_query *query = NULL;
    const char *name = trace_log_name(log) + 1;
    int fd;
    ck_assert_int_eq(unlinkat(shm_dir_fd, name, 0), 0);
    ck_assert_int_eq(trace_query_open(&query, log), -ENOENT);
    fd = openat(shm_dir_fd, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert_int_eq(trace_query_open(&query, log), -ESTALE);
    ck_assert_ptr_null(query);
    ck_assert_int_eq(size_of(fd), 0);
    close(fd);
    trace_log_close(log);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("descriptors");
    TCase *tcase = tcase_create("descriptors");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_add_loop_test(tcase, a_program_that_closes_all_descriptors_keeps_its_files_and_its_log, 0, sizeof ways / sizeof *ways);
    tcase_add_test(tcase, a_log_keeps_no_descriptor);
    tcase_add_test(tcase, an_object_that_took_the_name_is_never_taken_for_the_logs);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
