/* SPDX-License-Identifier: MIT
 *
 * Who is at the other end of a connection, as the kernel tells (SO_PEERCRED, SO_PEERGROUPS): the user and the groups of the process
 * that called connect(), as they were then.  Nothing of it can be made up by the peer. */
#ifndef TRACED_PEER_H
#define TRACED_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_NO_GROUP ((gid_t)-1)

struct peer {
    pid_t pid; /* 0: in a process namespace that we cannot see */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* supplementary ones, of the heap; none where the kernel does not tell (before Linux 4.13) */
    size_t group_count;
};

/* Asks about a connected Unix socket.  Does not block.  Returns 0 or a negative errno; then there is nothing to free. */
int peer_look(struct peer *ret_peer, int fd);
void peer_fini(struct peer *peer);

/* May it be served by a traced of user `self`?  That user and root may; and who is in `group`, unless that is PEER_NO_GROUP. */
bool peer_may_enter(const struct peer *peer, uid_t self, gid_t group);

#endif
