/* SPDX-License-Identifier: MIT
 *
 * Events of the past as a stream, for sources that answer `query`: params of `subscribe` in, batches out, oldest first. */
#ifndef INSPECTOR_REPLAY_H
#define INSPECTOR_REPLAY_H

#include "pages.h"

struct replay {
    struct inquiry inquiry;
    struct pages pages;
    json_t *batch; /* the next events; NULL */
    bool open, ended;
};

/* Begins: everything that the params ask for; with `recent` the newest of it.  source is borrowed, params_new is stolen.
 * Returns 0, or
 * -1 with the failure; replay_fini in both cases. */
int replay_init(struct replay *replay, struct source *source, json_t *params_new, struct failure *failure);
void replay_fini(struct replay *replay);

/* source_next: EVENTS, with the losses among them as events; GAP for events that left the history meanwhile; then ENDED. */
enum source_event replay_next(struct replay *replay, struct source_news *ret_news, struct failure *failure);

#endif
