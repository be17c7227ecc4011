/* SPDX-License-Identifier: MIT
 *
 * What the shells offer on TAB.  inspector/cli/completions has the scripts that ask; both ask the same:
 *
 *     inspector complete WORD...      the words after the program's name up to the cursor; completes the last, which may be empty
 *
 * A line for each candidate: what stands for the whole last word, a tab, a phrase that says what it is.  A line ":files" asks
 * the shell for names of files.  Candidates have no character that a shell would have to quote: what is called otherwise is
 * offered by its id.  Ids and names are asked of traced, for COMPLETE_TIMEOUT_MS at most; where there is none, or on any other
 * failure, there are just no such candidates, and nothing is said. */
#ifndef INSPECTOR_COMPLETE_H
#define INSPECTOR_COMPLETE_H

#include "source_open.h"

/* Writes the candidates to standard output.  Returns the exit code, always 0. */
int complete_main(int word_count, char **words, source_opener *opener);

#endif
