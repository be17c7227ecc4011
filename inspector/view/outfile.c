/* SPDX-License-Identifier: MIT */
#include "outfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(const struct outfile *file, struct failure *failure) {
    return failure_set(failure, EXIT_FAILED, "cannot write %s: %s", file->path, strerror(errno));
}

int outfile_begin(struct outfile *file, const char *path, struct failure *failure) {
    *file = (struct outfile){.fd = -1, .path = path};
    if (asprintf(&file->temporary, "%s.XXXXXX", path) < 0) return failure_set(failure, EXIT_FAILED, "out of memory");
    file->fd = mkstemp(file->temporary);
    if (file->fd >= 0) return 0;
    free(file->temporary);
    return cannot_write(file, failure);
}

int outfile_end(struct outfile *file, bool keep, struct failure *failure) {
    mode_t mask = umask(0);
    umask(mask);
    bool bad = fchmod(file->fd, 0666 & ~mask) != 0;
    bad = close(file->fd) != 0 || bad;
    bad = keep && (bad || rename(file->temporary, file->path) != 0);
    int result = bad ? cannot_write(file, failure) : 0;
    if (!keep || bad) unlink(file->temporary);
    free(file->temporary);
    return result;
}
