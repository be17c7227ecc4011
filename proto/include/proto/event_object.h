/* SPDX-License-Identifier: MIT
 *
 * An event as a JSON object: what parsing the text of proto/event_json.h gives, member by member, without making the text.
 * For readers of rings that show events. */
#ifndef PROTO_EVENT_OBJECT_H
#define PROTO_EVENT_OBJECT_H

#include <jansson.h>
#include <proto/event_json.h>

/* A new object; event->timestamp is Unix ns.  NULL without memory.  Any thread. */
json_t *trace_event_object_new(const struct trace_event *event, const struct trace_event_origin *origin);

#endif
