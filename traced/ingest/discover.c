/* SPDX-License-Identifier: MIT
 *
 * Finding rings: see discover.h.
 *
 * The watch is made before the first scan, so that one of them reports a name that appears between the two; a name that both
 * see is already in the table the second time.  Names carry 64 random bits, so a name that went does not come again as another
 * object. */
#include "discover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <p2ptrace/shm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS 1024 /* a power of two */
#define WATCH_MASK (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR)

struct entry {
    struct entry *next;
    void *slot;
    uint32_t seen; /* the last scan that saw it */
    char name[];
};

struct discover {
    struct discover_handler handler;
    int dir_fd;
    int inotify_fd; /* -1: not available, or its watch is gone */
    bool scan_now;  /* inotify lost events */
    bool missed;    /* it has, at some time */
    bool scanned;
    uint64_t scanned_ns;
    uint32_t scan;
    uint32_t count;
    struct discover_refused refused;
    struct entry *buckets[BUCKETS];
};

/* ---- the table of names -------------------------------------------------------------------------------------------------- */

static bool is_ours(const char *name) { return strncmp(name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1) == 0; }

/* FNV-1a: names are short and there are few. */
static struct entry **find(struct discover *discover, const char *name) {
    uint32_t hash = 2166136261U;
    for (const char *c = name; *c != 0; c++) hash = (hash ^ (uint8_t)*c) * 16777619U;
    struct entry **at = &discover->buckets[hash % BUCKETS];
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

/* Is it a file of our user's?  Another user's files under that user's own names are not counted. */
static bool is_users(struct discover *discover, const char *name) {
    struct stat status;
    char *end;
    if (fstatat(discover->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false; /* gone already */
    if (status.st_uid == discover->handler.uid) return true;
    unsigned long uid = strtoul(name + sizeof TRACE_SHM_PREFIX - 1, &end, 10);
    discover->refused.strangers += *end != '.' || uid != status.st_uid;
    return false;
}

static void come(struct discover *discover, const char *name) {
    struct entry **at = find(discover, name);
    if (*at) {
        (*at)->seen = discover->scan;
        return;
    }
    if (!is_users(discover, name)) return;
    size_t bytes = strlen(name) + 1;
    struct entry *entry = discover->count < DISCOVER_NAMES_MAX ? malloc(sizeof *entry + bytes) : NULL;
    if (!entry) { /* a later scan may find room */
        discover->refused.left_out++;
        return;
    }
    *entry = (struct entry){.seen = discover->scan};
    memcpy(entry->name, name, bytes);
    *at = entry;
    discover->count++;
    discover->handler.appeared(discover->handler.arg, entry->name, &entry->slot);
}

static void go(struct discover *discover, struct entry **at) {
    struct entry *entry = *at;
    *at = entry->next;
    discover->count--;
    discover->handler.vanished(discover->handler.arg, entry->name, entry->slot);
    free(entry);
}

/* ---- scan ---------------------------------------------------------------------------------------------------------------- */

static void scan(struct discover *discover) {
    int fd = openat(discover->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!dir) { /* out of descriptors, or of memory: what we know stays as it is */
        if (fd >= 0) close(fd);
        return;
    }
    discover->scan++;
    discover->refused = (struct discover_refused){0, 0};
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (is_ours(entry->d_name)) come(discover, entry->d_name);
        errno = 0;
    }
    bool whole = errno == 0;
    closedir(dir);
    if (!whole) return; /* a name that was not seen may still exist */

    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct entry **at = &discover->buckets[i]; *at;) {
            if ((*at)->seen != discover->scan)
                go(discover, at);
            else
                at = &(*at)->next;
        }
    }
}

/* ---- inotify ------------------------------------------------------------------------------------------------------------- */

static void unwatch(struct discover *discover) {
    close(discover->inotify_fd);
    discover->inotify_fd = -1;
    discover->scan_now = true;
}

static void handle(struct discover *discover, const struct inotify_event *event) {
    if (event->mask & IN_Q_OVERFLOW) {
        discover->scan_now = discover->missed = true;
    } else if (event->len > 0 && is_ours(event->name)) {
        if (event->mask & (IN_CREATE | IN_MOVED_TO)) come(discover, event->name);
        struct entry **at = find(discover, event->name);
        if (!*at) return;
        if (event->mask & IN_CLOSE_WRITE) discover->handler.closed(discover->handler.arg, (*at)->name, (*at)->slot);
        if (event->mask & (IN_DELETE | IN_MOVED_FROM)) go(discover, at);
    }
}

static void read_news(struct discover *discover) {
    _Alignas(struct inotify_event) char buffer[16384];
    for (;;) {
        ssize_t bytes = read(discover->inotify_fd, buffer, sizeof buffer);
        bool gone = bytes < 0 && errno != EAGAIN && errno != EINTR;
        for (ssize_t at = 0; at < bytes;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
            handle(discover, event);
            gone |= (event->mask & (IN_IGNORED | IN_UNMOUNT)) != 0; /* the kernel removed the watch: only scans remain */
            at += (ssize_t)(sizeof *event + event->len);
        }
        if (gone) {
            unwatch(discover);
            return;
        }
        if (bytes <= 0) return;
    }
}

void discover_run(struct discover *discover, bool readable, uint64_t now_ns) {
    if (readable && discover->inotify_fd >= 0) read_news(discover);
    uint64_t period = discover->inotify_fd >= 0 ? DISCOVER_SCAN_WATCHED_NS : DISCOVER_SCAN_UNWATCHED_NS;
    if (discover->scanned && !discover->scan_now && now_ns - discover->scanned_ns < period) return;
    discover->scanned = true;
    discover->scan_now = false;
    discover->scanned_ns = now_ns;
    scan(discover);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

int discover_create(struct discover **ret_discover, const char *dir, const struct discover_handler *handler, bool watch) {
    struct discover *discover = calloc(1, sizeof *discover);
    if (!discover) return -ENOMEM;
    discover->handler = *handler;
    discover->inotify_fd = -1;
    discover->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (discover->dir_fd < 0) {
        int result = -errno;
        free(discover);
        return result;
    }
    if (watch) discover->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (discover->inotify_fd >= 0 && inotify_add_watch(discover->inotify_fd, dir, WATCH_MASK) < 0) unwatch(discover);
    *ret_discover = discover;
    return 0;
}

void discover_each(struct discover *discover, void (*each)(void *arg, const char *name, void *slot)) {
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct entry *entry = discover->buckets[i]; entry; entry = entry->next)
            each(discover->handler.arg, entry->name, entry->slot);
}

void discover_destroy(struct discover *discover) {
    if (!discover) return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (discover->buckets[i]) {
            struct entry *entry = discover->buckets[i];
            discover->buckets[i] = entry->next;
            free(entry);
        }
    }
    if (discover->inotify_fd >= 0) close(discover->inotify_fd);
    close(discover->dir_fd);
    free(discover);
}

bool discover_has_missed(const struct discover *discover) { return discover->missed || discover->inotify_fd < 0; }
int discover_fd(const struct discover *discover) { return discover->inotify_fd; }
int discover_dir_fd(const struct discover *discover) { return discover->dir_fd; }
uint32_t discover_count(const struct discover *discover) { return discover->count; }
struct discover_refused discover_refused(const struct discover *discover) {
    return discover->refused;
}
