/* SPDX-License-Identifier: MIT
 *
 * Found before Check's own header (check_dep).  Check reports each assertion that holds to its parent process, by a write and a
 * flush, so that a crash can be placed "after" it.  A test that looks at a million events spent nearly all of its time on that.
 * Here each assertion reports only the first time that it holds; one that fails reports as ever. */
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

#endif
