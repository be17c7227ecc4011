/* SPDX-License-Identifier: MIT
 *
 * `trace --graph`. */
#ifndef INSPECTOR_RUN_GRAPH_H
#define INSPECTOR_RUN_GRAPH_H

#include "session.h"

/* Shows an answer that render_graph can take; with --json, the messages between its events.  Returns 0 or -1. */
int run_trace_graph(struct session *session, const json_t *answer);

#endif
