/* SPDX-License-Identifier: MIT */
#include "timely_write.h"

#include "failure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <proto/clock.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_MS_MAX 60000
#define PIPE_BYTES_MAX (UINT32_C(1) << 30)
#define EMPTY_POLL_MS 1 /* how often to check whether a pipe is empty */

static uint64_t program_end_ms = WAIT_FOREVER;

void timely_write_end(uint64_t end_ms) { program_end_ms = end_ms; }

/* Waits for room.  Returns 0, or -1 with errno. */
static int wait_for_room(int fd) {
    uint64_t now_ms = trace_now_monotonic_ms(), end_ms = now_ms + TIMELY_WRITE_GRACE_MS;
    if (end_ms < program_end_ms) end_ms = program_end_ms;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        uint64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 0;
        int ready = poll(&poll_fd, 1, left_ms < POLL_MS_MAX ? (int)left_ms : POLL_MS_MAX);
        if (ready) return ready < 0 ? -1 : 0;
        now_ms = trace_now_monotonic_ms();
        if (now_ms < end_ms) continue;
        errno = ETIMEDOUT;
        return -1;
    }
}

ssize_t timely_write(int fd, const void *bytes, size_t count) {
    struct stat status;
    if (program_end_ms == WAIT_FOREVER || (!fstat(fd, &status) && S_ISREG(status.st_mode))) return write(fd, bytes, count);
    if (wait_for_room(fd)) return -1;
    return write(fd, bytes, count < PIPE_BUF ? count : PIPE_BUF); /* a pipe with room takes that much at once */
}

/* Makes the pipe large enough, if the system allows that.  Returns whether it is. */
static bool pipe_holds(int fd, size_t count) {
    int size = fcntl(fd, F_GETPIPE_SZ);
    if (size >= 0 && (size_t)size < count && count <= PIPE_BYTES_MAX) size = fcntl(fd, F_SETPIPE_SZ, (int)count);
    return size >= 0 && (size_t)size >= count;
}

/* Waits until the pipe is empty: poll reports only that it has some room.  Returns 0, or -1 with errno. */
static int wait_until_empty(int fd) {
    uint64_t end_ms = 0;
    int before = 0, used;
    for (;;) {
        if (ioctl(fd, FIONREAD, &used)) return -1;
        if (!used) return 0;
        uint64_t now_ms = trace_now_monotonic_ms();
        if (!end_ms || used < before) end_ms = now_ms + TIMELY_WRITE_GRACE_MS;
        before = used;
        if (now_ms >= end_ms && now_ms >= program_end_ms) {
            errno = ETIMEDOUT;
            return -1;
        }
        struct pollfd poll_fd = {.fd = fd}; /* wakes at once when the reader is gone */
        if (poll(&poll_fd, 1, EMPTY_POLL_MS) > 0) return 0;
    }
}

ssize_t timely_write_whole(int fd, const void *bytes, size_t count) {
    struct stat status;
    if (program_end_ms == WAIT_FOREVER || fstat(fd, &status) || !S_ISFIFO(status.st_mode) || !pipe_holds(fd, count))
        return timely_write(fd, bytes, count);
    if (wait_until_empty(fd)) return -1;
    return write(fd, bytes, count);
}
