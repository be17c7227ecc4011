/* SPDX-License-Identifier: MIT
 *
 * The pieces that answers are made of.  Any thread that RCU knows. */
#ifndef TRACED_ANSWER_H
#define TRACED_ANSWER_H

#include "service.h"
#include <jansson.h>
#include <proto/text.h>

/* New references, NULL when memory is short.  json_set_new of jansson passes that on. */
json_t *answer_unsigned(uint64_t value);                 /* a decimal string above 2^63 - 1 */
json_t *answer_time(uint64_t unix_ns);                   /* {"timestamp":us,"ns":ns} */
json_t *answer_time_or_null(uint64_t unix_ns);           /* null for 0 */
json_t *answer_text(const char *text, size_t bytes_max); /* NUL-padded text of another process */
json_t *answer_node_id(const struct trace_node_id *id);
json_t *answer_trace_id(const struct trace_id *id);
json_t *answer_node_ids(const struct service *service, const uint32_t *node_indices, size_t count);

/* Writes a number, as answer_unsigned has it. */
void answer_put_unsigned(struct trace_text *out, uint64_t value);

/* What names a log: with its node's id, and for as long as its ring is there, also for the traced after us.  16 hex digits. */
#define ANSWER_LOG_DIGITS 16
json_t *answer_log(const struct node *node);

/* Writes `explain` as one more member: the index that served, and how many events were looked at. */
void answer_put_explanation(struct trace_text *out, const char *index, uint64_t examined);

/* The node's description of the event's application; NULL when there is none, or when it is not an application's event. */
const struct trace_app *answer_event_app(const struct node *node, const struct trace_event *event);

/* Writes one event as JSON; with_log: with its log as one more member.  Inside rcu_read_lock(), with an event whose place in the
 * history is still there: then its node is in the table too.  Returns false when it is not. */
bool answer_event(struct service *service, struct trace_text *out, const struct trace_event *event, history_source source,
                  bool with_log);

/* Writes events, with commas between them; those that have left the history meanwhile are left out, for the table may have given
 * their node's place to another.  Takes the RCU read lock piecewise.  Returns how many it wrote. */
size_t answer_hits(struct service *service, struct trace_text *out, const struct history_hit *hits, size_t count, bool with_log);

#endif
