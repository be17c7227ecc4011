/* SPDX-License-Identifier: MIT
 *
 * Text that somebody else chose (nodes, other users, file names), made fit to be shown: the one place that decides what is
 * harmless, for terminals, logs, and commands that a person is advised to run.  Pure; allocates nothing. */
#ifndef PROTO_UNTRUSTED_H
#define PROTO_UNTRUSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for one character as it is shown. */
#define TRACE_SHOWN_BYTES 12

/* Reads the character at text (bytes: at least 1) and writes how it is shown: itself; or \x1b, \u202e for what changes a
 * terminal's state, or the order or look of the text around it (control characters, bidirectional controls, line separators,
 * invisible characters, private ones), and for bytes that are no UTF-8.  Returns how many bytes were read.  *ret_code is the
 * character when it is shown as itself, and 0 when not. */
unsigned trace_show_character(char out[TRACE_SHOWN_BYTES], const char *text, size_t bytes, uint32_t *ret_code);

/* Writes a whole text so, with a NUL; what does not fit is cut off behind a whole character.  Returns the bytes written. */
size_t trace_show_text(char *out, size_t size, const char *text, size_t bytes);

/* Writes text as one word of a shell's command line (sh; for what is not harmless $'...' of bash, zsh, ksh and POSIX 2024),
 * with a NUL. What does not fit is left out whole: then out is empty and the result false.  A word that begins with - is still
 * an option to who reads it. */
bool trace_shell_word(char *out, size_t size, const char *text);

#endif
