/* SPDX-License-Identifier: MIT
 *
 * Memory of queries: from mmap alone, because malloc may be what a debugger or a signal stopped (rule 7 of p2ptrace/query.h). */
#ifndef LIBTRACE_QUERY_MEMORY_H
#define LIBTRACE_QUERY_MEMORY_H

#include <stddef.h>

/* Zeroed pages, or NULL. */
void *query__memory(size_t bytes);

/* Makes them larger or smaller; they may move.  memory: NULL for new ones.  NULL on failure; then they are as before. */
void *query__memory_resize(void *memory, size_t old_bytes, size_t new_bytes);

/* Unmaps them.  NULL is fine. */
void query__memory_free(void *memory, size_t bytes);

#endif
