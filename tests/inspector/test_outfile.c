/* SPDX-License-Identifier: MIT
 *
 * Output files: what exists before and after, and that nothing else is left. */
#include "../helpers/scratch.h"
#include "outfile.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];
static struct failure failure;

static void setup(void) {
    ck_assert_ptr_nonnull(make_scratch(dir));
    snprintf(path, sizeof path, "%s/out", dir);
    umask(022);
}

static void teardown(void) {
    char command[2 * SCRATCH_BYTES + 32];
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", dir, dir);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *name, const char *text, mode_t mode) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static const char *content(const char *name) {
    static char text[256];
    int fd = open(name, O_RDONLY);
    ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[bytes] = 0;
    return text;
}

static unsigned names(void) {
    unsigned count = 0;
    DIR *entries = opendir(dir);
    for (const struct dirent *entry; (entry = readdir(entries));) count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static mode_t mode_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(lstat(name, &status), 0);
    return status.st_mode;
}

static int output(const char *name, const char *text, bool keep) {
    struct outfile file;
    if (outfile_begin(&file, name, &failure)) return -1;
    ck_assert_int_eq(write(file.fd, text, strlen(text)), (ssize_t)strlen(text));
    return outfile_end(&file, keep, &failure);
}

START_TEST(a_new_file_has_the_mode_that_the_umask_says) {
    umask(027);
    ck_assert_int_eq(output(path, "new", true), 0);
    ck_assert_str_eq(content(path), "new");
    ck_assert_uint_eq(mode_of(path), S_IFREG | 0640);
    ck_assert_uint_eq(names(), 1);
}
END_TEST

START_TEST(a_new_file_that_is_not_kept_was_never_there) {
    struct outfile file;
    ck_assert_int_eq(outfile_begin(&file, path, &failure), 0);
    ck_assert_uint_eq(names(), 0); /* and nothing is visible in the meantime */
    ck_assert_int_eq(outfile_end(&file, false, &failure), 0);
    ck_assert_uint_eq(names(), 0);
}
END_TEST

START_TEST(a_regular_file_is_replaced_whole_and_keeps_its_mode) {
    static const mode_t modes[] = {0600, 0640, 0644, 0666, 0755};
    struct outfile file;
    put(path, "old and long", modes[_i]);
    int before = open(path, O_RDONLY);
    ck_assert_int_eq(outfile_begin(&file, path, &failure), 0);
    ck_assert_int_eq(write(file.fd, "new", 3), 3);
    ck_assert_str_eq(content(path), "old and long");
    ck_assert_uint_eq(names(), 1);
    ck_assert_int_eq(outfile_end(&file, true, &failure), 0);
    ck_assert_str_eq(content(path), "new");
    ck_assert_uint_eq(mode_of(path), S_IFREG | modes[_i]);
    ck_assert_uint_eq(names(), 1);
    char text[16];
    ck_assert_int_eq(read(before, text, sizeof text), 12); /* a process that has it open still reads the old one */
    close(before);
}
END_TEST

START_TEST(a_regular_file_stays_when_the_output_failed) {
    put(path, "old", 0600);
    ck_assert_int_eq(output(path, "half", false), 0);
    ck_assert_str_eq(content(path), "old");
    ck_assert_uint_eq(names(), 1);
}
END_TEST

/* Root may write anywhere; as nobody, only the modes may stop us. */
static int output_as_nobody(const char *text) {
    if (geteuid()) return output(path, text, true);
    ck_assert_int_eq(seteuid(65534), 0);
    int result = output(path, text, true);
    ck_assert_int_eq(seteuid(0), 0);
    return result;
}

START_TEST(a_protected_file_is_not_replaced) {
    put(path, "old", 0444);
    ck_assert_int_eq(chmod(dir, 0777), 0);
    ck_assert_int_eq(output_as_nobody("new"), -1);
    ck_assert_ptr_nonnull(strstr(failure.text, strerror(EACCES)));
    ck_assert_str_eq(content(path), "old");
    ck_assert_uint_eq(names(), 1);
}
END_TEST

START_TEST(a_file_in_a_read_only_directory_is_overwritten_in_place) {
    put(path, "old and long", 0666);
    ck_assert_int_eq(chmod(dir, 0555), 0);
    ck_assert_int_eq(output_as_nobody("new"), 0);
    ck_assert_str_eq(content(path), "new");
    ck_assert_uint_eq(mode_of(path), S_IFREG | 0666);
    ck_assert_uint_eq(names(), 1);
}
END_TEST

