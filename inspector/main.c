/* SPDX-License-Identifier: MIT
 *
 * inspector: asks traced, and shows what it says. */
#include "command.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* A socket must not get the number of a standard stream that was closed: what is printed would go there, and libuv aborts.
 * Read-only, so that who writes is told. */
static void fill_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return; /* the lowest number is the one that is free */
}

int main(int argc, char **argv) {
    fill_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen when writing */
    return inspector_main(argc, argv, source_open);
}
