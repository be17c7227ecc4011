/* SPDX-License-Identifier: MIT
 *
 * The inverse of proto/event_json.h: an event in JSON (docs/protocol.md, "An event") becomes a struct trace_event again.
 *
 * Writing what was parsed gives the same JSON, byte for byte, if the writer has the same description of the application.  The
 * event is the one that was written, except for what JSON does not carry:
 *   - peer_id without TRACE_FLAG_HAS_PEER: zero;
 *   - the reserved byte, and the data bytes that are no field of the kind: zero;
 *   - a bool above 1: 1;
 *   - an endpoint whose family is neither 4 nor 6: zero; in an IPv4 endpoint the 12 bytes after the address, and the reserved
 *     byte: zero;
 *   - text after its first NUL, and payload bytes after their count: zero; a count beyond the array: the array's length;
 *   - bytes that are not UTF-8: U+FFFD, or one byte 0xff for each where U+FFFD would not fit;
 *   - the application's description.  JSON has its name, the command's name and the decoded fields, but neither the number,
 *     the type nor the offset of a field.  The data bytes are complete, so a description from the method `apps` decodes them
 *     again. */
#ifndef PROTO_EVENT_PARSE_H
#define PROTO_EVENT_PARSE_H

#include <jansson.h>
#include <p2ptrace/event.h>
#include <stdbool.h>

struct trace_parsed_event {
    struct trace_event event; /* timestamp in Unix ns; peer_id: who it stands for, if the writer knew that */
    bool has_peer_as;
    struct trace_node_id peer_as; /* with has_peer_as: the peer_id that the node wrote */
    struct trace_node_id node_id;
    uint32_t lane;
    bool has_log;
    uint64_t log; /* the node's log (docs/protocol.md, "subscribe"); 0 without has_log */
    /* Application events only; NULL where the application was not known.  Borrowed from the JSON. */
    const char *app;
    const char *command;
    const json_t *fields; /* an object */
};

struct trace_parse_error {
    char field[64];   /* "timestamp", "data.size", "flags[2]"; "" is the event as a whole.  Printable ASCII, as is the reason */
    char reason[128]; /* completes "FIELD ...": "must be an integer from 0 to 255" */
};

/* Reads one event.  Members that it does not know are ignored, as docs/protocol.md demands of readers.  Everything else is an
 * error: a missing member, a wrong type, a number out of range, text too long for its field, a kind, flag, space or loss cause
 * of an unknown name. "unknown" with a kind_id is the kind of that number, whether this version knows it or not.
 *
 * Returns 0; or -EINVAL with ret_error filled in and ret_event untouched.  Any thread; allocates nothing. */
int trace_event_parse(const json_t *json, struct trace_parsed_event *ret_event, struct trace_parse_error *ret_error);

#endif