START_TEST(a_symbolic_link_stays_and_its_target_is_written) {
    char target[128];
    snprintf(target, sizeof target, "%s/target", dir);
    if (_i) put(target, "old and long", 0640);
    ck_assert_int_eq(symlink("target", path), 0);
    ck_assert_int_eq(output(path, "new", true), 0);
    ck_assert_uint_eq(mode_of(path) & S_IFMT, S_IFLNK);
    ck_assert_str_eq(content(target), "new");
    ck_assert_uint_eq(mode_of(target), S_IFREG | (_i ? 0640 : 0644));
    ck_assert_int_eq(output(path, "half", false), 0);
    ck_assert_str_eq(content(target), "new");
    ck_assert_uint_eq(names(), 2);
}
END_TEST

static void *read_fifo(void *text) {
    int fd = open(path, O_RDONLY);
    ssize_t bytes = 0, more;
    while ((more = read(fd, (char *)text + bytes, 15 - (size_t)bytes)) > 0) bytes += more;
    ((char *)text)[bytes] = 0;
    close(fd);
    return NULL;
}

START_TEST(a_fifo_is_written_to_and_stays) {
    pthread_t reader;
    char text[16];
    ck_assert_int_eq(mkfifo(path, 0620), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_fifo, text), 0);
    ck_assert_int_eq(output(path, "new", true), 0);
    pthread_join(reader, NULL);
    ck_assert_str_eq(text, "new");
    ck_assert_uint_eq(mode_of(path) & S_IFMT, S_IFIFO);
    ck_assert_uint_eq(names(), 1);
}
END_TEST

START_TEST(a_device_is_written_to_and_stays) {
    struct stat before, after;
    ck_assert_int_eq(stat("/dev/null", &before), 0);
    ck_assert_int_eq(output("/dev/null", "new", true), 0);
    ck_assert_int_eq(output("/dev/null", "new", false), 0);
    ck_assert_int_eq(stat("/dev/null", &after), 0);
    ck_assert(S_ISCHR(after.st_mode) && before.st_ino == after.st_ino && before.st_mode == after.st_mode);
    if (access("/dev/full", W_OK)) return;
    struct outfile file;
    ck_assert_int_eq(outfile_begin(&file, "/dev/full", &failure), 0);
    ck_assert_int_eq(write(file.fd, "x", 1), -1);
    ck_assert_int_eq(outfile_end(&file, false, &failure), 0);
    ck_assert_int_eq(access("/dev/full", F_OK), 0);
}
END_TEST

START_TEST(standard_output_is_a_name_too) {
    put(path, "old", 0600);
    int saved = dup(1), fd = open(path, O_WRONLY | O_TRUNC);
    fflush(stdout);
    dup2(fd, 1);
    int result = output("/dev/stdout", "new", true);
    dup2(saved, 1);
    close(saved);
    close(fd);
    ck_assert_int_eq(result, 0);
    ck_assert_str_eq(content(path), "new");
}
END_TEST

START_TEST(a_directory_is_refused) {
    ck_assert_int_eq(output(dir, "new", true), -1);
    ck_assert_ptr_nonnull(strstr(failure.text, strerror(EISDIR)));
}
END_TEST

/* Killed while it writes: the old file is there, and nothing else. */
START_TEST(a_kill_leaves_nothing) {
    int status, ready[2];
    char c;
    if (_i) put(path, "old", 0600);
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct outfile file;
        if (!outfile_begin(&file, path, &failure) && write(file.fd, "half", 4) == 4) (void)!write(ready[1], "x", 1);
        for (;;) pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ck_assert_uint_eq(names(), _i ? 1 : 0);
    ck_assert_str_eq(content(path), _i ? "old" : "");
    close(ready[0]);
    close(ready[1]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("outfile");
    TCase *tcase = tcase_create("outfile");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_file_has_the_mode_that_the_umask_says);
    tcase_add_test(tcase, a_new_file_that_is_not_kept_was_never_there);
    tcase_add_loop_test(tcase, a_regular_file_is_replaced_whole_and_keeps_its_mode, 0, 5);
    tcase_add_test(tcase, a_regular_file_stays_when_the_output_failed);
    tcase_add_test(tcase, a_protected_file_is_not_replaced);
    tcase_add_test(tcase, a_file_in_a_read_only_directory_is_overwritten_in_place);
    tcase_add_loop_test(tcase, a_symbolic_link_stays_and_its_target_is_written, 0, 2);
    tcase_add_test(tcase, a_fifo_is_written_to_and_stays);
    tcase_add_test(tcase, a_device_is_written_to_and_stays);
    tcase_add_test(tcase, standard_output_is_a_name_too);
    tcase_add_test(tcase, a_directory_is_refused);
    tcase_add_loop_test(tcase, a_kill_leaves_nothing, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
