/* SPDX-License-Identifier: MIT
 *
 * The commands: one table (commands.c), a function each. */
#ifndef INSPECTOR_COMMANDS_H
#define INSPECTOR_COMMANDS_H

#include "session.h"

/* Runs a connected session.  args are options->args + 1.  Returns 0, or -1 with session->failure. */
typedef int command_run(struct session *session);

struct command {
    const char *name;
    const char *args; /* for help */
    unsigned args_min, args_max;
    uint64_t options; /* OPTION_BITs besides OPTIONS_COMMON */
    command_run *run;
    const char *summary;
    const char *help;
};

command_run run_nodes, run_peers, run_traces, run_stats, run_apps; /* run_tables.c */
command_run run_recent, run_range, run_peer, run_trace;            /* run_query.c */
command_run run_control;                                           /* run_control.c */
command_run run_follow;                                            /* run_follow.c */
command_run run_rpc, run_export;                                   /* run_export.c */

/* Asks, and shows the answer; --json gives a line for each element of `member` (NULL: the whole answer).  run_tables.c */
int run_ask_and_show(struct session *session, const char *method, json_t *params_new, const char *member,
                     void (*render)(struct strbuf *out, const struct view *view, const json_t *answer));

/* The whole program: parses, runs, tells failures on stderr.  Returns the exit code. */
int inspector_main(int argc, char **argv);

#endif
