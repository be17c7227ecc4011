/* SPDX-License-Identifier: MIT */
#include "timely_write.h"

#include "failure.h"

#include <errno.h>
#include <linux/limits.h>
#include <poll.h>
#include <proto/clock.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_MS_MAX 60000

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

const char *timely_write_error(int error) { return error == ETIMEDOUT ? "its reader has stopped reading" : strerror(error); }
