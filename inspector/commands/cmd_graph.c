/* SPDX-License-Identifier: MIT
 *
 * `trace ID --graph`: the diagram, or with --json its messages as data. */
#include "cmd_graph.h"

#include "event_list.h"
#include "json_get.h"
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

/* ---- messages as data ---- */

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

static int json_messages(struct session *session, const json_t *answer) {
    struct timeline timeline;
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    int result = !events || timeline_init(&timeline, events, answer, session->names.answer) ? session_out_of_memory(session) : 0;
    if (!result) {
        result = print_messages(session, &timeline);
        timeline_fini(&timeline);
    }
    json_decref(events);
    return result;
}

int run_trace_graph(struct session *session, const json_t *answer) {
    if (options_want_data(session->options)) return json_messages(session, answer);
    render_graph(&session->output.text, &session->view, answer);
    return 0;
}
