/* SPDX-License-Identifier: MIT
 *
 * libuv aborts the process when its first loop gets no descriptors for epoll, its eventfd and its pipe for signals.  So check
 * first that there are enough below the process's limit. */
#ifndef PROTO_DESCRIPTORS_H
#define PROTO_DESCRIPTORS_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define TRACE_DESCRIPTORS_OF_A_LOOP 5U

/* Opens `count` descriptors, at most 16, and closes them again.  Returns 0, or a negative errno. */
static inline int trace_need_descriptors(unsigned count) {
    int fds[16], error = 0;
    unsigned have = 0;
    while (have < count && !error) {
        fds[have] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fds[have] >= 0)
            have++;
        else
            error = -errno;
    }
    while (have > 0) close(fds[--have]);
    return error;
}

#endif
