/* SPDX-License-Identifier: MIT
 *
 * What shells offer on TAB.  inspector/cli/completions has the scripts; both call:
 *
 *     inspector complete WORD...      the words after the program's name, up to the cursor; the last may be empty
 *
 * Prints a line per candidate: the text that replaces the whole last word, a tab, and a phrase that explains it.  A line
 * ":files" makes the shell complete file names.  Candidates contain no character that a shell would have to quote; anything
 * with another name is offered by its id.  Ids and names come from traced, within COMPLETE_TIMEOUT_MS; without traced, or on
 * any failure, such candidates are silently missing. */
#ifndef INSPECTOR_COMPLETE_H
#define INSPECTOR_COMPLETE_H

#include "source_open.h"

/* Writes the candidates to standard output.  Returns the exit code, always 0. */
int complete_main(int word_count, char **words, source_opener *opener);

#endif
