/* SPDX-License-Identifier: MIT
 *
 * An event's JSON (docs/protocol.md, "An event") read where it lies into a struct trace_event, some ten times as fast as through
 * proto/event_parse.h.  It reads what trace_event_json writes, in any order and with any space.  What is rare it leaves to
 * that one: text with escapes or U+FFFD, numbers as strings, and whatever is wrong, so that there is one place for the rules
 * and the errors. */
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
    /* As they lie in the text; {NULL, 0}: not there. */
    struct json_span app, command, fields;
};

/* Reads one event.  Returns 0; or -EINVAL with ret_error, or -ENOMEM, and ret_event untouched.  Any thread; allocates only for
 * what is rare. */
int event_scan(struct json_span text, struct scanned_event *ret_event, struct trace_parse_error *ret_error);

#endif
