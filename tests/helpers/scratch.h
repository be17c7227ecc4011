/* SPDX-License-Identifier: MIT
 *
 * Directories that a test makes for itself and removes.  They are in those that its suite has for itself (supervise.py), so that
 * nothing stays when it is killed. */
#ifndef TESTS_HELPERS_SCRATCH_H
#define TESTS_HELPERS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* Room for the path: short enough that a socket's fits behind it. */
#define SCRATCH_BYTES 64

static inline char *make_scratch_in(char path[SCRATCH_BYTES], const char *base) {
    if (snprintf(path, SCRATCH_BYTES, "%s/XXXXXX", base) >= SCRATCH_BYTES) return NULL;
    return mkdtemp(path);
}

/* Makes a directory for files.  Returns the path, or NULL. */
static inline char *make_scratch(char path[SCRATCH_BYTES]) {
    const char *base = getenv("TMPDIR");
    return make_scratch_in(path, base ? base : "/tmp");
}

/* The same for objects in shared memory.  A test may point $P2PTRACE_SHM_DIR to its own directory: the suite's is what it was at
 * the first call. */
static inline char *make_shm_scratch(char path[SCRATCH_BYTES]) {
    static char suite[SCRATCH_BYTES];
    const char *base = getenv("P2PTRACE_SHM_DIR");
    if (!suite[0]) snprintf(suite, sizeof suite, "%s", base ? base : "/dev/shm");
    return make_scratch_in(path, suite);
}

/* Why a test that needs so much room in such a directory is skipped; NULL if there is room. */
static inline const char *scratch_lacks(const char *path, unsigned long kib) {
    static char why[96];
    struct statvfs room;
    if (statvfs(path, &room) != 0) return "nobody knows how much room there is";
    unsigned long free_kib = room.f_bavail * room.f_frsize / 1024;
    snprintf(why, sizeof why, "/dev/shm has %lu KiB free, this needs %lu", free_kib, kib);
    return free_kib < kib ? why : NULL;
}

#endif
