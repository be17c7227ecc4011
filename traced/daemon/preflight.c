/* SPDX-License-Identifier: MIT
 *
 * See preflight.h. */
#include "preflight.h"
#include "footprint.h"
#include "socket_claim.h"
#include "traced_limits.h"
#include <store/history.h>
#include <store/nodes.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libtrace/clock.h>
#include <libtrace/drain_lock.h>
#include <p2ptrace/shm.h>
#include <proto/untrusted.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Room for a handful of nodes of one thread each, 8 MiB a lane. */
#define SHM_BYTES_WANTED (UINT64_C(64) << 20)
/* Users whose rings are listed one by one. */
#define USERS_MAX 8

enum verdict { VERDICT_OK, VERDICT_NOTE, VERDICT_WRONG };

struct check {
    const struct options *options;
    gid_t group;
    FILE *out;
    unsigned wrong;
};

static void tell(struct check *check, enum verdict verdict, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(struct check *check, enum verdict verdict, const char *what, const char *format, ...) {
    static const char *const words[] = {"ok", "note", "wrong"};
    char text[1024], shown[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace_show_text(shown, sizeof shown, text, strlen(text));
    fprintf(check->out, "%-5s  %-8s  %s\n", words[verdict], what, shown);
    check->wrong += verdict == VERDICT_WRONG;
}

static void check_socket(struct check *check) {
    struct trace_socket_path path;
    char reason[TRACE_SOCKET_REASON_BYTES];
    int result = trace_socket_path(&path, check->options->socket, reason);
    if (!result) result = socket_claim_examine(path.path, check->group, reason);
    if (result < 0)
        tell(check, VERDICT_WRONG, "socket", "%s", reason);
    else
        tell(check, VERDICT_OK, "socket", "would listen on %s (from %s)%s, for %s", path.path, path.source,
             result ? " and make its directory" : "",
             check->group == CREDENTIALS_NO_GROUP ? "this user and root" : "this user, root and the group");
}

static void check_shm(struct check *check) {
    const char *dir = check->options->shm_dir;
    struct statvfs info;
    char socket[TRACE_SOCKET_PATH_BYTES];
    if (access(dir, R_OK | X_OK) || statvfs(dir, &info)) {
        tell(check, VERDICT_WRONG, "memory", "cannot read %s: %s; choose another --shm-dir, the nodes' P2PTRACE_SHM_DIR", dir,
             strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)info.f_blocks * info.f_frsize, free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    bool small = free_bytes < SHM_BYTES_WANTED;
    tell(check, small ? VERDICT_NOTE : VERDICT_OK, "memory", "%s has %llu MiB, %llu free%s", dir,
         (unsigned long long)(bytes >> 20), (unsigned long long)(free_bytes >> 20),
         small ? "; each thread of a node takes 8: enlarge it (mount -o remount,size=1G), or build nodes with TRACE_MINIMAL"
               : "");

    if (check->options->read_only) return;
    if (access(dir, W_OK))
        tell(check, VERDICT_NOTE, "rings",
             "cannot be locked, because %s is not writable: another traced that drains them would not "
             "be noticed",
             dir);
    pid_t holder = drain_lock_holder(dir, socket);
    if (holder > 0)
        tell(check, VERDICT_WRONG, "rings", "traced (pid %d) drains them already: ask it at %s, or add --read-only", (int)holder,
             socket);
    else if (holder < 0)
        tell(check, VERDICT_WRONG, "rings",
             "another traced drains them, or is just starting or stopping: add --read-only, or ask it");
}

/* Rings in the directory by their owner. */
static void check_rings(struct check *check) {
    struct {
        uid_t uid;
        unsigned rings;
    } users[USERS_MAX];
    unsigned count = 0, own = 0, others = 0;
    DIR *dir = opendir(check->options->shm_dir);
    if (!dir) return; /* already reported */
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat info;
        unsigned i = 0;
        if (strncmp(entry->d_name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1) != 0) continue;
        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW)) continue;
        own += info.st_uid == geteuid();
        if (info.st_uid == geteuid()) continue;
        others++;
        while (i < count && users[i].uid != info.st_uid) i++;
        if (i == USERS_MAX) continue;
        if (i == count) users[count++].rings = 0;
        users[i].uid = info.st_uid;
        users[i].rings++;
    }
    closedir(dir);
    tell(check, own > NODES_MAX ? VERDICT_NOTE : VERDICT_OK, "rings", "%u of this user, which it would read%s", own,
         own > NODES_MAX ? "; more than it has room for" : "");
    for (unsigned i = 0; i < count; i++)
        tell(check, VERDICT_NOTE, "rings", "%u of user %u, which it would not read: run a traced as that user", users[i].rings,
             (unsigned)users[i].uid);
    if (others && count == USERS_MAX) tell(check, VERDICT_NOTE, "rings", "%u of other users in all", others);
}

/* history_create touches all of its memory, so we try it only if there is enough. */
static void check_history(struct check *check) {
    uint64_t bytes = check->options->history_bytes;
    char reason[FOOTPRINT_REASON_BYTES];
    struct history *history;
    struct history_stats stats;
    if (!footprint_history_fits(bytes, reason)) {
        tell(check, VERDICT_WRONG, "history", "%s", reason);
        return;
    }
    int error = history_create(&history, bytes);
    if (error) {
        tell(check, VERDICT_WRONG, "history", "%llu MiB: %s (--history)", (unsigned long long)bytes >> 20, strerror(-error));
        return;
    }
    history_stats(history, &stats);
    history_destroy(history);
    tell(check, VERDICT_OK, "history",
         "%llu MiB for %llu events, allocated at the start; at most %llu MiB with clients and answers",
         (unsigned long long)bytes >> 20, (unsigned long long)stats.events_max,
         (unsigned long long)footprint_promise(bytes) >> 20);
}

static void check_files(struct check *check) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    bool few = limit.rlim_max < LIMIT_CLIENTS + 256;
    tell(check, few ? VERDICT_NOTE : VERDICT_OK, "files", "may open %llu, one for each node and each client%s",
         (unsigned long long)limit.rlim_max, few ? "; raise it (ulimit -Hn, LimitNOFILE=)" : "");
}

static void check_clock(struct check *check) {
    if (trace_clock_tsc_usable())
        tell(check, VERDICT_OK, "clock", "the time-stamp counter is invariant; nodes stamp events with it");
    else
        tell(check, VERDICT_NOTE, "clock",
             "no invariant time-stamp counter, or P2PTRACE_CLOCK=monotonic: nodes read the system clock, about 10 ns more an "
             "event");
}

unsigned preflight_run(const struct options *options, gid_t group, FILE *out) {
    struct check check = {.options = options, .group = group, .out = out};
    check_socket(&check);
    check_shm(&check);
    check_rings(&check);
    check_history(&check);
    check_files(&check);
    check_clock(&check);
    return check.wrong;
}
