/* SPDX-License-Identifier: MIT
 *
 * A place for daemons that put their sockets and shared memory at fixed paths and leave some of it behind. */
#ifndef BENCH_PEERS_SANDBOX_H
#define BENCH_PEERS_SANDBOX_H

/* The rest of the program runs in a child process with process, mount and, unless it is root, user namespaces of its own:
 * /dev/shm and /run are empty file systems that nobody else sees and that vanish with it, and it is the first process of its
 * kind, so that the kernel ends every process it started, whatever ends it.  The caller waits for it and exits with its
 * status; to the user it is one program.
 *
 * Call it before anything is started or opened, with one thread; again, it does nothing.  Ends the benchmark where the system
 * does not let it have namespaces. */
void sandbox_enter(void);

#endif
