/* SPDX-License-Identifier: MIT
 *
 * The rings of a process, loaded into a store that answers every method.  Needs no traced, and the process may be dead.  Writes
 * nothing to the rings. */
#ifndef INSPECTOR_RINGS_STORE_H
#define INSPECTOR_RINGS_STORE_H

#include "source.h"

#include <sys/types.h>

/* Reads the logs of a process once, then closes them.  Returns 0, or -1 with the failure. */
int rings_store_open(struct source **ret_source, pid_t pid, struct failure *failure);

#endif
