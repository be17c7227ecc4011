/* SPDX-License-Identifier: MIT
 *
 * The checks of doctor.h. */
#ifndef INSPECTOR_DOCTOR_CHECKS_H
#define INSPECTOR_DOCTOR_CHECKS_H

#include "doctor.h"
#include "process_logs.h"

struct doctor {
    struct session *session;
    const char *dir; /* where nodes have their logs, for us */
    pid_t traced;    /* who answers on the socket; 0: nobody */
    json_t *nodes;   /* traced's answers; NULL without it */
    unsigned fine, wrong, unsure;
};

/* Reports a line.  check: a word; remedy: a command, or what to do.  What others wrote is made harmless. */
void doctor_fine(struct doctor *doctor, const char *check, const char *format, ...) __attribute__((format(printf, 3, 4)));
void doctor_wrong(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What can't be judged: neither fine nor wrong. */
void doctor_unsure(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A remedy with what it is about; overwritten by the next.  Of printf's conversions it knows %d, and %s, which becomes one
 * word of a shell. */
const char *doctor_remedy(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How to start traced again: as `more` says, behind its name.  A process is to be killed only when it is this user's. */
const char *doctor_restart(const struct doctor *doctor, const char *more);

/* doctor_traced.c: is it there, is it of this version, does it drain; then what it counts. */
void doctor_look_for_traced(struct doctor *doctor);
int doctor_ask_traced(struct doctor *doctor); /* 0, or -1 with session->failure */

/* doctor_logs.c: the directory, and the logs in it. */
void doctor_look_at_directory(struct doctor *doctor);
void doctor_look_at_logs(struct doctor *doctor);

/* doctor_untraced.c: processes that nodes talk to, and that have no log.  0, or -1 with session->failure. */
int doctor_look_for_untraced(struct doctor *doctor);

/* A process of this user that has the library, traced and inspectors apart; 0: none. */
pid_t doctor_find_library(const struct doctor *doctor);

/* doctor_process.c: one process. */
bool doctor_has_library(pid_t pid);
void doctor_look_at_process(struct doctor *doctor, pid_t pid);

#endif
