/* SPDX-License-Identifier: MIT
 *
 * Mappings whose holes raise SIGBUS.
 *
 * present.c asks which slots have memory before it touches them, but a live node can take pages away at any time after that, and
 * a read would allocate them again, at our cost.  So the kernel refuses: where a page is missing it raises SIGBUS, as after the
 * end of the object, and the guard (libtrace/guard.h) turns that into a broken reader.  An honest node never takes pages of a
 * published lane away. */
#ifndef LIBTRACE_HOLES_H
#define LIBTRACE_HOLES_H

#include <stdbool.h>
#include <stddef.h>

/* Opens what holes_refuse needs: one descriptor, until the process ends.  Called once, by trace_guard_install. */
void holes_prepare(void);

/* From now on, until it is unmapped, the mapping raises SIGBUS where its object has no page.  A shared mapping of a descriptor
 * open for writing.
 * Returns false where the kernel or a filter of system calls does not allow userfaultfd; then a hole is filled as always. */
bool holes_refuse(void *base, size_t bytes);

#endif
