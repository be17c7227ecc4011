/* SPDX-License-Identifier: MIT
 *
 * See systemd.h. */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <proto/socket_path.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* A variable's number; -1 if it is missing or not a number. */
static long number_in(const char *variable) {
    const char *text = getenv(variable);
    if (!text || *text < '0' || *text > '9') return -1;
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    return *end || errno ? -1 : number;
}

static bool has_option(int fd, int option, int expected) {
    int value = 0;
    socklen_t bytes = sizeof value;
    return !getsockopt(fd, SOL_SOCKET, option, &value, &bytes) && value == expected;
}

int systemd_take_socket(int *ret_fd, char *reason) {
    long pid = number_in("LISTEN_PID"), count = number_in("LISTEN_FDS");
    if (pid != (long)getpid() || count <= 0) return 0; /* for nobody, or for the process that started us */
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count > 1) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the service manager passes %ld sockets; traced serves one", count);
        return -EINVAL;
    }
    if (!has_option(FIRST_FD, SO_DOMAIN, AF_UNIX) || !has_option(FIRST_FD, SO_TYPE, SOCK_STREAM) ||
        !has_option(FIRST_FD, SO_ACCEPTCONN, 1)) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the service manager did not pass a listening Unix stream socket");
        return -EINVAL;
    }
    int flags = fcntl(FIRST_FD, F_GETFL);
    if (flags < 0 || fcntl(FIRST_FD, F_SETFL, flags | O_NONBLOCK) || fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC)) {
        int error = -errno;
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "cannot use the service manager's socket: %s", strerror(-error));
        return error;
    }
    *ret_fd = FIRST_FD;
    return 1;
}

void systemd_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = path ? strlen(path) : 0;
    if (bytes < 2 || bytes >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(address.sun_path, path, bytes);
    if (path[0] == '@') address.sun_path[0] = 0; /* an abstract name: no file, and no NUL at its end */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (path[0] != '@'));
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, length);
    (void)sent;
    close(fd);
}
