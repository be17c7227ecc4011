/* SPDX-License-Identifier: MIT
 *
 * A seccomp filter refuses a program one system call after the other, before it opens its log, and after.  Each time the
 * program continues and exits normally, opening works or fails with the filter's error, and every event is written or counted.
 * docs/memory.md says which calls matter. */
#include "ring_fixture.h"

#include "../helpers/skip.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EVENTS 5

enum { OPENS = 1, TRACES = 2 }; /* what works without the call: opening a log; a thread's first event, once it is open */

static const struct {
    const char *name;
    long number;
    unsigned without;
} calls[] = {
    {"nothing", -1, OPENS | TRACES}, /* the filter itself does no harm */
    {"getrandom", SYS_getrandom, TRACES},
    {"openat", SYS_openat, TRACES},
    {"fcntl", SYS_fcntl, TRACES},
    {"getdents64", SYS_getdents64, OPENS | TRACES}, /* rings of dead nodes stay */
    {"pread64", SYS_pread64, OPENS | TRACES},
    {"readlink", SYS_readlink, TRACES},
    {"prlimit64", SYS_prlimit64, OPENS | TRACES},
    {"fchmod", SYS_fchmod, TRACES},
    {"ftruncate", SYS_ftruncate, TRACES},
    {"newfstatat", SYS_newfstatat, TRACES},
    {"fallocate", SYS_fallocate, TRACES},
    {"mmap", SYS_mmap, TRACES},               /* a thread without memory of its own uses the lane that all share */
    {"madvise", SYS_madvise, OPENS | TRACES}, /* lanes get their memory by name */
    {"unlinkat", SYS_unlinkat, OPENS | TRACES},
    {"close", SYS_close, OPENS | TRACES},
    {"statfs", SYS_statfs, OPENS | TRACES},
    {"gettid", SYS_gettid, OPENS | TRACES},
    {"sched_yield", SYS_sched_yield, OPENS | TRACES},
    {"rt_sigprocmask", SYS_rt_sigprocmask, OPENS | TRACES},
    {"munmap", SYS_munmap, OPENS | TRACES},
};
#define CALLS (sizeof calls / sizeof *calls)

static void forbid(long number, int error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(77);
}

struct confined {
    struct trace_log *log;
    long number;
    int error;
};

/* A thread's first events, when the call is refused. */
static void *emit_confined(void *arg) {
    const struct confined *confined = arg;
    forbid(confined->number, confined->error);
    errno = EDOM;
    emit_codes(confined->log, 0, EVENTS);
    if (errno != EDOM) _exit(3);
    return NULL;
}

/* A node without the call; this ends the process: 0 if its log was open, 1 if it was refused with the right error. */
__attribute__((noreturn)) static void run_node(long number, int error, bool before) {
    struct trace_log_options options = {.node_id = id_of(1), .node_name = "confined"};
    struct trace_log *log = NULL;

    if (before) forbid(number, error);
    int rv = trace_log_open(&log, &options);
    if ((rv == 0) != (log != NULL) || (rv != 0 && rv != -error)) _exit(2);
    struct confined confined = {log, number, error};
    pthread_t thread;
    if (before)
        emit_confined(&confined);
    else if (pthread_create(&thread, NULL, emit_confined, &confined) != 0 || pthread_join(thread, NULL) != 0)
        _exit(4);
    trace_log_close(log);
    _exit(rv == 0 ? 0 : 1);
}

static int exit_status_of_node(long number, int error, bool before) {
    int status;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) run_node(number, error, before);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* The header of the only object in the directory.  Returns how many objects there are. */
static unsigned read_header(struct trace_shm_header *ret_header) {
    DIR *dir = opendir(shm_dir);
    struct dirent *entry;
    unsigned count = 0;
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        int fd = openat(shm_dir_fd, entry->d_name, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pread(fd, ret_header, sizeof *ret_header, 0), (ssize_t)sizeof *ret_header);
        close(fd);
        count++;
    }
    closedir(dir);
    return count;
}

/* Every event is in a lane, or counted. */
static void check_events(const char *name, bool traces) {
    struct trace_shm_header header;
    uint64_t written = 0;
    ck_assert_uint_eq(read_header(&header), 1);
    for (unsigned i = 0; i < TRACE_LANES_MAX; i++) written += header.lanes[i].head;
    ck_assert_msg(written + header.no_lane == EVENTS, "%s: %llu written, %llu counted as lost", name, (unsigned long long)written,
                  (unsigned long long)header.no_lane);
    ck_assert_msg((written == EVENTS) == traces, "%s: %llu events were written", name, (unsigned long long)written);
}

static const int errors[] = {EPERM, ENOSYS}; /* what container filters return */

START_TEST(opening_fails_with_the_error_of_a_refused_call_or_does_not_need_it) {
    struct trace_shm_header header;
    bool opens = (calls[_i].without & OPENS) != 0;
    for (size_t i = 0; i < 2; i++) {
        int status = exit_status_of_node(calls[_i].number, errors[i], true);
        if (status == 77) SKIP_TEST("no seccomp filters here");
        ck_assert_msg(status == (opens ? 0 : 1), "%s: %d", calls[_i].name, status);
        if (opens) check_events(calls[_i].name, (calls[_i].without & TRACES) != 0);
        if (!opens) ck_assert_msg(read_header(&header) == 0, "%s: an object was left behind", calls[_i].name);
        remove_all(shm_dir);
        ck_assert_int_eq(mkdir(shm_dir, 0700), 0);
        close(shm_dir_fd);
        shm_dir_fd = open(shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
}
END_TEST

START_TEST(a_call_refused_after_opening_loses_no_uncounted_event) {
    int status = exit_status_of_node(calls[_i].number, EPERM, false);
    if (status == 77) SKIP_TEST("no seccomp filters here");
    ck_assert_msg(status == 0, "%s: %d", calls[_i].name, status);
    check_events(calls[_i].name, (calls[_i].without & TRACES) != 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("seccomp");
    TCase *tcase = tcase_create("refused");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_add_loop_test(tcase, opening_fails_with_the_error_of_a_refused_call_or_does_not_need_it, 0, (int)CALLS);
    tcase_add_loop_test(tcase, a_call_refused_after_opening_loses_no_uncounted_event, 0, (int)CALLS);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
    return 0;
}
