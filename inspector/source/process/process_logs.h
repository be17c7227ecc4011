/* SPDX-License-Identifier: MIT
 *
 * Which logs a process has: the shared-memory objects that it maps (/proc/PID/maps), in whatever directory and mount
 * namespace; of a process that is gone, the objects in the nodes' directory that carry its id.  Only names: nothing is opened
 * here but directories. */
#ifndef INSPECTOR_PROCESS_LOGS_H
#define INSPECTOR_PROCESS_LOGS_H

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process has at most so many that are looked at. */
#define PROCESS_LOGS_MAX 64
#define PROCESS_IDS_MAX 8

struct process_log {
    char dir[280]; /* as we reach it: /dev/shm, /proc/77/root/dev/shm */
    char name[80];
};

enum process_state {
    PROCESS_GONE,
    PROCESS_OURS,    /* its maps were read */
    PROCESS_FOREIGN, /* another user's, or one that does not let us look */
};

struct process_logs {
    pid_t pid;
    enum process_state state;
    uid_t uid;     /* whose process it is, if it is there */
    char comm[32]; /* what it is called; not to be trusted */
    unsigned id_count;
    pid_t ids[PROCESS_IDS_MAX];
    bool removed; /* it maps a log whose name is gone: nobody can open it any more */
    unsigned count;
    struct process_log logs[PROCESS_LOGS_MAX];
};

/* $P2PTRACE_SHM_DIR, else /dev/shm. */
const char *process_logs_dir(void);

/* Looks.  Makes system calls, and takes memory for a directory or a file alone. */
void process_logs_find(struct process_logs *ret_logs, pid_t pid);

/* The failure when no log was found: why, and what to do.  Returns -1 always. */
int process_logs_missing(const struct process_logs *logs, struct failure *failure);

/* True when an object's name says that a process with this id made it. */
bool process_logs_is_named(const char *name, pid_t pid);

#endif
