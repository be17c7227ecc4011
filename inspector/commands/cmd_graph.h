/* SPDX-License-Identifier: MIT
 *
 * The part of `trace` that is asked for by --graph. */
#ifndef INSPECTOR_RUN_GRAPH_H
#define INSPECTOR_RUN_GRAPH_H

#include "session.h"

/* Shows an answer as render_graph takes it, or with --json the messages between its events.  0 or -1. */
int run_trace_graph(struct session *session, const json_t *answer);

#endif
