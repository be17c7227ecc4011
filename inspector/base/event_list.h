/* SPDX-License-Identifier: MIT
 *
 * Arrays of events: put in order, joined with the gaps that an answer tells. */
#ifndef INSPECTOR_EVENTS_H
#define INSPECTOR_EVENTS_H

#include <jansson.h>
#include <stdbool.h>

/* A new array of the events and gaps that are objects, in time order; what has the same time keeps its order, gaps first.  A
 * gap that is also among the events, or told twice, comes once.  Either may be NULL.  An event without a time goes with the
 * one before it.  NULL without memory. */
json_t *events_merge(const json_t *events, const json_t *gaps);

/* True for an `events_lost` event. */
bool event_is_gap(const json_t *event);

#endif
