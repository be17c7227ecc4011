/* SPDX-License-Identifier: MIT
 *
 * The checks of `doctor`, in the order in which they run. */
#ifndef INSPECTOR_DOCTOR_CHECKS_H
#define INSPECTOR_DOCTOR_CHECKS_H

#include "doctor_report.h"
#include "process_logs.h"

/* doctor_traced.c: is it running, is it of this version, does it drain; then its counters. */
void doctor_look_for_traced(struct doctor *doctor);
int doctor_ask_traced(struct doctor *doctor); /* 0, or -1 with session->failure */

/* doctor_logs.c: the directory, and the logs in it. */
void doctor_look_at_directory(struct doctor *doctor);
void doctor_look_at_logs(struct doctor *doctor);

/* doctor_untraced.c: processes that nodes talk to and that have no log.  Returns 0, or -1 with session->failure. */
int doctor_look_for_untraced(struct doctor *doctor);

/* A process of this user that has the library, other than traced and inspectors; 0: none. */
pid_t doctor_find_library(const struct doctor *doctor);

/* doctor_process.c: one process. */
bool doctor_has_library(pid_t pid);
void doctor_look_at_process(struct doctor *doctor, pid_t pid);

/* Reports a process that does nothing, because it is stopped, frozen or waits in the kernel.  node: its name. */
void doctor_look_at_hold(struct doctor *doctor, const char *check, const char *node, pid_t pid);

#endif
