/* SPDX-License-Identifier: MIT
 *
 * Discovery of names: with inotify and without, each test in its own directory. */
#include "../helpers/scratch.h"
#include "../helpers/skip.h"
#include "discover.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_BYTES];
static struct discover *discover;
static char told[4096]; /* "+name -name ..." */
static unsigned told_count, closes;
static unsigned fds_before;

static unsigned open_files(void) {
    unsigned count = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (readdir(fds) != NULL) count++;
    closedir(fds);
    return count;
}

static void tell(char sign, const char *name) {
    size_t at = strlen(told);
    told_count++;
    if (at + 40 < sizeof told)
        snprintf(told + at, sizeof told - at, "%s%c%.30s", at ? " " : "", sign, name + strlen("p2ptrace."));
}

static void appeared(void *arg, const char *name, void **slot) {
    ck_assert_ptr_eq(arg, &discover);
    ck_assert_ptr_null(*slot);
    *slot = strdup(name);
    tell('+', name);
}

static void vanished(void *arg, const char *name, void *slot) {
    ck_assert_ptr_eq(arg, &discover);
    ck_assert_str_eq(slot, name);
    free(slot);
    tell('-', name);
}

static void closed(void *arg, const char *name, void *slot) {
    ck_assert_ptr_eq(arg, &discover);
    ck_assert_str_eq(slot, name);
    closes++;
}

static struct discover_handler handler = {appeared, vanished, closed, &discover, 0};

static void setup(void) {
    fds_before = open_files();
    ck_assert_ptr_nonnull(make_shm_scratch(dir));
    told[0] = 0;
    told_count = closes = 0;
    discover = NULL;
    handler.uid = (uint32_t)geteuid();
}

static const char *path(const char *name) {
    static char text[256];
    snprintf(text, sizeof text, "%s/%s", dir, name);
    return text;
}

static void make(const char *name) {
    int fd = open(path(name), O_CREAT | O_EXCL | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void make_away(const char *name) { ck_assert_int_eq(unlink(path(name)), 0); }

static void move(const char *from, const char *to) {
    char old[256];
    snprintf(old, sizeof old, "%s", path(from));
    ck_assert_int_eq(rename(old, path(to)), 0);
}

static void teardown(void) {
    char command[128];
    discover_destroy(discover);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    ck_assert_uint_eq(open_files(), fds_before);
}

/* Processes the inotify events that have arrived. */
static void run(uint64_t now_ns) {
    struct pollfd pollfd = {.fd = discover_fd(discover), .events = POLLIN};
    bool readable = pollfd.fd >= 0 && poll(&pollfd, 1, 0) == 1;
    discover_run(discover, readable, now_ns);
}

START_TEST(a_missing_directory_is_an_error) {
    ck_assert_int_eq(discover_create(&discover, "/proc/there-is-no-such-directory", &handler, true), -ENOENT);
    ck_assert_ptr_null(discover);
}
END_TEST

START_TEST(names_that_were_there_before_are_reported_by_the_first_run) {
    make("p2ptrace.old");
    make("other");
    make("p2ptrac");
    ck_assert_int_eq(discover_create(&discover, dir, &handler, _i), 0);
    ck_assert_str_eq(told, "");
    run(1);
    ck_assert_str_eq(told, "+old");
    ck_assert_uint_eq(discover_count(discover), 1);
    make_away("p2ptrace.old");
    run(1 + DISCOVER_SCAN_WATCHED_NS);
    ck_assert_str_eq(told, "+old -old");
    ck_assert_uint_eq(discover_count(discover), 0);
}
END_TEST

START_TEST(inotify_reports_names_that_come_and_go_at_once) {
    ck_assert_int_eq(discover_create(&discover, dir, &handler, true), 0);
    ck_assert_int_ge(discover_fd(discover), 0);
    run(1);
    make("p2ptrace.a");
    make("other");
    run(2);
    make("p2ptrace.b");
    make_away("p2ptrace.a");
    make("p2ptrace.short");
    make_away("p2ptrace.short"); /* nobody knows any more whose it was */
    run(2);
    ck_assert_str_eq(told, "+a +b -a");
    move("p2ptrace.b", "elsewhere");
    run(3);
    move("elsewhere", "p2ptrace.c");
    run(4);
    ck_assert_str_eq(told, "+a +b -a -b +c");
    make_away("p2ptrace.c");
    run(5);
}
END_TEST

START_TEST(inotify_reports_that_a_writer_has_closed_an_object) {
    ck_assert_int_eq(discover_create(&discover, dir, &handler, true), 0);
    int fd = open(path("p2ptrace.a"), O_CREAT | O_RDWR, 0600), copy = dup(fd);
    run(1);
    close(fd);
    run(2);
    ck_assert_uint_eq(closes, 0);
    close(copy);
    run(3);
    ck_assert_uint_eq(closes, 1);
    close(open(path("p2ptrace.a"), O_RDONLY)); /* no writer */
    run(4);
    ck_assert_uint_eq(closes, 1);
    make_away("p2ptrace.a");
    run(5);
}
END_TEST

START_TEST(a_name_that_inotify_and_scan_see_is_reported_once) {
    ck_assert_int_eq(discover_create(&discover, dir, &handler, true), 0);
    make("p2ptrace.a"); /* behind the watch, before the first scan */
    run(1);
    run(2 * DISCOVER_SCAN_WATCHED_NS);
    run(4 * DISCOVER_SCAN_WATCHED_NS);
    ck_assert_str_eq(told, "+a");
    make_away("p2ptrace.a");
    run(6 * DISCOVER_SCAN_WATCHED_NS);
    run(8 * DISCOVER_SCAN_WATCHED_NS);
    ck_assert_str_eq(told, "+a -a");
}
END_TEST

START_TEST(without_inotify_names_are_found_when_a_scan_is_due) {
    ck_assert_int_eq(discover_create(&discover, dir, &handler, false), 0);
    ck_assert_int_eq(discover_fd(discover), -1);
    run(1000);
    make("p2ptrace.a");
    run(1000 + DISCOVER_SCAN_UNWATCHED_NS - 1);
    ck_assert_str_eq(told, "");
    run(1000 + DISCOVER_SCAN_UNWATCHED_NS);
    ck_assert_str_eq(told, "+a");
    make_away("p2ptrace.a");
    run(1000 + 2 * DISCOVER_SCAN_UNWATCHED_NS);
    ck_assert_str_eq(told, "+a -a");
}
END_TEST

static long queue_limit(void) {
    long limit = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!file || fscanf(file, "%ld", &limit) != 1) limit = 0;
    if (file) fclose(file);
    return limit;
}

START_TEST(after_an_overflow_of_inotify_a_scan_reports_the_rest) {
    long limit = queue_limit();
    ck_assert_int_eq(discover_create(&discover, dir, &handler, true), 0);
    run(1);
    if (limit == 0 || limit > 65536) SKIP_TEST("the queue of inotify is too long here to be filled");
    for (long i = 0; i < limit / 2 + 1; i++) { /* two events each */
        make("something");
        make_away("something");
    }
    make("p2ptrace.late"); /* its event has no place any more */
    run(2);
    ck_assert_str_eq(told, "+late");
    make_away("p2ptrace.late");
    run(3);
}
END_TEST

START_TEST(when_the_watch_is_taken_away_scans_go_on) {
    ck_assert_int_eq(discover_create(&discover, dir, &handler, true), 0);
    run(1);
    ck_assert_int_eq(inotify_rm_watch(discover_fd(discover), 1), 0); /* as the kernel does when a file system is unmounted */
    make("p2ptrace.a");
    run(2);
    ck_assert_int_eq(discover_fd(discover), -1);
    ck_assert_str_eq(told, "+a");
    make_away("p2ptrace.a");
    run(2 + DISCOVER_SCAN_UNWATCHED_NS);
    ck_assert_str_eq(told, "+a -a");
}
END_TEST

START_TEST(too_many_names_are_left_out_until_others_have_gone) {
    char name[64];
    ck_assert_int_eq(discover_create(&discover, dir, &handler, false), 0);
    for (unsigned i = 0; i <= DISCOVER_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "p2ptrace.%u", i);
        make(name);
    }
    run(1);
    ck_assert_uint_eq(told_count, DISCOVER_NAMES_MAX);
    ck_assert_uint_eq(discover_refused(discover).left_out, 1);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "p2ptrace.%u", i);
        make_away(name);
    }
    run(1 + DISCOVER_SCAN_UNWATCHED_NS);
    run(1 + 2 * DISCOVER_SCAN_UNWATCHED_NS);
    ck_assert_uint_eq(discover_count(discover), DISCOVER_NAMES_MAX + 1 - 10);
    snprintf(name, sizeof name, "rm -rf %.40s/*", dir);
    ck_assert_int_eq(system(name), 0);
    run(1 + 3 * DISCOVER_SCAN_UNWATCHED_NS);
    ck_assert_uint_eq(discover_count(discover), 0);
}
END_TEST

