/* SPDX-License-Identifier: MIT
 *
 * Where a command writes: text is collected, and written in whole lines, broken at the width of a terminal. */
#ifndef INSPECTOR_OUTPUT_H
#define INSPECTOR_OUTPUT_H

#include "failure.h"
#include "records.h"
#include "strbuf.h"

#include <jansson.h>

struct output {
    struct strbuf text;      /* not yet written */
    int fd;                  /* where it goes; a command may point it at a file and back */
    bool terminal;           /* standard output is one */
    bool whole_lines;        /* long lines are never broken: rows as data */
    struct records records;  /* how output_json writes rows */
    bool paged;              /* output goes to a pager, which the first output_flush starts */
    bool titled;             /* its first line has titles */
    unsigned columns;        /* of the terminal, when a pager has it */
    struct failure *failure; /* the caller's: what the functions below fill in */
};

/* Writes to standard output.  failure must outlive the output. */
void output_init(struct output *output, bool whole_lines, struct failure *failure);
void output_fini(struct output *output);

/* Appends a row in the format of output->records: a line of JSON by default.  JSON is ASCII only, so that what a
 * node wrote cannot reach a terminal as a control character.  Returns 0, or -1 with the failure. */
int output_json(struct output *output, const json_t *value);

/* Appends a line that is not a row: {"missed":7}.  If rows are csv or tsv it goes to stderr.  Returns 0 or -1. */
int output_aside(struct output *output, const json_t *value);

/* Appends each element of an array as a row.  Returns 0 or -1. */
int output_json_lines(struct output *output, const json_t *array);

/* Writes the text and empties it.  If the reader has gone away, the command ends quietly: -1 with EXIT_OK.  Returns 0 or -1. */
int output_flush(struct output *output);

/* Columns of the terminal at which lines are broken; 0: they are not. */
unsigned output_columns(const struct output *output);

/* Whether to use colours.  when: "always", "never", "auto" or NULL, which is auto: on a terminal that has colours, unless
 * $NO_COLOR is set (no-color.org). */
bool output_wants_color(const struct output *output, const char *when);

/* Whether the environment's locale uses UTF-8 (setlocale(3)).  The locale need not be installed. */
bool output_speaks_utf8(void);

/* Writes a line to stderr: something that is not part of the output.  It may quote what traced or a node said. */
void output_note(const char *text);

#endif
