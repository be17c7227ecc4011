/* SPDX-License-Identifier: MIT
 *
 * What every test program here ends with. */
#ifndef TESTS_PROTO_RUN_H
#define TESTS_PROTO_RUN_H

#include <check.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Runs and frees the suite.  Returns what main returns. */
static inline int run_suite(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#endif
