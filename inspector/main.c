/* SPDX-License-Identifier: MIT
 *
 * inspector: asks traced, and shows what it says. */
#include "commands.h"

#include <signal.h>

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is seen when writing */
    return inspector_main(argc, argv);
}
