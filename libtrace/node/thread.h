/* SPDX-License-Identifier: MIT
 *
 * What a thread keeps: one block of memory with its writers and the state of its ids (libtrace/writer.h), and what happens when
 * it ends. */
#ifndef LIBTRACE_THREAD_H
#define LIBTRACE_THREAD_H

#include <libtrace/writer.h>

/* The calling thread's block, made if necessary.  NULL without memory.  Safe in signal handlers. */
struct trace__thread *log__thread_make(void);

/* The kernel's id of the calling thread.  A system call, the first time and whenever the thread has no block. */
uint32_t log__thread_id(void);

/* In a forked child: its only thread forgets the lanes and ids of the parent's. */
void log__thread_after_fork(void);

/* Installs the hook that returns what a thread has when it ends, unless it is installed; under the change lock.  Returns 0 or a
 * negative errno. */
int log__thread_exit_init(void);

/* Removes the hook, and waits for threads that are in it: the code may be unloaded next. */
void log__thread_exit_fini(void);

#endif
