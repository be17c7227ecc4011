/* SPDX-License-Identifier: MIT
 *
 * The JSON form of an event, written without a JSON library: events are most of what traced sends, and building a tree for
 * each would cost ten times as much.  docs/protocol.md is the reference of the form. */
#ifndef PROTO_EVENT_JSON_H
#define PROTO_EVENT_JSON_H

#include <p2ptrace/app.h>
#include <p2ptrace/event.h>
#include <proto/hex.h>
#include <stdbool.h>

/* An event outside its ring, with what the ring knew about it. */
struct trace_event_origin {
    const struct trace_node_id *node_id;
    uint32_t lane;
    const struct trace_app *app; /* description for app events; NULL when unknown.  Another app_id than the event's is ignored */
    /* Who the event's peer_id stands for: shown instead, with the event's own as `peer_as`.  NULL: itself. */
    const struct trace_node_id *peer_id;
};

/* Enough for any event, whatever its bytes and the application's description are (the sum is asserted in event_json.c).
 * Nearly all are shorter than 512. */
#define TRACE_EVENT_JSON_MAX 8192

/* Writes one JSON object, without a newline or NUL, into at least TRACE_EVENT_JSON_MAX bytes.  event->timestamp is Unix ns.
 * Returns the end.  The text is valid JSON whatever the event's bytes are: text is UTF-8 checked and escaped. */
char *trace_event_json(char *out, const struct trace_event *event, const struct trace_event_origin *origin);

/* Writes the event's data alone, as trace_event_json has it: an object with the kind's fields.  Needs TRACE_EVENT_JSON_MAX
 * bytes.  Returns the end. */
char *trace_event_data_json(char *out, const struct trace_event *event);

/* Writes one of its fields, without its name.  Needs TRACE_EVENT_JSON_MAX bytes.  Returns the end. */
struct trace_field_info;
char *trace_field_json(char *out, const struct trace_event *event, const struct trace_field_info *field);

/* Writes a JSON string with quotes; invalid UTF-8 becomes U+FFFD.  Needs 6 * count + 2 bytes.  Returns the end. */
char *trace_json_string(char *out, const char *text, size_t count);

/* Writes an integer, above 2^63 - 1 as a decimal string.  Needs 22 bytes.  Returns the end. */
char *trace_json_unsigned(char *out, uint64_t value);

/* Enough for an endpoint's text. */
#define TRACE_ENDPOINT_TEXT_MAX 64

/* Writes "192.0.2.1:443" or "[2001:db8::1]:443" (RFC 5952), without quotes or NUL; nothing for an endpoint without an address.
 * Returns the end. */
char *trace_endpoint_text(char *out, const struct trace_endpoint *endpoint);

/* Reads what trace_endpoint_text writes, or an address without a port; an IPv6 address may have brackets.  What the text does not
 * say is zero.  Returns 0; or -EINVAL, and writes nothing. */
int trace_endpoint_parse(const char *text, struct trace_endpoint *ret_endpoint, bool *ret_has_port);

/* Reads an address with its port as the id of the peer there (proto/address_id.h).  Returns false for anything else. */
bool trace_address_prefix_parse(struct trace_id_prefix *ret_prefix, const char *text);

#endif
