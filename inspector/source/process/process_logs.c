/* SPDX-License-Identifier: MIT */
#include "process_logs.h"

#include "process_state.h"

#include <dirent.h>
#include <errno.h>
#include <p2ptrace/shm.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *process_logs_dir(void) {
    const char *dir = getenv("P2PTRACE_SHM_DIR");
    return dir && *dir ? dir : "/dev/shm";
}

bool process_logs_is_named(const char *name, pid_t pid) {
    unsigned uid;
    int named_pid, at = 0;
    return sscanf(name, TRACE_SHM_PREFIX "%u.%d.%n", &uid, &named_pid, &at) == 2 && at > 0 && named_pid == pid;
}

static void add_log(struct process_logs *logs, const char *dir, const char *name) {
    struct process_log *log = &logs->logs[logs->count];
    for (unsigned i = 0; i < logs->count; i++) /* header and lanes are two mappings of one object */
        if (!strcmp(logs->logs[i].name, name) && !strcmp(logs->logs[i].dir, dir)) return;
    if (logs->count == PROCESS_LOGS_MAX || strlen(name) >= sizeof log->name || strlen(dir) >= sizeof log->dir) return;
    snprintf(log->dir, sizeof log->dir, "%s", dir);
    snprintf(log->name, sizeof log->name, "%s", name);
    logs->count++;
}

/* traced maps the logs of other processes.  A process's own carry its pid, as its PID namespace numbers it. */
static bool is_its_own(const struct process_logs *logs, const char *name) {
    for (unsigned i = 0; i < logs->id_count; i++)
        if (process_logs_is_named(name, logs->ids[i])) return true;
    return false;
}

/* An object that the process maps.  Its path may lead elsewhere for us; then we go through /proc/PID/root. */
static void add_mapped(struct process_logs *logs, char *path, unsigned long inode) {
    static const char deleted[] = " (deleted)";
    char dir[280];
    struct stat status;
    char *slash = strrchr(path, '/');
    size_t bytes = strlen(path);
    bool removed = bytes > sizeof deleted && !strcmp(path + bytes - (sizeof deleted - 1), deleted);
    const char *name = slash + 1;
    if (!is_its_own(logs, name)) return;
    logs->removed |= removed;
    if (removed) return;
    *slash = 0;
    snprintf(dir, sizeof dir, "%s/%s", path, name);
    if (!stat(dir, &status) && status.st_ino == inode)
        add_log(logs, path, name);
    else if (snprintf(dir, sizeof dir, "/proc/%d/root%s", (int)logs->pid, path) < (int)sizeof dir)
        add_log(logs, dir, name);
}

/* Reads /proc/PID/maps.  Returns 0 or a negative errno. */
static int find_mapped(struct process_logs *logs) {
    char path[64], *line = NULL;
    size_t capacity = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)logs->pid);
    FILE *file = fopen(path, "re");
    if (!file) return -errno;
    for (ssize_t bytes; (bytes = getline(&line, &capacity, file)) > 0;) {
        unsigned long inode;
        int at = 0;
        line[bytes - 1] = 0;
        /* address, permissions, offset, device, inode, path */
        if (sscanf(line, "%*s %*s %*s %*s %lu %n", &inode, &at) != 1 || line[at] != '/') continue;
        if (strstr(line + at, "/" TRACE_SHM_PREFIX)) add_mapped(logs, line + at, inode);
    }
    int error = ferror(file) ? -EIO : 0;
    free(line);
    fclose(file);
    return error;
}

static void find_named(struct process_logs *logs) {
    DIR *dir = opendir(process_logs_dir());
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (process_logs_is_named(entry->d_name, logs->pid)) add_log(logs, process_logs_dir(), entry->d_name);
    closedir(dir);
}

/* The process's pids, in our namespace and in those below it. */
static void read_ids(struct process_logs *logs) {
    char path[64], line[256];
    logs->ids[logs->id_count++] = logs->pid;
    snprintf(path, sizeof path, "/proc/%d/status", (int)logs->pid);
    FILE *file = fopen(path, "re");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        int at = 0, more, id;
        if (strncmp(line, "NSpid:", 6) != 0) continue;
        for (const char *text = line + 6; logs->id_count < PROCESS_IDS_MAX && sscanf(text, "%d%n", &id, &more) == 1; text += more)
            if (at++) logs->ids[logs->id_count++] = id; /* the first is `pid` */
    }
    fclose(file);
}

static void read_comm(struct process_logs *logs) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)logs->pid);
    FILE *file = fopen(path, "re");
    if (file && !fgets(logs->comm, sizeof logs->comm, file)) logs->comm[0] = 0;
    if (file) fclose(file);
    logs->comm[strcspn(logs->comm, "\n")] = 0;
}

void process_logs_find(struct process_logs *ret_logs, pid_t pid) {
    struct process_logs *logs = ret_logs;
    struct stat status;
    char path[64];
    *logs = (struct process_logs){.pid = pid, .state = PROCESS_GONE};
    pid_t parent;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (!process_has_ended(pid, &parent) && !stat(path, &status)) {
        logs->uid = status.st_uid;
        read_comm(logs);
        read_ids(logs);
        logs->state = find_mapped(logs) ? PROCESS_FOREIGN : PROCESS_OURS;
    }
    if (logs->state != PROCESS_OURS) find_named(logs);
}

int process_logs_missing(const struct process_logs *logs, struct failure *failure) {
    const struct passwd *user = logs->state == PROCESS_GONE ? NULL : getpwuid(logs->uid);
    int pid = (int)logs->pid;
    if (logs->state == PROCESS_GONE)
        return failure_set(failure, EXIT_FAILED,
                           "there is no process %d, and no log of one in %s; inspector nodes lists the traced ones", pid,
                           process_logs_dir());
    if (logs->state == PROCESS_FOREIGN && user && logs->uid != geteuid())
        return failure_set(failure, EXIT_FAILED, "process %d (%s) is %s's, and so are its logs: sudo -u %s inspector attach %d",
                           pid, logs->comm, user->pw_name, user->pw_name, pid);
    if (logs->removed)
        return failure_set(failure, EXIT_FAILED,
                           "somebody removed the name of the log of process %d (%s): start the process again", pid, logs->comm);
    return failure_set(failure, EXIT_FAILED, "process %d (%s) has no log; inspector doctor %d says why", pid, logs->comm, pid);
}
