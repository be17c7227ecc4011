/* SPDX-License-Identifier: MIT
 *
 * Parses an event's JSON (docs/protocol.md, "An event") in place into a struct trace_event, about ten times as fast as
 * proto/event_parse.h.  It reads what trace_event_json writes, with members in any order and any white space.  Rare input goes to
 * event_parse: text with escapes or U+FFFD, numbers as strings, and anything wrong; so the rules and the errors have one
 * place. */
#ifndef INSPECTOR_EVENT_SCAN_H
#define INSPECTOR_EVENT_SCAN_H

#include "json_scan.h"

#include <proto/event_parse.h>

struct scanned_event {
    struct trace_event event; /* timestamp in Unix ns */
    struct trace_node_id node_id;
    uint32_t lane;
    bool has_log;
    uint64_t log; /* 0 without has_log */
    /* Unparsed; {NULL, 0}: not there. */
    struct json_span app, command, fields;
};

/* Reads one event.  Returns 0; or -EINVAL with ret_error, or -ENOMEM; on failure ret_event is untouched.  Any thread; allocates
 * only for rare input. */
int event_scan(struct json_span text, struct scanned_event *ret_event, struct trace_parse_error *ret_error);

#endif
