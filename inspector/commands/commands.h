/* SPDX-License-Identifier: MIT
 *
 * The commands: one function each.  A command asks its source, and shows the answer. */
#ifndef INSPECTOR_COMMANDS_H
#define INSPECTOR_COMMANDS_H

#include "session.h"

/* Runs a command.  Its arguments are options->args + 1.  Returns 0, or -1 with session->failure. */
typedef int command_run(struct session *session);

command_run run_nodes, run_peers, run_traces, run_stats, run_apps; /* cmd_tables.c */
command_run run_recent, run_range, run_peer, run_trace;            /* cmd_query.c */
command_run run_attach;                                            /* cmd_attach.c */
command_run run_count;                                             /* cmd_count.c */
command_run run_diff;                                              /* cmd_diff.c */
command_run run_requests;                                          /* cmd_requests.c */
command_run run_spread;                                            /* cmd_spread.c */
command_run run_analyze;                                           /* cmd_analyze.c */
command_run run_trigger;                                           /* cmd_trigger.c */
command_run run_config;                                            /* cmd_config.c */
command_run run_control;                                           /* cmd_control.c */
command_run run_doctor;                                            /* cmd_doctor.c */
command_run run_follow;                                            /* cmd_follow.c */
command_run run_sql;                                               /* cmd_sql.c */
command_run run_top;                                               /* cmd_top.c */
command_run run_record, run_salvage;                               /* cmd_record.c */
command_run run_ship;                                              /* fleet/cmd_ship.c */
command_run run_fleet;                                             /* fleet/cmd_fleet.c */
int run_fleet_sql(struct session *session, const char *statement); /* fleet/cmd_fleet_sql.c; for run_sql */
command_run run_export;                                            /* cmd_export.c */
command_run run_rpc;                                               /* cmd_rpc.c */

extern const struct list config_list; /* cmd_config.c */

/* Asks, and shows the answer; with --json, a line for each element of `member` (NULL: the whole answer).  cmd_tables.c */
int run_ask_and_show(struct session *session, const char *method, json_t *params_new, const char *member,
                     void (*render)(struct strbuf *out, const struct view *view, const json_t *answer));

#endif
