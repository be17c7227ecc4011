/* SPDX-License-Identifier: MIT
 *
 * Preloaded into the shipper, what a directory of recordings does at the wrong moment:
 *
 *     SPOOL_HIDES=NAME SPOOL_HIDES_TIMES=N                      the first N scans do not see it, as when it arrives meanwhile
 *     SPOOL_REFUSES=NAME SPOOL_REFUSES_TIMES=N SPOOL_ERRNO=E    the first N times, it cannot be opened
 *     SPOOL_KEEPS=FILE                                          while FILE exists, no file can be removed */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static bool meant(const char *path, const char *name, const char *times, int *seen) {
    const char *wanted = getenv(name), *most = getenv(times), *last = strrchr(path, '/');
    return wanted && most && !strcmp(last ? last + 1 : path, wanted) && (*seen)++ < atoi(most);
}

/* The headers give readdir and open the names readdir64 and open64. */
PUBLIC struct dirent *readdir(DIR *dir) {
    static struct dirent *(*real)(DIR *);
    static int seen;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "readdir64");
    struct dirent *entry = real(dir);
    return entry && meant(entry->d_name, "SPOOL_HIDES", "SPOOL_HIDES_TIMES", &seen) ? real(dir) : entry;
}

PUBLIC int open(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    static int seen;
    va_list more;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "open64");
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    if (!meant(path, "SPOOL_REFUSES", "SPOOL_REFUSES_TIMES", &seen)) return real(path, flags, mode);
    errno = atoi(getenv("SPOOL_ERRNO"));
    return -1;
}

PUBLIC int unlinkat(int dir, const char *name, int flags) {
    static int (*real)(int, const char *, int);
    const char *while_there = getenv("SPOOL_KEEPS");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "unlinkat");
    if (!while_there || access(while_there, F_OK)) return real(dir, name, flags);
    errno = EACCES;
    return -1;
}
