/* SPDX-License-Identifier: MIT */
#include "outfile.h"

#include "allocation.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(const char *path, struct failure *failure) { return failure_of_write(failure, path, errno); }

/* ---- creating -------------------------------------------------------------------------------------------------------------- */

/* A file without a name in the directory of `path`; NULL: of temporary files. */
static int open_nameless(const char *path, mode_t mode) {
    char *copy = path ? strdup(path) : NULL;
    if (path && !copy) return -1;
    int fd = open(path ? dirname(copy) : P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    free(copy);
    return fd;
}

static int open_named(const char *path, char **ret_name) {
    char *name;
    if (asprintf(&name, "%s.XXXXXX", path) < 0) return -1;
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        free(name);
    else
        *ret_name = name;
    return fd;
}

/* A new file beside `path`, with the mode of `like`, or the one that the umask gives. */
static int make_beside(struct outfile *file, const struct stat *like) {
    file->fd = open_nameless(file->path, 0666);
    file->nameless = file->fd >= 0;
    if (!file->nameless) file->fd = open_named(file->path, &file->temporary);
    if (file->fd < 0) return -1;
    if (like) {
        if (like->st_uid != geteuid() || like->st_gid != getegid()) (void)!fchown(file->fd, like->st_uid, like->st_gid);
        return fchmod(file->fd, like->st_mode & 0777);
    }
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(file->fd, 0666 & ~mask);
}

/* The output is kept until it is complete; then it overwrites what is there. */
static int make_spool(struct outfile *file) {
    char *name = NULL;
    file->fd = open_nameless(NULL, 0600);
    if (file->fd >= 0) return 0;
    file->fd = open_named(P_tmpdir "/inspector", &name);
    if (file->fd >= 0) unlink(name);
    free(name);
    return file->fd < 0 ? -1 : 0;
}

static int open_what_is_there(struct outfile *file) {
    struct stat status;
    int fd = open(file->path, O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC, 0666); /* O_CREAT: a link may lead to nothing yet */
    if (fd < 0 || fstat(fd, &status)) {
        if (fd >= 0) close(fd);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        file->fd = fd;
        return 0;
    }
    file->copy_to = fd;
    return make_spool(file);
}

static int begin(struct outfile *file) {
    struct stat status;
    if (lstat(file->path, &status)) return errno == ENOENT ? make_beside(file, NULL) : -1;
    if (!S_ISREG(status.st_mode)) return open_what_is_there(file);
    if (faccessat(AT_FDCWD, file->path, W_OK, AT_EACCESS)) return -1; /* a protected file must not be replaced by another */
    if (!make_beside(file, &status)) return 0;
    return errno == EACCES || errno == EPERM || errno == EROFS ? open_what_is_there(file) : -1;
}

static void discard(struct outfile *file) {
    if (file->fd >= 0) close(file->fd);
    if (file->copy_to >= 0) close(file->copy_to);
    if (file->temporary) unlink(file->temporary);
    free(file->temporary);
}

int outfile_begin(struct outfile *file, const char *path, struct failure *failure) {
    *file = (struct outfile){.fd = -1, .copy_to = -1, .path = path};
    if (!begin(file)) return 0;
    int result = cannot_write(path, failure);
    discard(file);
    return result;
}

/* ---- keeping ------------------------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t count) {
    while (count) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

static int overwrite(int to, int from) {
    char part[65536];
    ssize_t count;
    if (ftruncate(to, 0)) return -1;
    for (off_t at = 0; (count = pread(from, part, sizeof part, at)) > 0; at += count)
        if (write_all(to, part, (size_t)count)) return -1;
    return count < 0 ? -1 : 0;
}

static int link_as(const struct outfile *file, const char *name) {
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* Gives a nameless file the name of the file that it replaces; for a moment it needs a name of its own. */
static int link_beside(struct outfile *file) {
    for (unsigned tries = 0; tries < 100; tries++) {
        if (asprintf(&file->temporary, "%s.%d.%u", file->path, (int)getpid(), tries) < 0) {
            file->temporary = NULL;
            return -1;
        }
        if (!link_as(file, file->temporary)) return 0;
        int error = errno;
        free(file->temporary);
        file->temporary = NULL;
        errno = error;
        if (error != EEXIST) return -1;
    }
    return -1;
}

/* Closing a file may report a write that failed only now (a quota, a network file system).  So one descriptor of it is closed
 * before the file gets its name. */
static int settle_writes(const struct outfile *file) {
    int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 || close(fd) ? -1 : 0;
}

static int keep_it(struct outfile *file) {
    if (settle_writes(file)) return -1;
    if (file->copy_to >= 0) {
        int result = overwrite(file->copy_to, file->fd);
        int closed = close(file->copy_to);
        file->copy_to = -1;
        return result || closed ? -1 : 0;
    }
    if (file->nameless) {
        if (!link_as(file, file->path)) return 0;
        if (errno != EEXIST || link_beside(file)) return -1;
    }
    if (!file->temporary) return 0;
    if (rename(file->temporary, file->path)) return -1;
    free(file->temporary);
    file->temporary = NULL;
    return 0;
}

int outfile_end(struct outfile *file, bool keep, struct failure *failure) {
    bool whole = keep && !memory_was_short();
    int result = keep && !whole ? failure_out_of_memory(failure) : whole && keep_it(file) ? cannot_write(file->path, failure) : 0;
    discard(file);
    return result;
}
