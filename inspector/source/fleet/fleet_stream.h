/* SPDX-License-Identifier: MIT
 *
 * The stream of a fleet: asks every FLEET_STREAM_POLL_MS which segments have arrived (fleet_segments.h), and yields their events,
 * in order of time as far as they came together; those of a lane always in its order.
 *
 * Nothing that arrives late is missed, and a server that goes away and comes back costs nothing.  An event comes twice only where
 * two recordings have it; stream.h drops the second. */
#ifndef INSPECTOR_FLEET_STREAM_H
#define INSPECTOR_FLEET_STREAM_H

#include "fleet_answers.h"
#include "fleet_segments.h"

#define FLEET_STREAM_POLL_MS 1000
#define FLEET_STREAM_PAST_MAX 400000U /* events to begin with */
#define FLEET_STREAM_PATIENCE 60      /* questions for a segment that is missing before it counts as lost */

struct fleet_stream {
    struct fleet_answers *answers;
    json_t *params; /* of `subscribe`; NULL: nobody follows */
    struct fleet_places places;
    struct fleet_arrivals arrivals;
    bool whole;          /* they hide nothing but nodes */
    struct store *batch; /* what was read; NULL: nothing is left of it */
    uint64_t position;   /* of the next event in it */
    uint64_t lost;       /* to be reported */
    unsigned missing;    /* questions since a segment is missing */
    uint64_t due_ms;     /* of the next question */
    bool greeted;
    char note[160];
};

/* Begins it, or continues it if it has begun already: then the params are ignored.  Steals params_new.  Returns 0, or -1
 * with the failure. */
int fleet_stream_begin(struct fleet_stream *stream, struct fleet_answers *answers, json_t *params_new, struct failure *failure);
void fleet_stream_fini(struct fleet_stream *stream);

/* As source_next. */
enum source_event fleet_stream_next(struct fleet_stream *stream, const struct source *source, uint64_t deadline_ms,
                                    struct source_news *news, struct failure *failure);

#endif
