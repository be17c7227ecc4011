/* SPDX-License-Identifier: MIT
 *
 * See libtrace/drain_lock.h.  All names begin with a dot, so that no scan takes them for a ring.
 *
 * A process first locks a file of its own, and then looks for other files of its user that are locked.  So of two that start
 * at the same time, at least one sees the other. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libtrace/drain_lock.h>
#include <proto/socket_path.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES 16
#define TRY_NS_MAX UINT32_C(20000000)

struct holder {
    pid_t pid; /* -1: not known */
    char socket[TRACE_SOCKET_PATH_BYTES];
};

/* ---- names ---------------------------------------------------------------------------------------------------------------- */

/* The usual name, ".p2ptrace.UID.drain". */
static char *usual_path(const char *shm_dir) {
    char *path;
    return asprintf(&path, "%s/.p2ptrace.%u.drain", shm_dir, (unsigned)geteuid()) < 0 ? NULL : path;
}

/* A name that nobody can guess and take before us, ".p2ptrace.UID.HEX.drain". */
static char *secret_path(const char *shm_dir) {
    uint64_t random;
    char *path;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) return NULL;
    return asprintf(&path, "%s/.p2ptrace.%u.%016" PRIx64 ".drain", shm_dir, (unsigned)geteuid(), random) < 0 ? NULL : path;
}

enum name_kind { NAME_OTHER, NAME_USUAL, NAME_SECRET };

static enum name_kind kind_of(const char *name) {
    static const char tail[] = ".drain";
    char head[40];
    size_t skip = (size_t)snprintf(head, sizeof head, ".p2ptrace.%u", (unsigned)geteuid()), bytes = strlen(name);
    if (bytes < skip + sizeof tail - 1 || strncmp(name, head, skip) != 0) return NAME_OTHER;
    const char *end = name + bytes - (sizeof tail - 1);
    if (strcmp(end, tail) != 0 || name[skip] != '.') return NAME_OTHER;
    return end == name + skip ? NAME_USUAL : NAME_SECRET;
}

bool drain_lock_is_name(const char *name) { return kind_of(name) != NAME_OTHER; }

static bool is_own_file(const struct stat *info) { return S_ISREG(info->st_mode) && info->st_uid == geteuid(); }

static bool is_same(const struct stat *a, const struct stat *b) { return a->st_ino == b->st_ino && a->st_dev == b->st_dev; }

/* Has another user taken the name? */
static bool is_strangers(const char *path) {
    struct stat info;
    return !lstat(path, &info) && !is_own_file(&info);
}

static int open_own(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) return -errno;
    struct stat info;
    if (!fstat(fd, &info) && is_own_file(&info)) return fd;
    close(fd);
    return -EPERM; /* another user's file proves nothing */
}

/* ---- holders -------------------------------------------------------------------------------------------------------------- */

/* Reads "PID SOCKET\n", which the holder may not have written yet. */
static struct holder read_holder(int fd) {
    char text[32 + TRACE_SOCKET_PATH_BYTES];
    struct holder holder = {.pid = -1};
    int pid, at = 0;
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    if (sscanf(text, "%d %n", &pid, &at) != 1 || at <= 0 || pid <= 0) return holder;
    holder.pid = pid;
    snprintf(holder.socket, sizeof holder.socket, "%s", text + at);
    return holder;
}

/* When it cannot be written (there is no room) the lock is held all the same, and others do not learn by whom. */
static void write_holder(int fd, const char *socket) {
    bool written = !ftruncate(fd, 0) && dprintf(fd, "%d %s\n", (int)getpid(), socket) > 0;
    (void)written;
}

/* Finds a lock of our user's, other than `own` (NULL: none), that is held.  clean: removes secret names that no longer are; a
 * process that has just created one, and did not lock it yet, creates another. */
static bool find_held(const char *shm_dir, const struct stat *own, bool clean, struct holder *ret_holder) {
    DIR *dir = opendir(shm_dir);
    bool held = false;
    if (!dir) return false;
    for (const struct dirent *entry; !held && (entry = readdir(dir));) {
        struct stat info;
        enum name_kind kind = kind_of(entry->d_name);
        if (kind == NAME_OTHER || fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) || !is_own_file(&info)) continue;
        if (own && is_same(&info, own)) continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) continue;
        held = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
        if (held) *ret_holder = read_holder(fd);
        close(fd);
        if (!held && clean && kind == NAME_SECRET) (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return held;
}

