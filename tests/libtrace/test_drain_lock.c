/* SPDX-License-Identifier: MIT
 *
 * The right to drain: one holder, whoever takes names in the directory. */
#include "ring_fixture.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libtrace/drain_lock.h>
#include <proto/socket_path.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_BYTES], usual[600], secret[600];
static char reason[TRACE_SOCKET_REASON_BYTES], holder_socket[TRACE_SOCKET_PATH_BYTES];
static struct drain_lock lock, second;

static void setup(void) {
    ck_assert_ptr_nonnull(make_shm_scratch(dir));
    snprintf(usual, sizeof usual, "%s/.p2ptrace.%u.drain", dir, (unsigned)geteuid());
    snprintf(secret, sizeof secret, "%s/.p2ptrace.%u.0123456789abcdef.drain", dir, (unsigned)geteuid());
    memset(&lock, 0, sizeof lock);
    memset(&second, 0, sizeof second);
}

static unsigned count_files(void) {
    unsigned count = 0;
    DIR *open_dir = opendir(dir);
    ck_assert_ptr_nonnull(open_dir);
    for (const struct dirent *entry; (entry = readdir(open_dir));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(open_dir);
    return count;
}

static void teardown(void) {
    char command[600];
    drain_lock_release(&lock);
    drain_lock_release(&second);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* What is not a file of ours counts as a stranger's, so that any user can run these tests. */
static void take_the_name_as_a_stranger(void) { ck_assert_int_eq(mkdir(usual, 0755), 0); }

static void assert_refused(void) {
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d) drains", (int)getpid());
    ck_assert_int_eq(drain_lock_take(&second, dir, "/second", reason), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(reason, pid));
    ck_assert_ptr_nonnull(strstr(reason, "ask it at /first"));
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), getpid());
    ck_assert_str_eq(holder_socket, "/first");
}

START_TEST(one_at_a_time_holds_it) {
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), 0);
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_str_eq(lock.path, usual);
    assert_refused();
    ck_assert_uint_eq(count_files(), 1);
    drain_lock_release(&lock);
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), 0);
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
}
END_TEST

START_TEST(a_name_that_a_stranger_took_blocks_nobody_and_the_lock_works) {
    take_the_name_as_a_stranger();
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    assert_refused();
    ck_assert_uint_eq(count_files(), 2);
    drain_lock_release(&lock);
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), 0);
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(a_name_that_the_stranger_gives_back_makes_no_second_holder) {
    take_the_name_as_a_stranger();
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_int_eq(rmdir(usual), 0);
    assert_refused();
    ck_assert_uint_eq(count_files(), 1); /* it leaves none of its own */
    drain_lock_release(&lock);
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_str_eq(lock.path, usual);
}
END_TEST

START_TEST(a_name_that_a_stranger_takes_later_makes_no_second_holder) {
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_int_eq(rename(usual, secret), 0); /* as if it had been taken while there was a stranger's */
    take_the_name_as_a_stranger();
    assert_refused();
    ck_assert_int_eq(unlink(secret), 0);
}
END_TEST

START_TEST(files_of_dead_holders_are_removed) {
    int fd = open(secret, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "4711 /dead\n", 11), 11);
    close(fd);
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), 0);
    take_the_name_as_a_stranger();
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_int_ne(access(secret, F_OK), 0);
    assert_refused();
}
END_TEST

START_TEST(another_name_of_the_lock_is_no_other_lock) {
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_int_eq(link(usual, secret), 0);
    assert_refused();
    drain_lock_release(&lock);
    ck_assert_int_eq(drain_lock_take(&lock, dir, "/first", reason), 0);
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(a_lock_is_held_though_its_holder_cannot_be_written) {
    struct rlimit before, none;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    int error = drain_lock_take(&lock, dir, "/first", reason);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), -1);
    ck_assert_str_eq(holder_socket, "");
    ck_assert_int_eq(drain_lock_take(&second, dir, "/second", reason), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(reason, "another traced drains the rings in"));
}
END_TEST

/* Half of them do not meet the stranger's file, so that they lock different names. */
START_TEST(of_many_that_start_at_once_one_gets_it) {
    enum { MANY = 8 };
    int results[2], go[2];
    pid_t children[MANY];
    unsigned took = 0;
    ck_assert_int_eq(pipe(results), 0);
    ck_assert_int_eq(pipe(go), 0);
    take_the_name_as_a_stranger();
    for (unsigned i = 0; i < MANY; i++) {
        children[i] = fork();
        if (children[i]) continue;
        char byte;
        close(go[1]);
        (void)!read(go[0], &byte, 1); /* until the parent closes it */
        byte = drain_lock_take(&lock, dir, "/many", reason) == 0;
        (void)!write(results[1], &byte, 1);
        for (;;) pause();
    }
    close(go[0]);
    close(go[1]);
    if (_i % 2) rmdir(usual);
    for (unsigned i = 0; i < MANY; i++) {
        char byte;
        ck_assert_int_eq(read(results[0], &byte, 1), 1);
        took += byte;
    }
    for (unsigned i = 0; i < MANY; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    ck_assert_uint_eq(took, 1);
    ck_assert_int_eq(drain_lock_holder(dir, holder_socket), 0); /* the kernel released it */
    close(results[0]);
    close(results[1]);
}
END_TEST

START_TEST(names_are_those_of_our_user) {
    const struct {
        const char *format;
        bool is;
    } cases[] = {{".p2ptrace.%u.drain", true},   {".p2ptrace.%u.0123.drain", true}, {".p2ptrace.%u.", false},
                 {".p2ptrace.%u0.drain", false}, {".p2ptrace.%udrain", false},      {"p2ptrace.%u.drain", false},
                 {".p2ptrace.%u.drain2", false}};
    char name[80];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(name, sizeof name, cases[i].format, (unsigned)geteuid());
        ck_assert_msg(drain_lock_is_name(name) == cases[i].is, "%s", name);
    }
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("drain_lock");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, one_at_a_time_holds_it);
    tcase_add_test(tcase, a_name_that_a_stranger_took_blocks_nobody_and_the_lock_works);
    tcase_add_test(tcase, a_name_that_the_stranger_gives_back_makes_no_second_holder);
    tcase_add_test(tcase, a_name_that_a_stranger_takes_later_makes_no_second_holder);
    tcase_add_test(tcase, files_of_dead_holders_are_removed);
    tcase_add_test(tcase, another_name_of_the_lock_is_no_other_lock);
    tcase_add_test(tcase, a_lock_is_held_though_its_holder_cannot_be_written);
    tcase_add_loop_test(tcase, of_many_that_start_at_once_one_gets_it, 0, 20);
    tcase_add_test(tcase, names_are_those_of_our_user);
    Suite *suite = suite_create("drain_lock");
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
