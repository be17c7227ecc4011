/* SPDX-License-Identifier: MIT
 *
 * `doctor`: why are there no events?  Each check reports one line: what it found, and what to type.  It asks traced if there is
 * one, and otherwise looks by itself; it changes nothing. */
#ifndef INSPECTOR_DOCTOR_H
#define INSPECTOR_DOCTOR_H

#include "session.h"

#include <sys/types.h>

/* Runs all checks and shows their lines; pid: also checks this process, unless it is 0.  Opens the session's source if it can.
 * Returns 0 when nothing is wrong; otherwise, or on failure, -1 with session->failure. */
int doctor_examine(struct session *session, pid_t pid);

#endif
