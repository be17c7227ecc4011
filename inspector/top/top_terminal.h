/* SPDX-License-Identifier: MIT
 *
 * The terminal of `inspector top`: ncurses, independent of what is shown.  One at a time.  From open to close, signals that end
 * the program or report a new size are read from a descriptor, so that the terminal is restored whatever ends the program. */
#ifndef INSPECTOR_TOP_TERMINAL_H
#define INSPECTOR_TOP_TERMINAL_H

#include "failure.h"
#include "strbuf.h"

struct terminal;

/* Takes over the terminal: standard input and output must be one.  Returns 0, or -1 with the reason and nothing changed. */
int terminal_open(struct terminal **ret_terminal, bool color, struct failure *failure);

/* Restores it.  Then raises the signal that ended the program, if one did. */
void terminal_close(struct terminal *terminal);

/* Whether it shows UTF-8. */
bool terminal_utf8(const struct terminal *terminal);

/* The descriptor to wait for besides standard input. */
int terminal_signal_fd(const struct terminal *terminal);

/* Handles pending signals.  Returns false if one of them ends the program. */
bool terminal_signals(struct terminal *terminal);

void terminal_size(const struct terminal *terminal, unsigned *ret_lines, unsigned *ret_columns);

/* The next key: a character, or an enum top_key.  Returns false when there is none now. */
bool terminal_key(struct terminal *terminal, uint32_t *ret_key);

/* True when there will be no more keys: the terminal is gone. */
bool terminal_gone(const struct terminal *terminal);

/* Shows lines, as produced by text.h: its colour sequences, and no others, become attributes.  anew: redraws everything, whatever
 * the terminal shows now. */
void terminal_show(struct terminal *terminal, const struct strbuf *screen, bool anew);

#endif
