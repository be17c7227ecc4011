/* SPDX-License-Identifier: MIT
 *
 * Preloaded into the shipper, what a directory of recordings does at the wrong moment:
 *
 *     SPOOL_HIDES=NAME SPOOL_HIDES_TIMES=N     the first N scans do not see this file, as when it arrives during them
 *     SPOOL_KEEPS=1                            no file can be removed */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

/* The header gives it the name readdir64. */
PUBLIC struct dirent *readdir(DIR *dir) {
    static struct dirent *(*real)(DIR *);
    static int times;
    const char *name = getenv("SPOOL_HIDES"), *most = getenv("SPOOL_HIDES_TIMES");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "readdir64");
    struct dirent *entry = real(dir);
    if (!entry || !name || !most || strcmp(entry->d_name, name) != 0 || times++ >= atoi(most)) return entry;
    return real(dir);
}

PUBLIC int unlinkat(int dir, const char *name, int flags) {
    static int (*real)(int, const char *, int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "unlinkat");
    if (!getenv("SPOOL_KEEPS")) return real(dir, name, flags);
    errno = EACCES;
    return -1;
}
