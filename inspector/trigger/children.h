/* SPDX-License-Identifier: MIT
 *
 * Programs that `trigger --exec` runs: found in PATH and given their words as they are, never by a shell.  They read from
 * /dev/null and write to stderr.  At most CHILDREN_MAX run at a time; each is reaped when it ends, whatever we are doing. */
#ifndef INSPECTOR_CHILDREN_H
#define INSPECTOR_CHILDREN_H

#include "failure.h"

#include <jansson.h>

#define CHILDREN_MAX 4U
#define CHILD_WORDS_MAX 64U

struct children {
    char *command;                          /* the words, cut up */
    const char *words[CHILD_WORDS_MAX + 1]; /* up to a NULL */
};

/* Splits a command into words at its blanks; quotes, ' or ", keep blanks.  No other character means anything.  Returns 0, or -1
 * with the failure; children_fini in both cases.  One of these at a time. */
int children_init(struct children *children, const char *command, struct failure *failure);

/* Runs the command with more in its environment, an object of strings; of what our own has by these names, P2PTRACE_WINDOW and
 * P2PTRACE_EVENT at the beginning, nothing is left.  number: what to call it.  Says on stderr when it cannot be run or too many
 * run, and first how earlier ones ended when they failed. */
void children_run(struct children *children, uint64_t number, const json_t *environment);

/* Waits for those that run, and says how they ended when they failed. */
void children_fini(struct children *children);

#endif
