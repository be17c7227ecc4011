/* SPDX-License-Identifier: MIT
 *
 * A test that this machine, or this build, cannot run ends with its reason.  Check does not support skipped tests and reports
 * "ok"; scripts/count_tests.py sees the line and counts such a test as skipped. */
#ifndef TESTS_HELPERS_SKIP_H
#define TESTS_HELPERS_SKIP_H

#include <stdio.h>
#include <unistd.h>

/* Whether a sanitizer manages memory; then its size means nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Ends the test, which is the calling function.  Does not use stdio, because the parent process may share its buffer. */
#define SKIP_TEST(reason)                                               \
    do {                                                                \
        dprintf(STDOUT_FILENO, "# skipped %s: %s\n", __func__, reason); \
        return;                                                         \
    } while (0)

#endif
