/* SPDX-License-Identifier: MIT
 *
 * Opens the source that the options choose. */
#ifndef INSPECTOR_SOURCE_OPEN_H
#define INSPECTOR_SOURCE_OPEN_H

#include "options.h"
#include "source.h"

#include <sys/types.h>

/* Opens a source.  call_timeout_ms: how long an answer may take.  Returns 0, or -1 with the failure. */
typedef int source_opener(struct source **ret_source, const struct options *options, uint64_t call_timeout_ms,
                          struct failure *failure);

/* The recordings of --read, the fleet of --fleet, or the rings of --pid; otherwise traced's socket, with --socket and --wait. */
source_opener source_open;

/* Opens one process (source_process.h).  Returns 0, or -1 with the failure. */
int source_open_process(struct source **ret_source, const struct options *options, pid_t pid, struct failure *failure);

#endif
