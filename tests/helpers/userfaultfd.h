/* SPDX-License-Identifier: MIT
 *
 * Whether this machine lets a process refuse holes (libtrace/ring/holes.h). */
#ifndef TESTS_HELPERS_USERFAULTFD_H
#define TESTS_HELPERS_USERFAULTFD_H

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline bool is_userfaultfd_allowed(void) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

#endif
