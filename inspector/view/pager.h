/* SPDX-License-Identifier: MIT
 *
 * A pager between us and the terminal: P2PTRACE_PAGER, or PAGER, or less, which exits at once if the output fits the
 * screen (FRX) and, from version 600 on, keeps the line of titles visible.
 *
 * It starts with the first output and becomes standard output and, where that is a terminal, standard error.  When its user
 * quits, our writes fail with EPIPE, which is no error.  A Ctrl-C reaches the pager too: we stop, leave it what it has, and end
 * by the signal once the pager has ended. */
#ifndef INSPECTOR_PAGER_H
#define INSPECTOR_PAGER_H

#include <stdbool.h>

/* Starts it.  titled: the first line has titles.  Returns false if there is no pager: the variable is empty or "cat", or it
 * cannot be run; then nothing has changed. */
bool pager_begin(bool titled);

/* Starts a program in place of the pager: its words, up to a NULL. */
bool pager_begin_with(const char *const *words);

/* Ends the output, and waits until the user has quit.  Does nothing without a pager. */
void pager_end(void);

#endif
