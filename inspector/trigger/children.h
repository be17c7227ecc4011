/* SPDX-License-Identifier: MIT
 *
 * Programs that `trigger --exec` runs: found in PATH, called with exactly these words, never by a shell.  They read from
 * /dev/null and write to stderr.  At most CHILDREN_MAX run at a time; each is reaped when it ends, whatever we are doing. */
#ifndef INSPECTOR_CHILDREN_H
#define INSPECTOR_CHILDREN_H

#include "failure.h"

#include <jansson.h>

#define CHILDREN_MAX 4U
#define CHILD_WORDS_MAX 64U

struct children {
    char *command;                          /* the words, split in place */
    const char *words[CHILD_WORDS_MAX + 1]; /* ends with a NULL */
};

/* Splits a command into words at its blanks; quotes, ' or ", keep blanks.  No other character is special.  Returns 0, or -1
 * with the failure; call children_fini in both cases.  Only one of these may exist at a time. */
int children_init(struct children *children, const char *command, struct failure *failure);

/* Runs the command with more in its environment, an object of strings; our own variables that begin with P2PTRACE_WINDOW or
 * P2PTRACE_EVENT are removed.  number: the window's, for reports.  Reports on stderr if it cannot be run or too many run; and
 * first, earlier ones that failed. */
void children_run(struct children *children, uint64_t number, const json_t *environment);

/* Waits for those that run, and reports which failed. */
void children_fini(struct children *children);

#endif
