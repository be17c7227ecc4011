/* SPDX-License-Identifier: MIT */
#include "outdir.h"

#include "allocation.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(const char *path, int error, struct failure *failure) { return failure_of_write(failure, path, error); }

static bool is_special(const char *name) { return !strcmp(name, ".") || !strcmp(name, ".."); }

/* 0: the name is free, or an empty directory; otherwise an errno. */
static int check_free(const char *path) {
    DIR *stream = opendir(path);
    const struct dirent *entry;
    bool empty = true;
    if (!stream) return errno == ENOENT ? 0 : errno;
    while ((entry = readdir(stream))) empty &= is_special(entry->d_name);
    closedir(stream);
    return empty ? 0 : ENOTEMPTY;
}

int outdir_begin(struct outdir *directory, const char *path, struct failure *failure) {
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/') bytes--;
    *directory = (struct outdir){.path = strndup(path, bytes)};
    if (!directory->path || asprintf(&directory->temporary, "%s.XXXXXX", directory->path) < 0) {
        free(directory->path);
        return failure_out_of_memory(failure);
    }
    int error = check_free(directory->path);
    if (!error && !mkdtemp(directory->temporary)) error = errno;
    if (!error) return 0;
    cannot_write(path, error, failure);
    free(directory->path);
    free(directory->temporary);
    return -1;
}

static void remove_all(const char *path) {
    DIR *stream = opendir(path);
    const struct dirent *entry;
    while (stream && (entry = readdir(stream)))
        if (!is_special(entry->d_name)) unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream) closedir(stream);
    rmdir(path);
}

int outdir_end(struct outdir *directory, bool keep, struct failure *failure) {
    mode_t mask = umask(0);
    umask(mask);
    int error = keep && memory_was_short() ? ENOMEM : 0;
    if (keep && !error && (chmod(directory->temporary, 0777 & ~mask) || rename(directory->temporary, directory->path)))
        error = errno;
    if (error) cannot_write(directory->path, error, failure);
    if (!keep || error) remove_all(directory->temporary);
    free(directory->path);
    free(directory->temporary);
    return error ? -1 : 0;
}
