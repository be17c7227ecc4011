/* SPDX-License-Identifier: MIT
 *
 * Reading memory that another process may take away.  A mapping of a shared-memory object raises SIGBUS when the object shrinks,
 * or when a page of a hole cannot be had.  Between begin and end, a SIGBUS inside the range is answered with zero pages mapped
 * over the whole range, and told by end; a SIGBUS elsewhere goes to whoever handled it before. */
#ifndef LIBTRACE_GUARD_H
#define LIBTRACE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Installs the SIGBUS handler, once per process; later calls do nothing.  Returns 0 or a negative errno. */
int trace_guard_install(void);

/* Guards [base, base + bytes) for the calling thread.  Guards do not nest. */
void trace_guard_begin(void *base, size_t bytes);

/* Ends it.  Returns true when the range was lost: it reads as zero from now on. */
bool trace_guard_end(void);

#endif
