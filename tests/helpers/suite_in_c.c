/* SPDX-License-Identifier: MIT
 *
 * A Check suite whose tests report to standard error when they run.  One of them fails if another test has left a file.
 *
 *     suite_in_c FILE */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *path;

START_TEST(in_a_loop) { dprintf(STDERR_FILENO, "in_a_loop %d\n", _i); }
END_TEST

START_TEST(makes_a_file) {
    dprintf(STDERR_FILENO, "makes_a_file\n");
    ck_assert_int_ge(open(path, O_WRONLY | O_CREAT, 0600), 0);
}
END_TEST

START_TEST(needs_the_file) {
    dprintf(STDERR_FILENO, "needs_the_file\n");
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(in_another_case) { dprintf(STDERR_FILENO, "in_another_case\n"); }
END_TEST

int main(int argc, char **argv) {
    Suite *suite = suite_create("suite in C");
    TCase *first = tcase_create("first"), *second = tcase_create("second");
    path = argc > 1 ? argv[1] : "";
    tcase_add_loop_test(first, in_a_loop, 0, 20);
    tcase_add_test(first, makes_a_file);
    tcase_add_test(first, needs_the_file);
    tcase_add_test(second, in_another_case);
    suite_add_tcase(suite, first);
    suite_add_tcase(suite, second);
    return suite_run(suite);
}
