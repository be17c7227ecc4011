/* SPDX-License-Identifier: MIT
 *
 * An event's role in its request: its direction, and the command it belongs to. */
#ifndef INSPECTOR_EVENT_ROLE_H
#define INSPECTOR_EVENT_ROLE_H

#include "strbuf.h"

#include <jansson.h>

/* "->" when the event went to its peer, "<-" when it came from there, "<>" when there is no direction, "" without a peer. */
const char *event_arrow(const json_t *event);

/* Does the event have this flag? */
bool event_has_flag(const json_t *event, const char *flag);

/* "GET_CHUNK", else "DMAP 2". */
void event_command(struct strbuf *out, const json_t *event);

/* "DataMap GET_CHUNK": application and command, by the names in `named`, or else by the numbers `app_id` and `cmd` of `numbered`.
 * For an event these are the event and its data; for a trace's summary both are the summary.  Returns false, and appends
 * nothing, without an application. */
bool event_request(struct strbuf *out, const json_t *named, const json_t *numbered);

#endif
