/* SPDX-License-Identifier: MIT
 *
 * `trace --graph --json`. */
#ifndef INSPECTOR_RUN_GRAPH_H
#define INSPECTOR_RUN_GRAPH_H

#include "whole_trace.h"

/* Prints the messages between the events of a trace, which has no timeline yet.  Returns 0 or -1. */
int run_trace_messages(struct session *session, struct whole_trace *trace);

#endif
