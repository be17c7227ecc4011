/* SPDX-License-Identifier: MIT
 *
 * One process: can it be traced, and where is its log? */
#include "doctor_checks.h"
#include "json_get.h"
#include "process_state.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A text of the library: any program that opens a log contains it, stripped or not. */
static const char library_mark[] = "P2PTRACE_SHM_DIR";

static bool file_has_library(const char *path) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool found = false;
    if (fd < 0) return false;
    if (!fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        found = bytes != MAP_FAILED && memmem(bytes, (size_t)status.st_size, library_mark, sizeof library_mark);
        if (bytes != MAP_FAILED) munmap(bytes, (size_t)status.st_size);
    }
    close(fd);
    return found;
}

/* Searches the program and the shared objects that it maps. */
bool doctor_has_library(pid_t pid) {
    char path[64], *line = NULL, file[4096];
    size_t capacity = 0;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    bool found = file_has_library(path);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = found ? NULL : fopen(path, "re");
    while (maps && !found && getline(&line, &capacity, maps) > 0) {
        char permissions[8];
        int at = 0;
        if (sscanf(line, "%*s %7s %*s %*s %*s %n", permissions, &at) != 1 || line[at] != '/' || permissions[2] != 'x') continue;
        line[strcspn(line, "\n")] = 0;
        if (snprintf(file, sizeof file, "/proc/%d/root%s", (int)pid, line + at) < (int)sizeof file)
            found = file_has_library(file);
    }
    free(line);
    if (maps) fclose(maps);
    return found;
}

static void report_no_log(struct doctor *doctor, const struct process_logs *logs) {
    int pid = (int)logs->pid;
    if (logs->removed)
        doctor_wrong(doctor, "process", "start the process again",
                     "the log of process %d (%s) was removed, and nobody can open it", pid, logs->comm);
    else if (!doctor_has_library(logs->pid))
        doctor_wrong(doctor, "process", "cc -DTRACE_FULL ... $(pkg-config --cflags --libs p2ptrace)",
                     "process %d (%s) is compiled without TRACE: the library is not in it", pid, logs->comm);
    else
        doctor_wrong(doctor, "process",
                     "print what trace_log_open returns: -ENOSPC is a full directory, -EINVAL a node id of zeros",
                     "process %d (%s) has the library, and no open log: it has not called trace_log_open, or that failed", pid,
                     logs->comm);
}

static void look_at_place(struct doctor *doctor, const struct process_logs *logs, const struct process_log *log) {
    char own_root[32];
    int pid = (int)logs->pid;
    struct stat here, there;
    snprintf(own_root, sizeof own_root, "/proc/%d/root", pid);
    bool same =
        !stat(doctor->dir, &here) && !stat(log->dir, &there) && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
    if (same)
        doctor_fine(doctor, "process", "process %d (%s) has its log here: %s", pid, logs->comm, log->name);
    else if (!strncmp(log->dir, own_root, strlen(own_root)))
        doctor_wrong(doctor, "process", doctor_remedy("inspector attach %d; or share the directory with its container", pid),
                     "process %d (%s) has its log in its own %s, another mount than ours", pid, logs->comm,
                     log->dir + strlen(own_root));
    else
        doctor_wrong(doctor, "process", doctor_remedy("export P2PTRACE_SHM_DIR=%s; traced &", log->dir),
                     "process %d (%s) has its log in %s, and we look in %s", pid, logs->comm, log->dir, doctor->dir);
}

/* The name of a process; "?" if we cannot see it. */
static const char *name_of(pid_t pid, struct process_logs *room) {
    process_logs_find(room, pid);
    return *room->comm ? room->comm : "?";
}

/* A process that is gone and left no log here: traced may know which node it was. */
static void report_gone(struct doctor *doctor, pid_t pid) {
    size_t i;
    const json_t *node, *known = NULL;
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) if (json_get_count(node, "pid") == (uint64_t)pid) known =
        node;
    const char *name = json_get_text(known, "name"), *id = json_get_hex(known, "node_id", NODE_DIGITS),
               *state = json_get_text(known, "state");
    bool closed = state && !strcmp(state, "exited"), was_node = id && (closed || (state && !strcmp(state, "crashed")));
    struct process_logs other;
    pid_t parent;
    if (!was_node && process_has_ended(pid, &parent))
        doctor_wrong(doctor, "process", doctor_remedy("ps -o pid,stat,args --ppid %d", (int)parent),
                     "process %d has ended; its parent, process %d (%s), has not waited for it", (int)pid, (int)parent,
                     name_of(parent, &other));
    else if (!was_node)
        doctor_wrong(doctor, "process", "ps -e", "there is no process %d", (int)pid);
    else
        doctor_wrong(doctor, "process", doctor_remedy("inspector recent 20 --node %s", id),
                     "process %d is gone: it was the node %s, which %s its log", (int)pid, name && *name ? name : id,
                     closed ? "closed" : "did not close");
}

void doctor_look_at_hold(struct doctor *doctor, const char *check, const char *node, pid_t pid) {
    struct process_held held;
    struct process_logs other;
    process_held_find(&held, pid);
    switch (held.why) {
    case PROCESS_STOPPED:
        doctor_wrong(doctor, check, doctor_remedy("kill -CONT %d", (int)pid),
                     "process %d (%s) is stopped, by SIGSTOP or Ctrl-Z: it does nothing until it is continued", (int)pid, node);
        break;
    case PROCESS_DEBUGGED:
        doctor_wrong(doctor, check, "continue it in the debugger, or detach it",
                     "process %d (%s) is stopped by a debugger, process %d (%s): it does nothing until it is continued", (int)pid,
                     node, (int)held.by, name_of(held.by, &other));
        break;
    case PROCESS_FROZEN:
        doctor_wrong(doctor, check, doctor_remedy("echo 0 > %s", held.freeze),
                     "process %d (%s) is frozen with its control group: it does nothing until that is thawed", (int)pid, node);
        break;
    case PROCESS_IN_KERNEL:
        doctor_unsure(doctor, check, doctor_remedy("cat /proc/%d/wchan", (int)pid),
                      "process %d (%s) waits in the kernel (state D), as for a disk or a network file system", (int)pid, node);
        break;
    default: break;
    }
}

void doctor_look_at_process(struct doctor *doctor, pid_t pid) {
    struct process_logs logs;
    pid_t parent;
    process_logs_find(&logs, pid);
    const struct passwd *user = logs.state == PROCESS_GONE ? NULL : getpwuid(logs.uid);
    const char *name = user ? user->pw_name : "USER";
    if (logs.state == PROCESS_GONE && !logs.count)
        report_gone(doctor, pid);
    else if (logs.state == PROCESS_GONE)
        doctor_wrong(doctor, "process", doctor_remedy("inspector attach %d", (int)pid),
                     process_has_ended(pid, &parent) ? "process %d has ended, but its log is still here"
                                                     : "there is no process %d, but its log is still here",
                     (int)pid);
    else if (logs.uid != geteuid())
        doctor_wrong(doctor, "process", doctor_remedy("sudo -u %s inspector doctor %d", name, (int)pid),
                     "process %d (%s) is %s's: only a traced of that user reads it", (int)pid, logs.comm, name);
    else if (!logs.count)
        report_no_log(doctor, &logs);
    for (unsigned i = 0; logs.state != PROCESS_GONE && logs.uid == geteuid() && i < logs.count; i++)
        look_at_place(doctor, &logs, &logs.logs[i]);
    if (logs.state != PROCESS_GONE) doctor_look_at_hold(doctor, "process", logs.comm, pid);
}
