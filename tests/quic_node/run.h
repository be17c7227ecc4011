/* SPDX-License-Identifier: MIT
 *
 * The main of a test program with one suite.  Check reports in TAP to meson, by its environment. */
#ifndef TESTS_QUIC_NODE_RUN_H
#define TESTS_QUIC_NODE_RUN_H

#include <check.h>

static inline int run_tests(const char *name, void (*add)(TCase *tcase)) {
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    add(tcase);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
