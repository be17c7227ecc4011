/* SPDX-License-Identifier: MIT
 *
 * What the checks of `doctor` report: lines, and the remedies in them. */
#ifndef INSPECTOR_DOCTOR_REPORT_H
#define INSPECTOR_DOCTOR_REPORT_H

#include "session.h"

#include <sys/types.h>

struct doctor {
    struct session *session;
    const char *dir; /* where we look for the logs of nodes */
    pid_t asked;     /* the process that the user asks about; 0: all */
    pid_t traced;    /* the process that answers on the socket; 0: none */
    json_t *nodes;   /* traced's answer to `nodes`; NULL without traced */
    unsigned fine, wrong, unsure;
};

/* Report a line.  check: a word; remedy: a command, or what to do.  What nodes wrote is escaped. */
void doctor_fine(struct doctor *doctor, const char *check, const char *format, ...) __attribute__((format(printf, 3, 4)));
void doctor_wrong(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What cannot be judged: neither fine nor wrong. */
void doctor_unsure(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Formats a remedy; the next call overwrites it.  Knows only two of printf's conversions: %d, and %s, which becomes one shell
 * word. */
const char *doctor_remedy(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The remedy that restarts traced, with `more` appended to its name.  Suggests killing the process only if it is this user's. */
const char *doctor_restart(const struct doctor *doctor, const char *more);

#endif
