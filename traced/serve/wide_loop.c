/* SPDX-License-Identifier: MIT
 *
 * A loop whose table of descriptors never grows: see wide_loop.h. */
#include "wide_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* Watches a descriptor of that number for a moment: the loop does not run meanwhile. */
static int watch_once(uv_loop_t *loop, int fd) {
    static uv_poll_t poll; /* the loop has it until it runs */
    int result = uv_poll_init(loop, &poll, fd);
    if (result) return result;
    result = uv_poll_start(&poll, UV_READABLE, NULL);
    uv_close((uv_handle_t *)&poll, NULL);
    return result;
}

int loop_widen(uv_loop_t *loop, unsigned count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return -errno;
    if (count > limit.rlim_cur) count = (unsigned)limit.rlim_cur;
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0) return -errno;
    int highest = fcntl(fd, F_DUPFD_CLOEXEC, (int)count - 1);
    int result = highest < 0 ? -errno : watch_once(loop, highest);
    if (highest >= 0) close(highest);
    close(fd);
    return result;
}
