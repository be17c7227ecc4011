/* SPDX-License-Identifier: MIT
 *
 * The main of every test program here. */
#ifndef TESTS_PROTO_RUN_H
#define TESTS_PROTO_RUN_H

#include <check.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Runs and frees the suite.  Returns the exit status for main. */
static inline int run_suite(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#endif
