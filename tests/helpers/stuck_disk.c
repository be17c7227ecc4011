/* SPDX-License-Identifier: MIT
 *
 * Loaded before libc (LD_PRELOAD): pwrite() blocks while the file STUCK_DISK_FILE exists, like a stuck disk. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*real)(int fd, const void *bytes, size_t count, off64_t offset);
    const char *stuck = getenv("STUCK_DISK_FILE");
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pwrite64"); /* as POSIX writes it */
    while (stuck && !access(stuck, F_OK)) usleep(10000);
    return real(fd, bytes, count, offset);
}
