/* SPDX-License-Identifier: MIT
 *
 * Arrays of events: sorted, and merged with the gaps that an answer reports. */
#ifndef INSPECTOR_EVENTS_H
#define INSPECTOR_EVENTS_H

#include <jansson.h>
#include <stdbool.h>

/* A new array of the events and gaps that are objects, in time order.  Items with the same time keep their order, gaps first.  A
 * gap that is also among the events, or reported twice, occurs once.  Either may be NULL.  An event without a time stays with the
 * one before it.  Returns NULL when out of memory. */
json_t *events_merge(const json_t *events, const json_t *gaps);

/* True for an `events_lost` event. */
bool event_is_gap(const json_t *event);

#endif
