/* SPDX-License-Identifier: MIT
 *
 * Finds the logs of a process: the shared-memory objects that it maps (/proc/PID/maps), in any directory and mount namespace.
 * For a process that is gone, the objects in the nodes' directory that carry its pid.  Finds names only; it opens no log. */
#ifndef INSPECTOR_PROCESS_LOGS_H
#define INSPECTOR_PROCESS_LOGS_H

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Logs and pids examined for one process. */
#define PROCESS_LOGS_MAX 64
#define PROCESS_IDS_MAX 8

struct process_log {
    char dir[280]; /* as seen from here: /dev/shm, /proc/77/root/dev/shm */
    char name[80];
};

enum process_state {
    PROCESS_GONE,    /* or it has ended, and its parent has not waited for it */
    PROCESS_OURS,    /* we could read its maps */
    PROCESS_FOREIGN, /* another user's, or one that hides its maps */
};

struct process_logs {
    pid_t pid;
    enum process_state state;
    uid_t uid;     /* its owner, unless it is gone */
    char comm[32]; /* its name; not trusted */
    unsigned id_count;
    pid_t ids[PROCESS_IDS_MAX];
    bool removed; /* it maps a log whose name was removed: nobody can open it any longer */
    unsigned count;
    struct process_log logs[PROCESS_LOGS_MAX];
};

/* $P2PTRACE_SHM_DIR, else /dev/shm. */
const char *process_logs_dir(void);

/* Finds the logs.  Always fills in *ret_logs. */
void process_logs_find(struct process_logs *ret_logs, pid_t pid);

/* Sets the failure for a process without a log: why, and what to do.  Always returns -1. */
int process_logs_missing(const struct process_logs *logs, struct failure *failure);

/* True when an object's name carries this pid. */
bool process_logs_is_named(const char *name, pid_t pid);

#endif