pid_t drain_lock_holder(const char *shm_dir, char *ret_socket) {
    struct holder holder;
    if (!find_held(shm_dir, NULL, false, &holder)) return 0;
    memcpy(ret_socket, holder.socket, sizeof holder.socket);
    return holder.pid;
}

/* ---- taking --------------------------------------------------------------------------------------------------------------- */

/* The lock counts only if the name still refers to the locked file: a holder removes the file before it releases the lock. */
static bool is_still_named(const struct drain_lock *lock, struct stat *ret_held) {
    struct stat named;
    return !fstat(lock->fd, ret_held) && !lstat(lock->path, &named) && is_same(ret_held, &named);
}

static int open_lock(struct drain_lock *ret_lock, bool *ret_secret, const char *shm_dir) {
    char *path = usual_path(shm_dir);
    int fd = path ? open_own(path, O_RDWR | O_CREAT) : -ENOMEM;
    *ret_secret = path && fd < 0 && is_strangers(path);
    if (*ret_secret) {
        free(path);
        path = secret_path(shm_dir);
        fd = path ? open_own(path, O_RDWR | O_CREAT | O_EXCL) : -ENOMEM;
    }
    if (fd < 0)
        free(path);
    else
        *ret_lock = (struct drain_lock){.path = path, .fd = fd};
    return fd < 0 ? fd : 0;
}

/* Returns 0; -EWOULDBLOCK: *ret_holder holds it; -ESTALE: the file was removed meanwhile; or another negative errno. */
static int try_to_take(struct drain_lock *ret_lock, const char *shm_dir, const char *socket, struct holder *ret_holder) {
    struct drain_lock lock;
    struct holder nobody;
    struct stat held;
    bool secret;
    int error = open_lock(&lock, &secret, shm_dir);
    if (error) return error;
    bool locked = !flock(lock.fd, LOCK_EX | LOCK_NB);
    if (!locked) {
        error = -errno;
        if (error == -EWOULDBLOCK) *ret_holder = read_holder(lock.fd);
    } else if (!is_still_named(&lock, &held)) {
        error = -ESTALE;
    } else if (find_held(shm_dir, &held, false, ret_holder)) {
        error = -EWOULDBLOCK;
    }
    if (!error) {
        write_holder(lock.fd, socket);
        (void)find_held(shm_dir, &held, true, &nobody);
        *ret_lock = lock;
        return 0;
    }
    if (secret || (locked && error != -ESTALE)) unlink(lock.path);
    close(lock.fd);
    free(lock.path);
    return error;
}

static void pause_at_random(void) {
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof random, 0);
    nanosleep(&(struct timespec){.tv_nsec = random % TRY_NS_MAX}, NULL);
}

/* One that does not say who it is may be starting just as we do, and give up because of us. */
int drain_lock_take(struct drain_lock *ret_lock, const char *shm_dir, const char *socket, char *reason) {
    struct holder holder = {.pid = -1};
    int error = 0;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        if (error == -EWOULDBLOCK) pause_at_random();
        error = try_to_take(ret_lock, shm_dir, socket, &holder);
        if (error != -ESTALE && !(error == -EWOULDBLOCK && holder.pid < 0)) break;
    }
    if (!error) return 0;
    if (error != -EWOULDBLOCK && error != -ESTALE) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "cannot lock the rings in %.150s: %s", shm_dir, strerror(-error));
        return error;
    }
    if (holder.pid > 0)
        snprintf(reason, TRACE_SOCKET_REASON_BYTES,
                 "another traced (pid %d) drains the rings in %.150s already: ask it at %s, or watch beside it with --read-only",
                 (int)holder.pid, shm_dir, holder.socket);
    else
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "another traced drains the rings in %.150s, or is starting or stopping",
                 shm_dir);
    return -EADDRINUSE;
}

void drain_lock_release(struct drain_lock *lock) {
    if (!lock->path) return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    lock->path = NULL;
}
