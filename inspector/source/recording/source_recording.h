/* SPDX-License-Identifier: MIT
 *
 * Recordings as a source: files and directories, read as one. */
#ifndef INSPECTOR_SOURCE_RECORDING_H
#define INSPECTOR_SOURCE_RECORDING_H

#include "source.h"

#include <stddef.h>

/* Opens them.  What is damaged or missing is reported on stderr: what opening finds at once, the rest when the source is closed,
 * because blocks are only checked when a question reads them.  correct: show the times of several machines as those of one clock
 * (recorded_clocks.h).  Returns 0, or -1 with the failure. */
int source_recording_open(struct source **ret_source, const char *const *paths, size_t path_count, bool correct,
                          struct failure *failure);

#endif
