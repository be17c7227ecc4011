/* SPDX-License-Identifier: MIT
 *
 * One process as a source: through traced if traced reads the process's logs, otherwise from its rings.  If traced goes away,
 * reopening continues from the rings.  For a process that is gone and left no log: what traced remembers.  Ends when the process
 * has ended and all its events were delivered. */
#ifndef INSPECTOR_SOURCE_PROCESS_H
#define INSPECTOR_SOURCE_PROCESS_H

#include "source_socket.h"

#include <sys/types.h>

/* Where to look for a traced (source_socket_open). */
struct source_traced {
    const char *path;
    struct source_wait wait;
    uint64_t end_ms; /* as for source_end_calls */
};

/* Returns 0, or -1 with the failure. */
int source_process_open(struct source **ret_source, pid_t pid, const struct source_traced *where, struct failure *failure);

#endif
