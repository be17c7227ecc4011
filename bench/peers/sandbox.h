/* SPDX-License-Identifier: MIT
 *
 * A sandbox for daemons that put their sockets and shared memory at fixed paths and leave some of it behind. */
#ifndef BENCH_PEERS_SANDBOX_H
#define BENCH_PEERS_SANDBOX_H

/* The rest of the program runs in a child process with process, mount and, unless it is root, user namespaces of its own:
 * /dev/shm and /run are empty file systems that only it sees and that vanish with it, and it is the first process of its pid
 * namespace, so the kernel ends every process that it started, however it ends.  The caller waits for it and exits with its
 * status, so the user sees one program.
 *
 * Call it with one thread, before anything is started or opened; a second call does nothing.  Ends the benchmark if the system
 * does not grant namespaces. */
void sandbox_enter(void);

#endif
