/* SPDX-License-Identifier: MIT
 *
 * A pager between us and the terminal: P2PTRACE_PAGER, else PAGER, else less, which leaves at once what fits the screen (FRX)
 * and, from version 600 on, keeps the line of titles in sight.
 *
 * It starts with the first output and becomes standard output and, where that is a terminal, standard error.  When its user
 * quits, our writing fails with EPIPE, which is no error.  A Ctrl-C is the pager's too: we stop, leave it what there is, and end
 * by the signal once it has ended. */
#ifndef INSPECTOR_PAGER_H
#define INSPECTOR_PAGER_H

#include <stdbool.h>

/* Starts it.  titled: the first line is one of titles.  Returns false when there is none: the variable is empty or "cat", or it
 * cannot be run; then everything is as it was. */
bool pager_begin(bool titled);

/* Starts a program in the place of the pager, to show something with: its words, up to a NULL. */
bool pager_begin_with(const char *const *words);

/* Ends the output, and waits until the user has quit.  Does nothing when there is none. */
void pager_end(void);

#endif
