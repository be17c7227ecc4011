/* SPDX-License-Identifier: MIT
 *
 * An event of the ring as JSON. */
#ifndef LIBTRACE_QUERY_JSON_H
#define LIBTRACE_QUERY_JSON_H

#include <p2ptrace/query.h>
#include <proto/event_json.h>

#include "query_ring.h"

/* Room for an event as JSON, and a newline. */
#define QUERY_LINE_BYTES (TRACE_EVENT_JSON_MAX + 1)

/* Writes an event's JSON form, with the names of its application if that is registered.  out: TRACE_EVENT_JSON_MAX bytes.
 * Returns the end. */
char *query__json(char *out, const struct query_ring *ring, const struct trace_query_event *found);

#endif
