/* SPDX-License-Identifier: MIT
 *
 * Whether the process may have the threads that it needs.
 *
 * libuv ends the process, without a word, when a thread of its pool cannot start; a limit of the user, of the unit or of the
 * container does that. */
#ifndef TRACED_THREADS_H
#define TRACED_THREADS_H

/* Starts `count` threads that all run at the same time, and waits for their end.  Call it before the others start.
 * Returns 0 or a negative errno. */
int threads_check(unsigned count);

#endif
