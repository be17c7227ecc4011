/* SPDX-License-Identifier: MIT
 *
 * What a process of this machine does right now. */
#ifndef INSPECTOR_PROCESS_STATE_H
#define INSPECTOR_PROCESS_STATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Stopped by a signal or a debugger: it does nothing until it is continued.  False also for a process that we cannot see, and
 * for a pid of 0. */
bool process_is_stopped(pid_t pid);

#endif
