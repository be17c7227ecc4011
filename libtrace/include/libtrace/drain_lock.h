/* SPDX-License-Identifier: MIT
 *
 * The right to drain a user's rings in one directory.  Only one traced may publish how far it has read (which makes room in
 * rings that discard the newest events) and remove the rings of dead nodes.  Two would each see only a part.
 *
 * The right is a lock (flock) on a file in that directory.  The kernel releases it when its holder dies, however it dies.  The
 * file says who holds it.  Where anybody can write to the directory, another user can take the file's name before us: then it is
 * a file with a name that nobody can guess, and every process looks for locked files of its user under all such names.  Files of
 * other users are ignored.  Main thread only. */
#ifndef LIBTRACE_DRAIN_LOCK_H
#define LIBTRACE_DRAIN_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

struct drain_lock {
    char *path; /* NULL: not held */
    int fd;
};

/* Takes the lock for this user's rings in shm_dir.  socket: where others can reach its holder.  Returns 0, or a negative errno
 * with a sentence for the user in `reason` (TRACE_SOCKET_REASON_BYTES bytes): -EADDRINUSE when another traced holds the lock;
 * anything else (the directory is not writable) means that no lock is possible there. */
int drain_lock_take(struct drain_lock *ret_lock, const char *shm_dir, const char *socket, char *reason);

/* Who holds the lock?  Does not take it.  Returns 0 when nobody does, otherwise the holder's process id, or -1 when the file
 * does not say; then ret_socket (TRACE_SOCKET_PATH_BYTES bytes) is its socket's path, or "". */
pid_t drain_lock_holder(const char *shm_dir, char *ret_socket);

/* Is this the name, without a directory, of a file that may be the lock of our user? */
bool drain_lock_is_name(const char *name);

/* Releases the lock and removes the file.  Does nothing for a lock that is not held (zeroed). */
void drain_lock_release(struct drain_lock *lock);

#endif
