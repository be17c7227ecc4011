/* SPDX-License-Identifier: MIT
 *
 * See pidfile.h. */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int pidfile_write(const char *path) {
    char *beside;
    if (asprintf(&beside, "%s.XXXXXX", path) < 0) return -ENOMEM;
    int fd = mkostemp(beside, O_CLOEXEC), error = 0;
    if (fd < 0) {
        error = -errno;
        goto out;
    }
    if (dprintf(fd, "%d\n", (int)getpid()) < 0 || fchmod(fd, 0644)) error = -errno;
    if (close(fd) && !error) error = -errno;
    if (!error && rename(beside, path)) error = -errno;
    if (error) unlink(beside);
out:
    free(beside);
    return error;
}

void pidfile_remove(const char *path) {
    FILE *file = fopen(path, "re");
    int pid = 0;
    if (!file) return;
    if (fscanf(file, "%d", &pid) == 1 && pid == (int)getpid()) unlink(path);
    fclose(file);
}
