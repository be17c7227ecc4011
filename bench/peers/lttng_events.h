/* SPDX-License-Identifier: MIT
 *
 * What lttng_events.c, a module that is loaded once the session daemon runs, provides to lttng.c. */
#ifndef BENCH_PEERS_LTTNG_EVENTS_H
#define BENCH_PEERS_LTTNG_EVENTS_H

#include "emit_load.h"

struct lttng_events {
    emit_loop *loop;       /* the target is not used: LTTng knows its sessions */
    bool (*enabled)(void); /* does a session record the tracepoint? */
};

/* The module's only symbol. */
extern const struct lttng_events lttng_events;

#endif
