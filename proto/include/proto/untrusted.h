/* SPDX-License-Identifier: MIT
 *
 * Makes untrusted text (from nodes, other users, file names) safe to show.  This is the one place that decides what is
 * harmless, for terminals, logs, and commands that we advise a person to run.  Pure; allocates nothing. */
#ifndef PROTO_UNTRUSTED_H
#define PROTO_UNTRUSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one character as it is shown. */
#define TRACE_SHOWN_BYTES 12

/* Reads the character at text (bytes: at least 1) and writes it as it is shown.  Harmless characters are shown as themselves.
 * Escapes like \x1b or \u202e stand for characters that change a terminal's state, or the order or look of the text around them
 * (control characters, bidirectional controls, line separators, invisible and private characters), and for bytes that are not
 * UTF-8.  Returns how many bytes it read.  *ret_code is the character if it is shown as itself, otherwise 0. */
unsigned trace_show_character(char out[TRACE_SHOWN_BYTES], const char *text, size_t bytes, uint32_t *ret_code);

/* Writes a whole text this way, with a NUL, cut after a whole character if it does not fit.  Returns the number of bytes
 * written. */
size_t trace_show_text(char *out, size_t size, const char *text, size_t bytes);

/* Writes text as one word of a shell's command line, with a NUL: for sh, or if it is not harmless with the $'...' of bash, zsh,
 * ksh and POSIX 2024.  If it does not fit, out is empty and the result is false.  The command still takes a word that begins
 * with - for an option. */
bool trace_shell_word(char *out, size_t size, const char *text);

#endif
