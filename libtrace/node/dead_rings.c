/* SPDX-License-Identifier: MIT
 *
 * Rings of dead nodes stay until a traced has drained them.  If none runs, they would fill /dev/shm.  So every open limits
 * their number, and when /dev/shm is full all of them are removed. */
#include "dead_rings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <p2ptrace/shm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CANDIDATES_MAX 4096

/* An object without a magic may still be in the making; after this long its maker must be dead. */
#define MAKING_SECONDS_MAX 10

struct candidate {
    char name[80];
    struct timespec changed;
};

static int older_first(const void *a, const void *b) {
    const struct timespec *x = &((const struct candidate *)a)->changed;
    const struct timespec *y = &((const struct candidate *)b)->changed;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Is this the ring of a dead node of this user? */
static int is_dead(int shm_dir_fd, const char *name, struct timespec *ret_changed) {
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    struct stat status;
    uint64_t magic = 0;
    int dead = 0;
    int fd = openat(shm_dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() && fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
        lock.l_type == F_UNLCK) {
        dead = pread(fd, &magic, sizeof magic, 0) == sizeof magic && magic == TRACE_SHM_MAGIC;
        if (!dead) dead = time(NULL) - status.st_ctime > MAKING_SECONDS_MAX;
        *ret_changed = status.st_mtim;
    }
    close(fd);
    return dead;
}

unsigned log__collect_dead(int shm_dir_fd, unsigned keep) {
    int fd = openat(shm_dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct candidate *dead = NULL;
    unsigned count = 0, removed = 0;
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0) close(fd);
        return 0;
    }
    while ((entry = readdir(dir)) && count < CANDIDATES_MAX) {
        struct candidate one;
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1) != 0 || length >= sizeof one.name) continue;
        if (!is_dead(shm_dir_fd, entry->d_name, &one.changed)) continue;
        memcpy(one.name, entry->d_name, length + 1);
        struct candidate *grown = realloc(dead, (count + 1) * sizeof *dead);
        if (!grown) break;
        dead = grown;
        dead[count++] = one;
    }
    closedir(dir);
    if (count > keep) {
        qsort(dead, count, sizeof *dead, older_first);
        for (unsigned i = 0; i < count - keep; i++) removed += unlinkat(shm_dir_fd, dead[i].name, 0) == 0;
    }
    free(dead);
    return removed;
}

/* An entry as getdents64 returns it (getdents(2)); the C library's readdir would allocate. */
struct kernel_entry {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

unsigned log__clear_dead(const char *shm_dir) {
    /* Small, because a signal handler's stack may be small. */
    uint64_t buffer[256];
    unsigned removed = 0;
    struct timespec changed;
    long count;
    int fd = open(shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return 0;
    while ((count = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < count;) {
            const struct kernel_entry *entry = (const struct kernel_entry *)(const void *)((const char *)buffer + at);
            if (strncmp(entry->name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1) == 0 && is_dead(fd, entry->name, &changed))
                removed += unlinkat(fd, entry->name, 0) == 0;
            at += entry->bytes;
        }
    }
    close(fd);
    return removed;
}
