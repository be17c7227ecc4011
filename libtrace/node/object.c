/* SPDX-License-Identifier: MIT
 *
 * The shared-memory object of a log on the node's side: see object.h.
 *
 * No descriptor outlives the function that opened it.  Programs close descriptors that they do not know (closefrom, a daemon's
 * loop, dup2 onto one) and reuse the numbers, so a number that we kept could be the program's own file by now.  The mapping
 * keeps the open file description alive, and with it the lock that says that the node lives: an open-file-description lock is
 * released with the last reference, and a mapping is a reference (tests/libtrace/test_descriptors.c). */
#include "object.h"

#include "open_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE /* Linux 5.14; headers may be older than the kernel */
#define MADV_POPULATE_WRITE 23
#endif

/* ---- making ---------------------------------------------------------------------------------------------------------------- */

/* A program that closed its standard streams must not get the ring as one of them: it would print into the ring.
 * Returns a descriptor or a negative errno. */
static int open_above_standard_streams(int dir_fd, const char *name, int flags) {
    int fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600), above;
    if (fd < 0) return -errno;
    if (fd > STDERR_FILENO) return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (above < 0) above = -errno;
    close(fd);
    return above;
}

/* Gives the new object its lock, size and header.  The lock comes first, because an object with a size but no lock looks like a
 * dead node's. */
static int prepare(struct log *log, int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat status;
    int result;
    if (fchmod(fd, 0600) != 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0 || ftruncate(fd, (off_t)log->object_bytes) != 0 ||
        fstat(fd, &status) != 0)
        return -errno;
    do result = posix_fallocate(fd, 0, TRACE_SHM_HEADER_BYTES);
    while (result == EINTR);
    if (result != 0) return -result;
    void *base = mmap(NULL, log->object_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) return -errno;
    log->device = status.st_dev;
    log->inode = status.st_ino;
    log->header = (struct trace_shm_header *)base;
    log->slots = (struct trace_event *)((char *)base + TRACE_SHM_LANES_OFFSET);
    log->base.control = &log->header->control;
    return 0;
}

int object__make(struct log *log, int dir_fd) {
    struct rlimit file_limit;
    uint64_t random;

    /* Beyond this limit ftruncate would raise SIGXFSZ, which kills the program. */
    if (getrlimit(RLIMIT_FSIZE, &file_limit) == 0 && log->object_bytes > file_limit.rlim_cur) return -EFBIG;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return -errno;
    snprintf(log->name, sizeof log->name, "/%s%u.%d.%016llx", TRACE_SHM_PREFIX, (unsigned)geteuid(), (int)getpid(),
             (unsigned long long)random);
    /* A random number, not a count: copies of this library in other plugins of the process would count separately. */
    log->base.serial = random != 0 ? random : 1;
    int fd = open_above_standard_streams(dir_fd, log->name + 1, O_RDWR | O_CREAT | O_EXCL);
    int result = fd < 0 ? fd : prepare(log, fd);
    if (fd >= 0) close(fd);
    if (result != 0 && fd != -EEXIST) unlinkat(dir_fd, log->name + 1, 0);
    return result;
}

void object__unmap(struct log *log) {
    if (log->header) munmap(log->header, log->object_bytes);
    log->header = NULL;
}

/* ---- opening again ------------------------------------------------------------------------------------------------------- */

/* Opens the object by its name, if the name still refers to it.  Returns a descriptor or a negative errno. */
static int open_again(const struct log *log, int flags) {
    struct stat status;
    int dir_fd = open(log->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) return -errno;
    int fd = open_above_standard_streams(dir_fd, log->name + 1, flags);
    close(dir_fd);
    if (fd < 0) return fd;
    if (fstat(fd, &status) == 0 && status.st_dev == log->device && status.st_ino == log->inode) return fd;
    close(fd);
    return -ESTALE;
}

int object__map_again(const struct log *log, const void **ret_base) {
    int fd = open_again(log, O_RDONLY), result = 0;
    if (fd < 0) return fd;
    void *base = mmap(NULL, log->object_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        result = -errno;
    else
        *ret_base = base;
    close(fd);
    return result;
}

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

/* For kernels before 5.14, and programs whose seccomp filter refuses madvise. */
static int reserve_by_name(const struct log *log, size_t offset, size_t bytes) {
    char *base = (char *)log->header + offset;
    int fd = open_again(log, O_RDWR), result;
    if (fd < 0) return fd;
    do result = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
    while (result == EINTR);
    close(fd);
    if (result != 0) return -result;
    /* Adding 0 maps the page, so that no event has to fault it in.  Atomic, because other data on the page may be in use. */
    for (size_t at = 0; at < bytes; at += 4096)
        __atomic_fetch_add((uint64_t *)(void *)(base + at), 0, __ATOMIC_RELAXED); /* relaxed: it changes nothing */
    return 0;
}

int object__reserve(const struct log *log, size_t offset, size_t bytes) {
    if (madvise((char *)log->header + offset, bytes, MADV_POPULATE_WRITE) == 0) return 0;
    if (errno == EFAULT) return -ENOSPC; /* a write would raise SIGBUS: the filesystem is full */
    if (errno == ENOMEM || errno == EINTR) return -errno;
    return reserve_by_name(log, offset, bytes);
}

void object__release(const struct log *log, size_t offset, size_t bytes) {
    (void)madvise((char *)log->header + offset, bytes, MADV_REMOVE);
}

bool object__has_room(const struct log *log, size_t bytes) {
    struct statfs room;
    if (statfs(log->dir, &room) != 0 || room.f_blocks == 0) return true; /* no limit, or none that we can find out */
    return room.f_bavail >= (bytes + (size_t)room.f_bsize - 1) / (size_t)room.f_bsize;
}
