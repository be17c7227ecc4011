/* SPDX-License-Identifier: MIT
 *
 * The command table (command_table.c), and what it says of a command. */
#ifndef INSPECTOR_COMMAND_H
#define INSPECTOR_COMMAND_H

#include "commands.h"

/* A command and its documentation: help, manual pages and completion are made of it.  Omitted fields mean "none".  The
 * description is paragraphs with "\n" between them; who shows them breaks the lines, except those that begin with a space. */
struct command {
    const char *name;
    const char *args; /* as usage shows them: "ID [N]" */
    unsigned args_min, args_max;
    enum value_type completes; /* what the arguments are, for the shells; METHOD: the first */
    uint64_t options;          /* OPTION_BITs besides OPTIONS_COMMON */
    struct command_meaning {   /* options that mean something else here than option_table says; at most 5 */
        enum option option;
        struct option_info info;
    } meanings[6];           /* the first without a spelling ends them */
    const struct list *list; /* of its rows, for --fields; NULL: they depend on the answer */
    bool paged;              /* its output ends, and may be long */
    bool headed;             /* it begins with sentences and not with titles */
    bool takes_filter;       /* its first argument is one */
    bool finds_faults;       /* so that finding nothing is good */
    bool changes;            /* something but its output: defaults of the configuration are not for it */
    bool own_format;         /* --format and --fields are its own */
    bool offline;            /* opens its source itself, or needs none: session->inquiry.source is NULL */
    command_run *run;
    const char *summary; /* a phrase of one line */
    const char *description;
    struct command_example {
        const char *line; /* what to type */
        const char *what; /* what it is for, a phrase */
    } examples[8];        /* at most 7: the first without a line ends them */
};

extern const struct command command_table[];
extern const size_t command_count;

/* What concerns all commands alike, for help and the manual page of the program. */
extern const char *const exit_table[EXIT_CODES]; /* what each exit code means */
extern const char program_description[];         /* paragraphs, as those of a command */
extern const struct command_example program_examples[];

/* All options that a command takes, as bits. */
uint64_t command_options(const struct command *command);

/* What an option means for the command; NULL: in general. */
const struct option_info *command_option(const struct command *command, enum option option);

/* The command of that name, or NULL. */
const struct command *find_command(const char *name);

#endif