/* Names of another user's files take no room, no matter how many there are.  (Only root can create files of another user.  So
 * we look for the files of another user, and ours are the foreign ones.) */
START_TEST(names_of_other_users_files_are_not_reported_and_take_no_room) {
    char name[64];
    uint32_t stranger = (uint32_t)geteuid();
    ck_assert_int_eq(discover_create(&discover, dir, &handler, _i), 0);
    discover_destroy(discover);
    handler.uid = stranger + 1;
    ck_assert_int_eq(discover_create(&discover, dir, &handler, _i), 0);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "p2ptrace.%u.%u.name", handler.uid, i); /* with our id in the name */
        make(name);
    }
    make("p2ptrace.noname");
    snprintf(name, sizeof name, "p2ptrace.%u.1.node", stranger); /* his own ring is no news */
    make(name);
    run(1);
    run(1 + DISCOVER_SCAN_WATCHED_NS);
    ck_assert_uint_eq(told_count, 0);
    ck_assert_uint_eq(discover_count(discover), 0);
    ck_assert_uint_eq(discover_refused(discover).strangers, 101);
    make_away("p2ptrace.noname");
    run(1 + 2 * DISCOVER_SCAN_WATCHED_NS);
    ck_assert_uint_eq(discover_refused(discover).strangers, 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("discover");
    TCase *tcase = tcase_create("discover");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_missing_directory_is_an_error);
    tcase_add_loop_test(tcase, names_that_were_there_before_are_reported_by_the_first_run, 0, 2);
    tcase_add_test(tcase, inotify_reports_names_that_come_and_go_at_once);
    tcase_add_test(tcase, inotify_reports_that_a_writer_has_closed_an_object);
    tcase_add_test(tcase, a_name_that_inotify_and_scan_see_is_reported_once);
    tcase_add_test(tcase, without_inotify_names_are_found_when_a_scan_is_due);
    tcase_add_test(tcase, after_an_overflow_of_inotify_a_scan_reports_the_rest);
    tcase_add_test(tcase, when_the_watch_is_taken_away_scans_go_on);
    tcase_add_test(tcase, too_many_names_are_left_out_until_others_have_gone);
    tcase_add_loop_test(tcase, names_of_other_users_files_are_not_reported_and_take_no_room, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
