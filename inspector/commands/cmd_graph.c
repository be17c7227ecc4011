/* SPDX-License-Identifier: MIT
 *
 * `trace ID --graph --json`: the messages of the diagram as data. */
#include "cmd_graph.h"

#include "json_get.h"

#include <stdlib.h>
#include <string.h>

static json_t *id_new(const char *id) { return id ? json_string(id) : json_null(); }

static json_t *end_new(const struct timeline *timeline, size_t event) {
    return event == NO_EVENT ? json_null() : json_incref((json_t *)timeline->items[event].event);
}

/* The node of an end: its event names it; otherwise the other end's event names it as its peer. */
static json_t *node_new(const struct timeline *timeline, size_t own, size_t others) {
    if (own != NO_EVENT) return id_new(json_get_hex(timeline->items[own].event, "node_id", NODE_DIGITS));
    return id_new(others == NO_EVENT ? NULL : json_get_hex(timeline->items[others].event, "peer_id", NODE_DIGITS));
}

/* NULL when out of memory. */
static json_t *message_new(const struct timeline *timeline, const struct messages *messages, const struct message *message) {
    size_t sender = message->send != NO_EVENT ? message->send : message->lost;
    bool both = message->send != NO_EVENT && message->receive != NO_EVENT && !message->untimed;
    json_t *repeats =
        message->replaces == NO_EVENT ? json_null() : json_integer((json_int_t)messages->items[message->replaces].number);
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:o}", "message", message_kind_name(message->kind), "state",
                     message_state_name(message), "from", node_new(timeline, sender, message->receive), "to",
                     node_new(timeline, message->receive, sender), "gap", both ? json_integer(message->gap_ns) : json_null(),
                     "disorder", both && message->gap_ns < 0, "repeats", repeats, "send", end_new(timeline, message->send),
                     "receive", end_new(timeline, message->receive), "lost", end_new(timeline, message->lost));
}

static int print_messages(struct session *session, const struct timeline *timeline) {
    const struct messages *messages = &timeline->path.messages;
    int result = 0;
    for (size_t i = 0; !result && i < messages->count; i++) {
        json_t *line = message_new(timeline, messages, &messages->items[i]);
        result = line ? output_json(&session->output, line) : session_out_of_memory(session);
        json_decref(line);
    }
    return result;
}

int run_trace_messages(struct session *session, struct whole_trace *trace) {
    return whole_trace_time(session, trace) || print_messages(session, &trace->timeline) ? -1 : 0;
}
