/* SPDX-License-Identifier: MIT
 *
 * How answers represent numbers, times, texts and ids (docs/protocol.md, "Values"). */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include <jansson.h>
#include <p2ptrace/event.h>
#include <proto/text.h>
#include <stddef.h>

/* New references; NULL when memory runs out, which json_object_set_new of jansson passes on. */
json_t *value_unsigned(uint64_t value);                 /* a decimal string above 2^63 - 1 */
json_t *value_time(uint64_t unix_ns);                   /* {"timestamp":us,"ns":ns} */
json_t *value_time_or_null(uint64_t unix_ns);           /* null for 0 */
json_t *value_text(const char *text, size_t bytes_max); /* NUL-padded text of another process */
json_t *value_node_id(const struct trace_node_id *id);
json_t *value_trace_id(const struct trace_id *id);

/* Writes a number in the form of value_unsigned. */
void value_put_unsigned(struct trace_text *out, uint64_t value);

#endif
