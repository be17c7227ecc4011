/* SPDX-License-Identifier: MIT
 *
 * A closed store with something of everything, for targets that ask questions: two nodes, an application, five events of each
 * kind in five traces, and a kind that nobody knows. */
#ifndef TESTS_FUZZ_SMALL_STORE_H
#define TESTS_FUZZ_SMALL_STORE_H

#include <store/store.h>

/* The same events each time.  store_destroy frees it. */
struct store *small_store_create(void);

#endif
