/* SPDX-License-Identifier: MIT
 *
 * Past events as a stream, for sources that answer `query`: takes the params of `subscribe`, yields batches, oldest first. */
#ifndef INSPECTOR_REPLAY_H
#define INSPECTOR_REPLAY_H

#include "pages.h"

struct replay {
    struct inquiry inquiry;
    struct pages pages;
    json_t *batch; /* the next events; NULL */
    bool open, ended;
};

/* Begins at the oldest matching event; with `recent`, at the newest ones.  Borrows source, steals params_new.  Returns 0, or -1
 * with the failure; call replay_fini in both cases. */
int replay_init(struct replay *replay, struct source *source, json_t *params_new, struct failure *failure);
void replay_fini(struct replay *replay);

/* Like source_next: EVENTS, including losses as events; GAP for events that left the history meanwhile; finally ENDED. */
enum source_event replay_next(struct replay *replay, struct source_news *ret_news, struct failure *failure);

#endif
