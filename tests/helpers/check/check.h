/* SPDX-License-Identifier: MIT
 *
 * Found before Check's own header (check_dep).  Check reports each assertion that holds to its parent process, by a write and a
 * flush, so that a crash can be placed "after" it.  A test that checks a million events spent nearly all of its time on that.
 * Here each assertion reports only the first time that it holds; one that fails reports as usual.
 *
 * P2PTRACE_TEST_SHUFFLE=SEED runs the tests of each case, and the cases, in an order that depends on the seed (a word; "random"
 * draws one), as it does for the suites in Python.  Each iteration of a loop test counts as a separate test. */
#pragma GCC system_header /* for include_next */
#include_next <check.h>

#ifndef TESTS_HELPERS_CHECK_H
#define TESTS_HELPERS_CHECK_H

/* Threads may assert at once. */
#define _mark_point(file, line)                                                       \
    __extension__({                                                                   \
        static char reported; /* by this assertion */                                 \
        if (!__atomic_load_n(&reported, __ATOMIC_RELAXED)) (_mark_point)(file, line); \
        __atomic_store_n(&reported, 1, __ATOMIC_RELAXED);                             \
        (void)0;                                                                      \
    })

/* Wrappers of Check's functions: without a seed they call them at once, with one only when all tests have been added. */
void shuffle_add_test(TCase *tcase, const TTest *test, int signal, int exit_value, int start, int end);
void shuffle_add_tcase(Suite *suite, TCase *tcase);
void shuffle_run_all(SRunner *runner, enum print_output output);

/* Runs a suite and frees it.  Returns the exit code of its program. */
int suite_run(Suite *suite);

#define _tcase_add_test(...) shuffle_add_test(__VA_ARGS__)
#define suite_add_tcase(suite, tcase) shuffle_add_tcase(suite, tcase)
#define srunner_run_all(runner, output) shuffle_run_all(runner, output)

#endif
