/* SPDX-License-Identifier: MIT
 *
 * What the rings of a process still have, loaded into a store, so that every question can be asked of it.  It needs no traced,
 * and the process may be dead.  Nothing is written to the rings. */
#ifndef INSPECTOR_RINGS_STORE_H
#define INSPECTOR_RINGS_STORE_H

#include "source.h"

#include <sys/types.h>

/* Opens the logs of a process, reads them, and closes them again.  Returns 0, or -1 with the failure. */
int rings_store_open(struct source **ret_source, pid_t pid, struct failure *failure);

#endif
