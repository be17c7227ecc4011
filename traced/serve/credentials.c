/* SPDX-License-Identifier: MIT
 *
 * See peer.h. */
#include "credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The kernel says how much room it wants: twice are enough, for a process cannot change what it connected with. */
static int look_at_groups(struct peer *peer, int fd) {
    socklen_t bytes = 0;
    if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) || errno == ENOPROTOOPT) return 0; /* none, or not told */
    if (errno != ERANGE) return -errno;
    peer->groups = malloc(bytes);
    if (!peer->groups) return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &bytes)) {
        int error = -errno;
        free(peer->groups);
        return error;
    }
    peer->group_count = bytes / sizeof *peer->groups;
    return 0;
}

int peer_look(struct peer *ret_peer, int fd) {
    struct ucred credentials;
    socklen_t bytes = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes)) return -errno;
    struct peer peer = {.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
    int error = look_at_groups(&peer, fd);
    if (!error) *ret_peer = peer;
    return error;
}

void peer_fini(struct peer *peer) { free(peer->groups); }

bool peer_may_enter(const struct peer *peer, uid_t self, gid_t group) {
    if (peer->uid == self || peer->uid == 0) return true;
    if (group == PEER_NO_GROUP) return false;
    if (peer->gid == group) return true;
    for (size_t i = 0; i < peer->group_count; i++)
        if (peer->groups[i] == group) return true;
    return false;
}
