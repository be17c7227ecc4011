/* SPDX-License-Identifier: MIT
 *
 * See libtrace/drain_lock.h.  The name begins with a dot, so that no scan takes it for a ring. */
#include <errno.h>
#include <fcntl.h>
#include <libtrace/drain_lock.h>
#include <proto/socket_path.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path_in(const char *shm_dir) {
    char *path;
    return asprintf(&path, "%s/.p2ptrace.%u.drain", shm_dir, (unsigned)geteuid()) < 0 ? NULL : path;
}

/* Reads "PID SOCKET\n", which the holder may not have written yet. */
static pid_t read_holder(int fd, char *ret_socket) {
    char text[32 + TRACE_SOCKET_PATH_BYTES];
    int pid, at = 0;
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    bool said = sscanf(text, "%d %n", &pid, &at) == 1 && at > 0 && pid > 0;
    snprintf(ret_socket, TRACE_SOCKET_PATH_BYTES, "%s", said ? text + at : "");
    return said ? pid : -1;
}

static int write_holder(int fd, const char *socket) {
    return ftruncate(fd, 0) || dprintf(fd, "%d %s\n", (int)getpid(), socket) < 0 ? -errno : 0;
}

static int refuse_lock(int fd, const char *shm_dir, char *reason) {
    char socket[TRACE_SOCKET_PATH_BYTES];
    pid_t pid = read_holder(fd, socket);
    if (pid > 0)
        snprintf(reason, TRACE_SOCKET_REASON_BYTES,
                 "another traced (pid %d) drains the rings in %.150s already: ask it at %s, or watch beside it with --read-only",
                 (int)pid, shm_dir, socket);
    else
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "another traced that drains the rings in %.150s is starting or stopping",
                 shm_dir);
    return -EADDRINUSE;
}

/* The lock counts only if the name still refers to the locked file: a holder removes the file before it releases the lock. */
static bool is_still_named(int fd, const char *path) {
    struct stat held, named;
    return !fstat(fd, &held) && !lstat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int open_own(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) return -errno;
    struct stat info;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode) && info.st_uid == geteuid()) return fd;
    close(fd);
    return -EPERM; /* in a directory that anyone can write, another user can take the name first */
}

int drain_lock_take(struct drain_lock *ret_lock, const char *shm_dir, const char *socket, char *reason) {
    char *path = path_in(shm_dir);
    int error = -ENOMEM;
    while (path) {
        int fd = open_own(path);
        error = fd < 0 ? fd : flock(fd, LOCK_EX | LOCK_NB) ? -errno : 0;
        bool current = !error && is_still_named(fd, path);
        if (current) error = write_holder(fd, socket);
        if (current && !error) {
            *ret_lock = (struct drain_lock){.path = path, .fd = fd};
            return 0;
        }
        if (error == -EWOULDBLOCK) error = refuse_lock(fd, shm_dir, reason);
        if (fd >= 0) close(fd);
        if (error) break;
    }
    free(path);
    if (error != -EADDRINUSE)
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "cannot lock the rings in %.150s: %s", shm_dir, strerror(-error));
    return error;
}

pid_t drain_lock_holder(const char *shm_dir, char *ret_socket) {
    char *path = path_in(shm_dir);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) : -1;
    struct stat info;
    pid_t pid = 0;
    free(path);
    if (fd < 0) return 0;
    bool own = !fstat(fd, &info) && S_ISREG(info.st_mode) && info.st_uid == geteuid(); /* another user's file proves nothing */
    if (own && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK) pid = read_holder(fd, ret_socket);
    close(fd);
    return pid;
}

void drain_lock_release(struct drain_lock *lock) {
    if (!lock->path) return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    lock->path = NULL;
}
