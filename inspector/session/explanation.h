/* SPDX-License-Identifier: MIT
 *
 * What explains events: the nodes, their applications, and who is who. */
#ifndef INSPECTOR_EXPLANATION_H
#define INSPECTOR_EXPLANATION_H

#include "session.h"

struct event_writer;

struct explanation {
    json_t *nodes, *apps, *who; /* answers; who: NULL where an older traced does not know it */
};

/* Asks for who is who; NULL as above.  The caller owns the answer.  Returns 0, or -1 with the failure. */
int explanation_ask_who(struct session *session, json_t **ret_answer);

/* Asks for all of it.  Returns 0, or -1 with the failure; explanation_fini in both cases. */
int explanation_ask(struct explanation *ret_explanation, struct session *session);
void explanation_fini(struct explanation *explanation);

/* Asks, and tells the writer of a recording.  Returns 0, or -1 with the failure. */
int explanation_learn(struct session *session, struct event_writer *writer);

#endif
