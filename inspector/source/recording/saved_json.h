/* SPDX-License-Identifier: MIT
 *
 * Events that were saved as JSON, become a recording: what `export`, `trigger -o` and any command with --json write. */
#ifndef INSPECTOR_SAVED_JSON_H
#define INSPECTOR_SAVED_JSON_H

#include "failure.h"

#include <stdbool.h>
#include <stddef.h>

/* Does the file begin as JSON does? */
bool saved_json_is(const char *path);

/* Reads the files into one recording in memory, as a file without a name.  An event that is in it twice counts once.  What
 * cannot be read is reported on stderr with its place.  Returns 0 and the file in *ret_fd, or -1 with the
 * failure: a file that has neither events nor nodes. */
int saved_json_load(const char *const *paths, size_t path_count, int *ret_fd, struct failure *failure);

#endif
