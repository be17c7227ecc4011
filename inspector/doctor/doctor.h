/* SPDX-License-Identifier: MIT
 *
 * `doctor`: why is nothing seen?  Each check reports one line: what it found, and what to type.  It asks traced if there is
 * one, and looks itself otherwise; it changes nothing. */
#ifndef INSPECTOR_DOCTOR_H
#define INSPECTOR_DOCTOR_H

#include "session.h"

#include <sys/types.h>

/* Runs all checks and shows their lines; pid: also those of a process, unless it is 0.  Opens the session's source if it can.
 * Returns 0 when nothing is wrong; else, or on failure, -1 with session->failure. */
int doctor_examine(struct session *session, pid_t pid);

#endif
