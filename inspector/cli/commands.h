/* SPDX-License-Identifier: MIT
 *
 * The commands: one table (command_table.c), a function each. */
#ifndef INSPECTOR_COMMANDS_H
#define INSPECTOR_COMMANDS_H

#include "session.h"

/* Runs a connected session.  args are options->args + 1.  Returns 0, or -1 with session->failure. */
typedef int command_run(struct session *session);

/* What a command is and all that is said about it.  Help, manual pages and completion are made of it; what is left out is none.
 * The description is paragraphs with "\n" between them, and whoever shows them breaks the lines, but for those that begin with a
 * space: they are shown as they are. */
struct command {
    const char *name;
    const char *args; /* as usage shows them: "ID [N]" */
    unsigned args_min, args_max;
    enum value_type completes; /* what the arguments are, for the shells; METHOD: the first */
    uint64_t options;          /* OPTION_BITs besides OPTIONS_COMMON */
    bool offline;              /* it does without traced: session->client is NULL */
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

/* The command of that name, or NULL. */
const struct command *find_command(const char *name);

command_run run_nodes, run_peers, run_traces, run_stats, run_apps; /* run_tables.c */
command_run run_recent, run_range, run_peer, run_trace;            /* run_query.c */
command_run run_attach;                                            /* run_attach.c */
command_run run_count;                                             /* run_count.c */
command_run run_analyze;                                           /* run_analyze.c */
command_run run_trigger;                                           /* run_trigger.c */
command_run run_control;                                           /* run_control.c */
command_run run_doctor;                                            /* run_doctor.c */
command_run run_follow;                                            /* run_follow.c */
command_run run_sql;                                               /* run_sql.c */
command_run run_top;                                               /* run_top.c */
command_run run_rpc, run_export;                                   /* run_export.c */

/* Asks, and shows the answer; --json gives a line for each element of `member` (NULL: the whole answer).  run_tables.c */
int run_ask_and_show(struct session *session, const char *method, json_t *params_new, const char *member,
                     void (*render)(struct strbuf *out, const struct view *view, const json_t *answer));

/* The whole program: parses, runs, tells failures on stderr.  Returns the exit code. */
int inspector_main(int argc, char **argv);

#endif
