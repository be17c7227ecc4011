/* SPDX-License-Identifier: MIT
 *
 * A closed store with some of everything, for targets that ask questions: two nodes, an application, five events of each
 * kind in five traces, and an unknown kind. */
#ifndef TESTS_FUZZ_SMALL_STORE_H
#define TESTS_FUZZ_SMALL_STORE_H

#include <store/store.h>

/* The same events each time.  store_destroy frees it. */
struct store *small_store_create(void);

#endif
