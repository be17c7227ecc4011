/* SPDX-License-Identifier: MIT
 *
 * See socket_claim.h. */
#include "socket_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 1024 /* non-blocking clients fail at once when it is full */

static int fail(char *reason, int error, const char *what, const char *path) {
    snprintf(reason, TRACE_SOCKET_REASON_BYTES, "%s %s: %s", what, path, strerror(-error));
    return error;
}

static void directory_of(const char *path, char directory[TRACE_SOCKET_PATH_BYTES]) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(directory, ".");
    else
        snprintf(directory, TRACE_SOCKET_PATH_BYTES, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* May anyone create a link of this name?  Then it could redirect our socket and lock. */
static bool is_strangers_link(const char *directory) {
    char above[TRACE_SOCKET_PATH_BYTES];
    struct stat link, info;
    directory_of(directory, above);
    if (lstat(directory, &link) || !S_ISLNK(link.st_mode)) return false;
    return (link.st_uid != geteuid() && link.st_uid != 0) || stat(above, &info) || (info.st_mode & 022);
}

/* It must be a directory in which nobody else can replace our socket. */
static int judge_directory(const char *directory, char *reason) {
    struct stat info;
    if (is_strangers_link(directory)) {
        snprintf(
            reason, TRACE_SOCKET_REASON_BYTES,
            "the socket's directory %s is a symbolic link that others may have created: remove it, or choose another --socket",
            directory);
        return -ELOOP;
    }
    if (stat(directory, &info)) return fail(reason, -errno, "cannot look at the socket's directory", directory);
    if (!S_ISDIR(info.st_mode)) return fail(reason, -ENOTDIR, "cannot use the socket's directory", directory);
    bool owner_fits = info.st_uid == geteuid() || info.st_uid == 0;
    bool others_write = (info.st_mode & 022) && !(info.st_mode & S_ISVTX);
    if (owner_fits && !others_write) return 0;
    snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the socket's directory %s (mode %04o) %s", directory,
             (unsigned)info.st_mode & 07777,
             owner_fits ? "can be written by others: chmod go-w, or choose another --socket"
                        : "belongs to another user: choose another --socket");
    return -EPERM;
}

static int prepare_directory(const char *path, gid_t group, char *reason) {
    char directory[TRACE_SOCKET_PATH_BYTES];
    directory_of(path, directory);
    if (!mkdir(directory, 0700)) {
        if (group != CREDENTIALS_NO_GROUP && (chown(directory, (uid_t)-1, group) || chmod(directory, 0710)))
            return fail(reason, -errno, "cannot let the group into", directory);
    } else if (errno != EEXIST) {
        return fail(reason, -errno, "cannot make the socket's directory", directory);
    }
    return judge_directory(directory, reason);
}

/* May the group's members pass all directories on the way to the socket? */
static int check_way(const char *path, gid_t group, char *reason) {
    char directory[TRACE_SOCKET_PATH_BYTES];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct stat info;
        snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
        if (stat(directory, &info)) return fail(reason, -errno, "cannot look at", directory);
        if (info.st_mode & (info.st_gid == group ? S_IXGRP : S_IXOTH)) continue;
        snprintf(reason, TRACE_SOCKET_REASON_BYTES,
                 "the group cannot enter %s (mode %04o): give it the right (chgrp, chmod g+x), or choose another --socket",
                 directory, (unsigned)info.st_mode & 07777);
        return -EACCES;
    }
    return 0;
}

static int connect_to(const char *path, struct ucred *ret_peer) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    *ret_peer = (struct ucred){0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    socklen_t bytes = sizeof *ret_peer;
    int error = 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        error = -errno;
    else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &bytes))
        error = -errno;
    close(fd);
    return error;
}

static int refuse(const char *path, char *reason) {
    struct ucred peer;
    if (connect_to(path, &peer) == 0 && peer.pid > 0)
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "another traced (pid %d) already serves %s", (int)peer.pid, path);
    else
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "another traced is starting or stopping on %s", path);
    return -EADDRINUSE;
}

/* Opens the lock file.  Returns the descriptor; -EPERM if it belongs to another user, which proves nothing; or another negative
 * errno. */
static int open_lock(const char *path, int flags) {
    struct stat info;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) return -errno;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode) && info.st_uid == geteuid()) return fd;
    close(fd);
    return -EPERM;
}

static int refuse_lock(const char *path, char *reason) {
    snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the lock file %s belongs to another user: choose another --socket", path);
    return -EPERM;
}

/* Takes the lock.  A departing holder unlinks the file while it still holds the lock.  So a lock counts only if the name still
 * refers to the locked file. */
static int take_lock(struct socket_claim *claim, char *reason) {
    for (;;) {
        int fd = open_lock(claim->lock_path, O_RDWR | O_CREAT);
        if (fd == -EPERM) return refuse_lock(claim->lock_path, reason);
        if (fd < 0) return fail(reason, fd, "cannot open the lock file", claim->lock_path);
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            int error = -errno;
            close(fd);
            return error == -EWOULDBLOCK ? refuse(claim->path, reason) : fail(reason, error, "cannot lock", claim->lock_path);
        }
        struct stat held, named;
        if (!fstat(fd, &held) && !stat(claim->lock_path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
            claim->lock_fd = fd;
            return 0;
        }
        close(fd);
    }
}

