/* SPDX-License-Identifier: MIT
 *
 * The terminal of `inspector top`: ncurses, and nothing of what is shown.  One at a time.  Signals that end the program, and that
 * the size has changed, come out of a descriptor from open to close, so that the terminal is put back whatever ends it. */
#ifndef INSPECTOR_TOP_TERMINAL_H
#define INSPECTOR_TOP_TERMINAL_H

#include "failure.h"
#include "strbuf.h"

struct terminal;

/* Takes the terminal over: standard input and output have to be one.  Returns 0, or -1 with the reason, and then nothing has
 * changed. */
int terminal_open(struct terminal **ret_terminal, bool color, struct failure *failure);

/* Puts it back as it was.  Then raises the signal that ended the program, if one did. */
void terminal_close(struct terminal *terminal);

/* Whether it shows UTF-8. */
bool terminal_utf8(const struct terminal *terminal);

/* What to wait for beside standard input. */
int terminal_signal_fd(const struct terminal *terminal);

/* Takes what signals have come.  False: one of them ends the program. */
bool terminal_signals(struct terminal *terminal);

void terminal_size(const struct terminal *terminal, unsigned *ret_lines, unsigned *ret_columns);

/* The next key: a character, or an enum top_key.  False when there is none now. */
bool terminal_key(struct terminal *terminal, uint32_t *ret_key);

/* True when there will be no more keys: the terminal is gone. */
bool terminal_gone(const struct terminal *terminal);

/* Shows lines, each as text.h makes them: their colour sequences, and no others, become attributes.  anew: whatever the terminal
 * shows by now. */
void terminal_show(struct terminal *terminal, const struct strbuf *screen, bool anew);

#endif
