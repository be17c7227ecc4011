/* SPDX-License-Identifier: MIT
 *
 * `doctor`: why is nothing seen?  Each check tells one line, what was found and what to type.  It asks traced if there is one, and looks
 * itself otherwise; nothing is changed anywhere. */
#ifndef INSPECTOR_DOCTOR_H
#define INSPECTOR_DOCTOR_H

#include "process_logs.h"
#include "session.h"

struct doctor {
    struct session *session;
    const char *dir; /* where nodes have their logs, for us */
    pid_t traced;    /* who answers on the socket; 0: nobody */
    json_t *nodes;   /* traced's answers; NULL without it */
    unsigned fine, wrong;
};

/* Runs all checks and shows their lines; pid: also those of a process, unless it is 0.  Returns 0 when nothing is wrong; else, or on
 * failure, -1 with session->failure. */
int doctor_examine(struct session *session, pid_t pid);

/* ---- for the checks ---- */

/* Tells a line.  check: a word; remedy: a command, or what to do; NULL for what is fine.  Texts of others are made harmless. */
void doctor_fine(struct doctor *doctor, const char *check, const char *format, ...) __attribute__((format(printf, 3, 4)));
void doctor_wrong(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A remedy with what it is about; overwritten by the next. */
const char *doctor_remedy(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* doctor_traced.c: is it there, is it of this version, does it drain; then what it counts. */
void doctor_look_for_traced(struct doctor *doctor);
int doctor_ask_traced(struct doctor *doctor); /* 0, or -1 with session->failure */

/* doctor_logs.c: the directory, and the logs in it. */
void doctor_look_at_directory(struct doctor *doctor);
void doctor_look_at_logs(struct doctor *doctor);

/* doctor_process.c: one process. */
void doctor_look_at_process(struct doctor *doctor, pid_t pid);

#endif
