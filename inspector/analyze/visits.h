/* SPDX-License-Identifier: MIT
 *
 * The places where a request spent its time. */
#ifndef INSPECTOR_VISITS_H
#define INSPECTOR_VISITS_H

#include "requests.h"

/* Adds the visits, and the delays because of lost packets, of the newest request.  Returns 0 or -ENOMEM. */
int visits_add(struct requests *requests, const struct critical_path *path, const struct trace_events *events,
               const struct node_states *states);

/* The fact at a position of a trace, or NO_FACT. */
static inline size_t fact_at(const struct trace_events *events, size_t position) {
    return position == NO_POSITION ? NO_FACT : events->places[position];
}

#endif
