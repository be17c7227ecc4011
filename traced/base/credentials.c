/* SPDX-License-Identifier: MIT
 *
 * See credentials.h. */
#include "credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The kernel returns the size it needs.  Two calls suffice: the credentials of a connection do not change. */
static int look_at_groups(struct credentials *credentials, int fd) {
    socklen_t bytes = 0;
    if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) || errno == ENOPROTOOPT)
        return 0; /* none, or the kernel does not support it */
    if (errno != ERANGE) return -errno;
    credentials->groups = malloc(bytes);
    if (!credentials->groups) return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, credentials->groups, &bytes)) {
        int error = -errno;
        free(credentials->groups);
        return error;
    }
    credentials->group_count = bytes / sizeof *credentials->groups;
    return 0;
}

int credentials_look(struct credentials *ret_credentials, int fd) {
    struct ucred user;
    socklen_t bytes = sizeof user;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &bytes)) return -errno;
    struct credentials credentials = {.pid = user.pid, .uid = user.uid, .gid = user.gid};
    int error = look_at_groups(&credentials, fd);
    if (!error) *ret_credentials = credentials;
    return error;
}

void credentials_fini(struct credentials *credentials) { free(credentials->groups); }

bool credentials_is_guest(const struct credentials *credentials, uid_t self) {
    return credentials->uid != self && credentials->uid != 0;
}

int64_t credentials_client(const struct credentials *credentials, uid_t self) {
    return credentials_is_guest(credentials, self) ? -(int64_t)credentials->uid : credentials->pid;
}

bool credentials_may_enter(const struct credentials *credentials, uid_t self, gid_t group) {
    if (!credentials_is_guest(credentials, self)) return true;
    if (group == CREDENTIALS_NO_GROUP) return false;
    if (credentials->gid == group) return true;
    for (size_t i = 0; i < credentials->group_count; i++)
        if (credentials->groups[i] == group) return true;
    return false;
}
