/* SPDX-License-Identifier: MIT
 *
 * Which machine a node ran on: whose clock its events are stamped with. */
#ifndef STORE_MACHINE_H
#define STORE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_ID_BYTES 16
#define MACHINE_NAME_BYTES 64 /* with its NUL */

struct machine {
    /* Of the machine as it runs: drawn by the kernel when it starts, so that containers have that of their host, and the same
     * machine another one after it was started again.  Zero: not known. */
    uint8_t id[MACHINE_ID_BYTES];
    char name[MACHINE_NAME_BYTES]; /* of the host; valid UTF-8 without control characters; empty: not known */
};

/* Where this process runs.  With P2PTRACE_MACHINE=NAME in its environment it is another machine, of that name: for virtual
 * machines that were started from one image of memory, whose kernels have drawn the same number.  Where nothing can be read,
 * zero. */
void machine_here(struct machine *ret_machine);

bool machine_known(const struct machine *machine);

#endif
