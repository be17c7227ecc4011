/* SPDX-License-Identifier: MIT
 *
 * The machine that a node ran on, whose clock stamps its events. */
#ifndef STORE_MACHINE_H
#define STORE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_ID_BYTES 16
#define MACHINE_NAME_BYTES 64 /* with its NUL */

struct machine {
    /* The boot id: the kernel draws it at boot, so containers have that of their host, and a machine gets a new one when it
     * reboots.  Zero: not known. */
    uint8_t id[MACHINE_ID_BYTES];
    char name[MACHINE_NAME_BYTES]; /* of the host; valid UTF-8 without control characters; empty: not known */
};

/* The machine of this process.  P2PTRACE_MACHINE=NAME in its environment makes it a different machine with that name: for
 * virtual machines that were started from one memory image, and so have the same boot id.  Zero if nothing can be read. */
void machine_here(struct machine *ret_machine);

bool machine_known(const struct machine *machine);

#endif
