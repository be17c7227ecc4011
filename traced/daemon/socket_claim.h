/* SPDX-License-Identifier: MIT
 *
 * The right to a socket path: at most one traced listens on it.
 *
 * The right is a lock (flock) on PATH.lock, which traced holds while it runs and the kernel releases when it dies, no matter
 * how.  Only its holder removes or makes the socket, so two that start together cannot both win, and a socket without a holder
 * is stale.  Main thread only, before any other thread starts (it sets the umask for a moment). */
#ifndef TRACED_SOCKET_CLAIM_H
#define TRACED_SOCKET_CLAIM_H

#include "credentials.h"
#include <proto/socket_path.h>
#include <sys/types.h>

struct socket_claim {
    char path[TRACE_SOCKET_PATH_BYTES];
    char lock_path[TRACE_SOCKET_PATH_BYTES + 8];
    int lock_fd, listen_fd;
    dev_t device; /* the socket as we created it; inode 0: we did not */
    ino_t inode;
};

/* Creates the directory (0700) if missing, takes the lock, removes a stale socket, binds (0600) and listens.  group: its
 * members may reach the socket, too (0710 and 0660); CREDENTIALS_NO_GROUP: no group.  An existing directory is not changed:
 * -EACCES if one on the path keeps the group out. Returns 0, or a negative errno with a sentence for the user in `reason`
 * (TRACE_SOCKET_REASON_BYTES); -EADDRINUSE if another process serves the path. */
int socket_claim_take(struct socket_claim *ret_claim, const char *path, gid_t group, char *reason);

/* The same for a socket that is already bound and listening: a service manager created it, and keeps it when we exit.  Its path
 * goes into the claim.  Takes ownership of listen_fd, even on failure.  -EINVAL when the socket has no path. */
int socket_claim_adopt(struct socket_claim *ret_claim, int listen_fd, char *reason);

/* Whether socket_claim_take would succeed, without a change: 0; 1 if it would have to create the directory; or a negative errno
 * with a sentence in `reason`. */
int socket_claim_examine(const char *path, gid_t group, char *reason);

/* Removes the socket, if it is still ours, and the lock.  Does not close listen_fd when it has been taken (-1). */
void socket_claim_release(struct socket_claim *claim);

#endif
