/* SPDX-License-Identifier: MIT
 *
 * The right to drain a user's rings in one directory: at most one traced publishes how far it has read (which makes room in rings that
 * discard the newest) and removes the rings of the dead.  Two would each see a part.
 *
 * The right is a lock (flock) on a file in that directory, given up by the kernel when its holder dies, however it dies.  The file
 * says who holds it.  Main thread. */
#ifndef LIBTRACE_DRAIN_LOCK_H
#define LIBTRACE_DRAIN_LOCK_H

#include <sys/types.h>

struct drain_lock {
    char *path; /* NULL: not held */
    int fd;
};

/* Takes the lock for this user's rings in shm_dir; socket: where the others find its holder.  Returns 0, or a negative errno with a
 * sentence for the user in `reason` (TRACE_SOCKET_REASON_BYTES): -EADDRINUSE when another traced holds it; anything else
 * (a directory that we cannot write, somebody else's file of that name) says that no lock can be had there. */
int drain_lock_take(struct drain_lock *ret_lock, const char *shm_dir, const char *socket, char *reason);

/* Who holds it, for `reason` of others and for --check: the process id and its socket's path (TRACE_SOCKET_PATH_BYTES).  Takes
 * nothing.  Returns 0: nobody; or the pid, -1 when the file does not say. */
pid_t drain_lock_holder(const char *shm_dir, char *ret_socket);

/* Gives it up, and removes the file.  For one that is not held (zero) it does nothing. */
void drain_lock_release(struct drain_lock *lock);

#endif
