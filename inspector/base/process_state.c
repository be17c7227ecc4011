/* SPDX-License-Identifier: MIT */
#include "process_state.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CGROUPS "/sys/fs/cgroup"

/* A process that uses a disk is in the kernel now and then: one that waits is there at each of these looks. */
#define KERNEL_LOOKS 5
#define KERNEL_LOOK_NS 20000000

/* What /proc/PID/stat says. */
struct stat_line {
    char state;
    int parent, threads;
};

static bool read_stat(pid_t pid, struct stat_line *ret_line) {
    char path[32], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file) return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    const char *behind_name = strrchr(text, ')');
    /* state, parent, 14 other numbers, priority, nice, threads */
    return behind_name && sscanf(behind_name, ") %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d",
                                 &ret_line->state, &ret_line->parent, &ret_line->threads) == 3;
}

static pid_t tracer_of(pid_t pid) {
    char path[32], line[256];
    int tracer = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "TracerPid: %d", &tracer) == 1) break;
    if (file) fclose(file);
    return tracer;
}

static bool file_begins(const char *path, const char *word) {
    char line[32] = "";
    FILE *file = fopen(path, "re");
    bool is = file && fgets(line, sizeof line, file) && !strncmp(line, word, strlen(word));
    if (file) fclose(file);
    return is;
}

/* A process is frozen with its cgroup, or with one above it. */
static bool is_frozen(pid_t pid, char *ret_file, size_t bytes) {
    char path[32], line[400], dir[sizeof CGROUPS + sizeof line];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::/", 4) != 0) continue;
        snprintf(dir, sizeof dir, CGROUPS "%s", line[4] ? line + 3 : "");
        for (char *end = dir + strlen(dir); !found && end >= dir + strlen(CGROUPS); end = strrchr(dir, '/')) {
            *end = 0;
            found = snprintf(ret_file, bytes, "%s/cgroup.freeze", dir) < (int)bytes && file_begins(ret_file, "1");
        }
    }
    if (file) fclose(file);
    return found;
}

static bool waits_in_kernel(pid_t pid) {
    struct stat_line line = {.state = 'D'};
    for (unsigned i = 0; i < KERNEL_LOOKS && line.state == 'D'; i++) {
        const struct timespec pause = {.tv_nsec = KERNEL_LOOK_NS};
        (void)nanosleep(&pause, NULL);
        if (!read_stat(pid, &line)) return false;
    }
    return line.state == 'D';
}

void process_held_find(struct process_held *ret_held, pid_t pid) {
    struct stat_line line;
    *ret_held = (struct process_held){.why = PROCESS_FREE};
    if (!read_stat(pid, &line)) return;
    if (line.state == 'T' || line.state == 't') {
        ret_held->by = tracer_of(pid);
        ret_held->why = ret_held->by || line.state == 't' ? PROCESS_DEBUGGED : PROCESS_STOPPED;
    } else if (is_frozen(pid, ret_held->freeze, sizeof ret_held->freeze)) {
        ret_held->why = PROCESS_FROZEN;
    } else if (line.state == 'D' && waits_in_kernel(pid)) {
        ret_held->why = PROCESS_IN_KERNEL;
    }
}

bool process_has_ended(pid_t pid, pid_t *ret_parent) {
    struct stat_line line;
    /* with other threads, only its first one has ended */
    bool ended = read_stat(pid, &line) && (line.state == 'Z' || line.state == 'X') && line.threads <= 1;
    if (ended) *ret_parent = line.parent;
    return ended;
}

bool process_is_stopped(pid_t pid) {
    struct stat_line line;
    return read_stat(pid, &line) && (line.state == 'T' || line.state == 't');
}