/* Returns 0 if nobody serves the path: it does not exist, or is a stale socket. */
static int look_for_server(const char *path, char *reason) {
    struct stat info;
    if (lstat(path, &info)) return errno == ENOENT ? 0 : fail(reason, -errno, "cannot look at", path);
    if (!S_ISSOCK(info.st_mode)) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "%s exists and is not a socket", path);
        return -EEXIST;
    }
    struct ucred peer;
    int error = connect_to(path, &peer);
    if (error == 0 || error == -EAGAIN) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "another program (pid %d) already serves %s", (int)peer.pid, path);
        return -EADDRINUSE;
    }
    return error == -ECONNREFUSED || error == -ENOENT ? 0 : fail(reason, error, "cannot ask who serves", path);
}

static int remove_stale(const char *path, char *reason) {
    int error = look_for_server(path, reason);
    if (error) return error;
    return unlink(path) && errno != ENOENT ? fail(reason, -errno, "cannot remove the stale socket", path) : 0;
}

static int bind_and_listen(struct socket_claim *claim, gid_t group, char *reason) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, claim->path, strlen(claim->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail(reason, -errno, "cannot make a socket for", claim->path);
    /* The mode has to be right from the first moment; nobody can connect before listen(). */
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    int error = bound ? -errno : 0;
    umask(mask);
    if (!error && group != CREDENTIALS_NO_GROUP && (chown(claim->path, (uid_t)-1, group) || chmod(claim->path, 0660)))
        error = -errno;
    struct stat info;
    if (!error && (lstat(claim->path, &info) || listen(fd, LISTEN_BACKLOG))) error = -errno;
    if (error) {
        if (!bound) unlink(claim->path);
        close(fd);
        return fail(reason, error, "cannot listen on", claim->path);
    }
    claim->device = info.st_dev;
    claim->inode = info.st_ino;
    claim->listen_fd = fd;
    return 0;
}

/* Fills in the paths, and takes the directory and the lock. */
static int begin(struct socket_claim *claim, const char *path, gid_t group, char *reason) {
    *claim = (struct socket_claim){.lock_fd = -1, .listen_fd = -1};
    snprintf(claim->path, sizeof claim->path, "%s", path);
    snprintf(claim->lock_path, sizeof claim->lock_path, "%s.lock", path);
    int error = prepare_directory(path, group, reason);
    if (!error && group != CREDENTIALS_NO_GROUP) error = check_way(path, group, reason);
    return error ? error : take_lock(claim, reason);
}

int socket_claim_adopt(struct socket_claim *ret_claim, int listen_fd, char *reason) {
    struct socket_claim claim;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t bytes = sizeof address;
    int error = getsockname(listen_fd, (struct sockaddr *)&address, &bytes) ? -errno : 0;
    if (error || bytes <= offsetof(struct sockaddr_un, sun_path) || !address.sun_path[0]) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the service manager's socket has no path");
        error = -EINVAL;
    } else {
        char path[TRACE_SOCKET_PATH_BYTES + 1] = "";
        memcpy(path, address.sun_path, bytes - offsetof(struct sockaddr_un, sun_path));
        error = begin(&claim, path, CREDENTIALS_NO_GROUP, reason); /* its mode is up to the manager */
    }
    if (error) {
        close(listen_fd);
        return error;
    }
    claim.listen_fd = listen_fd;
    *ret_claim = claim;
    return 0;
}

int socket_claim_take(struct socket_claim *ret_claim, const char *path, gid_t group, char *reason) {
    struct socket_claim claim;
    int error = begin(&claim, path, group, reason);
    if (error) return error;
    error = remove_stale(path, reason);
    if (!error) error = bind_and_listen(&claim, group, reason);
    if (error) {
        unlink(claim.lock_path);
        close(claim.lock_fd);
        return error;
    }
    *ret_claim = claim;
    return 0;
}

int socket_claim_examine(const char *path, gid_t group, char *reason) {
    char directory[TRACE_SOCKET_PATH_BYTES], above[TRACE_SOCKET_PATH_BYTES];
    char lock_path[TRACE_SOCKET_PATH_BYTES + 8];
    directory_of(path, directory);
    if (access(directory, F_OK) && errno == ENOENT) {
        directory_of(directory, above);
        return access(above, W_OK | X_OK) ? fail(reason, -errno, "cannot make the socket's directory in", above) : 1;
    }
    int error = judge_directory(directory, reason);
    if (!error && group != CREDENTIALS_NO_GROUP) error = check_way(path, group, reason);
    if (error) return error;
    if (access(directory, W_OK | X_OK)) return fail(reason, -errno, "cannot put a socket into", directory);
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    int fd = open_lock(lock_path, O_RDONLY);
    if (fd == -EPERM) return refuse_lock(lock_path, reason);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    if (fd >= 0) close(fd);
    return held ? refuse(path, reason) : look_for_server(path, reason);
}

void socket_claim_release(struct socket_claim *claim) {
    struct stat info;
    if (claim->inode && !lstat(claim->path, &info) && info.st_ino == claim->inode && info.st_dev == claim->device)
        unlink(claim->path);
    if (claim->listen_fd >= 0) close(claim->listen_fd);
    unlink(claim->lock_path);
    close(claim->lock_fd);
    claim->lock_fd = claim->listen_fd = -1;
}
