/* SPDX-License-Identifier: MIT
 *
 * What a process of this machine does right now. */
#ifndef INSPECTOR_PROCESS_STATE_H
#define INSPECTOR_PROCESS_STATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Why a process does nothing. */
enum process_hold {
    PROCESS_FREE,      /* it may run; or we cannot see it */
    PROCESS_STOPPED,   /* by a signal */
    PROCESS_DEBUGGED,  /* by a debugger */
    PROCESS_FROZEN,    /* with its cgroup */
    PROCESS_IN_KERNEL, /* it waits in the kernel, and no signal wakes it: for a disk, or a file system of another machine */
};

struct process_held {
    enum process_hold why;
    pid_t by;         /* the debugger; 0: not visible from here */
    char freeze[512]; /* the file that says so: write 0 into it */
};

/* pid 0: PROCESS_FREE.  Takes 0.1 s for a process that waits in the kernel. */
void process_held_find(struct process_held *ret_held, pid_t pid);

/* Has it ended, but its parent has not waited for it (a zombie)? */
bool process_has_ended(pid_t pid, pid_t *ret_parent);

/* Stopped by a signal or a debugger: it does nothing until it is continued.  False also for a process that we cannot see, and
 * for a pid of 0. */
bool process_is_stopped(pid_t pid);

#endif
