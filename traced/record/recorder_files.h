/* SPDX-License-Identifier: MIT
 *
 * The files of a directory of recordings: their names, and which are removed when there are too many. */
#ifndef TRACED_RECORDER_FILES_H
#define TRACED_RECORDER_FILES_H

#include <stdint.h>

#define RECORDER_NAME_BYTES 64

/* "p2ptrace-INSTANCE-NUMBER.p2rec": the order of the names is that of the segments. */
void recorder_name(char out[RECORDER_NAME_BYTES], uint64_t instance, uint64_t number);

/* Removes the oldest recordings until all together have at most bytes_max (0: any), and those that were written before
 * `oldest_unix_ns`; the newest stays.  Also removes what a recorder left half-written.  Returns how many recordings were
 * removed, or a negative errno. */
int recorder_remove_old(int dir_fd, uint64_t bytes_max, uint64_t oldest_unix_ns);

#endif
