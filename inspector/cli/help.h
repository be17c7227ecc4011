/* SPDX-License-Identifier: MIT
 *
 * `inspector help`, generated from the tables of commands and options. */
#ifndef INSPECTOR_HELP_H
#define INSPECTOR_HELP_H

#include "command.h"
#include "topics.h"

#include <stdio.h>

#define HELP_COLUMNS 100U /* at most, and where no terminal says less */

/* All commands, one line each, and the options that every command takes. */
void help_all(FILE *out, unsigned columns);

/* The topics. */
void help_topics(FILE *out, unsigned columns);

/* One command: usage, description, options, examples. */
void help_command(FILE *out, const struct command *command, unsigned columns);

/* Appends the names of a list's fields, for --fields. */
void help_field_names(struct strbuf *out, const struct list *list);

#endif
