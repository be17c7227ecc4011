/* SPDX-License-Identifier: MIT
 *
 * A trace with all that is known of it, and its timeline: the one way in which commands and SQL find out where its time went. */
#ifndef INSPECTOR_WHOLE_TRACE_H
#define INSPECTOR_WHOLE_TRACE_H

#include "session.h"
#include "timeline.h"

struct whole_trace {
    json_t *answer;       /* as for render_trace, without "summary" */
    const char *trace_id; /* borrowed from it; NULL: there are no events, and nothing else is set */
    json_t *events;       /* with the gaps, in the order of time; NULL: no timeline yet */
    struct timeline timeline;
};

/* Each returns 0, or -1 with session->failure; whole_trace_fini frees all in any case. */

/* The whole trace of that id or beginning of an id, whatever the options choose, with its timeline. */
int whole_trace_load(struct session *session, const char *trace_id, struct whole_trace *ret_trace);

/* The same of a full id, as it was in an answer.  The trace may have left the history since: then there are no events. */
int whole_trace_find(struct session *session, const char *trace_id, struct whole_trace *ret_trace);

/* The same in steps.  Asks for its events.  params_new: of `query`.  chosen: they leave out events of the trace. */
int whole_trace_ask(struct session *session, json_t *params_new, uint64_t events_max, bool chosen, struct whole_trace *ret_trace);
/* Adds what happened beside it. */
int whole_trace_look_beside(struct session *session, struct whole_trace *trace);
/* Makes the timeline of what is there. */
int whole_trace_time(struct session *session, struct whole_trace *trace);

void whole_trace_fini(struct whole_trace *trace);

#endif
