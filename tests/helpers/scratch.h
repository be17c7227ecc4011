/* SPDX-License-Identifier: MIT
 *
 * Directories that a test creates and removes.  They are inside the suite's own directories (supervise.py), so that
 * nothing is left when it is killed. */
#ifndef TESTS_HELPERS_SCRATCH_H
#define TESTS_HELPERS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* Size of the path: short enough that the name of a socket fits after it. */
#define SCRATCH_BYTES 64

static inline char *make_scratch_in(char path[SCRATCH_BYTES], const char *base) {
    if (snprintf(path, SCRATCH_BYTES, "%s/XXXXXX", base) >= SCRATCH_BYTES) return NULL;
    return mkdtemp(path);
}

/* Creates a directory for files.  Returns the path, or NULL. */
static inline char *make_scratch(char path[SCRATCH_BYTES]) {
    const char *base = getenv("TMPDIR");
    return make_scratch_in(path, base ? base : "/tmp");
}

/* The same for objects in shared memory.  A test may point $P2PTRACE_SHM_DIR to its own directory: the suite's is its value at
 * the first call. */
static inline char *make_shm_scratch(char path[SCRATCH_BYTES]) {
    static char suite[SCRATCH_BYTES];
    const char *base = getenv("P2PTRACE_SHM_DIR");
    if (!suite[0]) snprintf(suite, sizeof suite, "%s", base ? base : "/dev/shm");
    return make_scratch_in(path, suite);
}

/* The reason to skip a test that needs that much room in such a directory; NULL if there is room. */
static inline const char *scratch_lacks(const char *path, unsigned long kib) {
    static char why[96];
    struct statvfs room;
    if (statvfs(path, &room) != 0) return "the free room cannot be determined";
    unsigned long free_kib = room.f_bavail * room.f_frsize / 1024;
    snprintf(why, sizeof why, "/dev/shm has %lu KiB free, this needs %lu", free_kib, kib);
    return free_kib < kib ? why : NULL;
}

#endif
