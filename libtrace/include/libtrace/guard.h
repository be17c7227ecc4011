/* SPDX-License-Identifier: MIT
 *
 * Reading memory that another process may take away.  A mapping of a shared-memory object raises SIGBUS when the object shrinks,
 * or when a hole's page cannot be allocated.  Between begin and end, a SIGBUS inside the range maps zero pages over the whole
 * range, and end reports it; a SIGBUS elsewhere goes to the handler that was installed before. */
#ifndef LIBTRACE_GUARD_H
#define LIBTRACE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Installs the SIGBUS handler, once per process, and opens one descriptor for what refuses holes; later calls do nothing.
 * Returns 0 or a negative errno. */
int trace_guard_install(void);

/* Guards [base, base + bytes) for the calling thread.  Guards do not nest. */
void trace_guard_begin(void *base, size_t bytes);

/* Ends the guard.  Returns true when the range was lost: it reads as zeros from now on. */
bool trace_guard_end(void);

#endif
