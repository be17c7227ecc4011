/* SPDX-License-Identifier: MIT
 *
 * What happened beside a trace: events of others that show what its nodes did while it waited for them (path_doubts.h). */
#ifndef INSPECTOR_BESIDE_H
#define INSPECTOR_BESIDE_H

#include "node_states.h"
#include "session.h"

/* Asks for them if a conclusion depends on them, and adds the answer to that of the trace as its member "beside".  Returns 0, or
 * -1 with session->failure. */
int beside_ask(struct session *session, json_t *answer);

/* The same for sorted facts of one trace. */
int beside_add(struct session *session, struct facts *facts, enum facts_extent extent);

#endif
