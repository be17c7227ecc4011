/* SPDX-License-Identifier: MIT
 *
 * Who is at the other end of a connection (SO_PEERCRED, SO_PEERGROUPS): the user and the groups of the process that called
 * connect(), at that time.  The kernel says so; the peer cannot forge it. */
#ifndef TRACED_CREDENTIALS_H
#define TRACED_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CREDENTIALS_NO_GROUP ((gid_t)-1)

struct credentials {
    pid_t pid; /* 0: in a pid namespace that we cannot see */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* supplementary ones, on the heap; none before Linux 4.13 */
    size_t group_count;
};

/* Looks at a connected Unix socket.  Does not block.  Returns 0 or a negative errno; then there is nothing to free. */
int credentials_look(struct credentials *ret_credentials, int fd);
void credentials_fini(struct credentials *credentials);

/* May a traced of user `self` serve it?  Yes for that user, for root, and for members of `group`, unless that is
 * CREDENTIALS_NO_GROUP. */
bool credentials_may_enter(const struct credentials *credentials, uid_t self, gid_t group);

/* Is it a member of the group, and neither `self` nor root? */
bool credentials_is_guest(const struct credentials *credentials, uid_t self);

/* Whose requests compete as one client's (lanes.h): those of a process, or of all processes of a guest, who can start any number
 * of them. */
int64_t credentials_client(const struct credentials *credentials, uid_t self);

#endif
