/* SPDX-License-Identifier: MIT
 *
 * One field of events, by its name in filters (docs/filter.md), to group events by or to measure.
 *
 *     struct trace_field *field;
 *     trace_field_find(&field, "DMAP.size", 9, &options, &error)
 *     size_t bytes = trace_field_read(field, event, &origin, value);       equal values are equal bytes
 *     char *end = trace_value_json(json, value, bytes);
 *
 * Pure; a field never changes, and any number of threads may use it. */
#ifndef PROTO_FIELD_H
#define PROTO_FIELD_H

#include <proto/filter.h>

struct trace_field;

/* Finds a field.  `time/1s` is the time truncated to whole seconds; any duration from a microsecond on works.  Of the options
 * `names` and `typed` count; may be NULL.  Returns 0; -EINVAL with *ret_error filled in; -ENOMEM. */
int trace_field_find(struct trace_field **ret_field, const char *text, size_t bytes, const struct trace_filter_options *options,
                     struct trace_filter_error *ret_error);
void trace_field_destroy(struct trace_field *field);

/* TRACE_FILTER_USES_ bits: which members of the origin it reads. */
unsigned trace_field_uses(const struct trace_field *field);

/* The unit of its numbers: "ns", "bytes" or "". */
const char *trace_field_unit(const struct trace_field *field);

/* Does it have numbers that can be measured?  Ids, times and names cannot.  For an application's field, only its events can
 * tell. */
bool trace_field_is_number(const struct trace_field *field);

/* ---- reading: any thread, wait-free, no allocation ---------------------------------------------------------------------- */

/* The event's number.  False if it has none. */
bool trace_field_number(const struct trace_field *field, const struct trace_event *event,
                        const struct trace_filter_origin *origin, uint64_t *ret_number);

/* Enough for any value. */
#define TRACE_VALUE_BYTES_MAX 80

/* The event's value, in bytes that only trace_value_json interprets.  Two values are equal exactly if their bytes are.  A
 * missing field has a value, too: null.  Returns how many bytes it wrote, 1 to TRACE_VALUE_BYTES_MAX. */
size_t trace_field_read(const struct trace_field *field, const struct trace_event *event,
                        const struct trace_filter_origin *origin, uint8_t *out);

/* Is it a time? */
bool trace_field_is_time(const struct trace_field *field);

/* The times that have this value, from the first to the one after the last: of `time/1s` a second; of `time` an instant, and
 * both are the same.  False if the field is not a time. */
bool trace_field_time_range(const struct trace_field *field, const uint8_t *value, uint64_t *ret_from_ns, uint64_t *ret_to_ns);

/* An order of values: numbers and times by size, anything else by its bytes.  Negative when a comes first. */
int trace_value_compare(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

/* Enough for the JSON of any value. */
#define TRACE_VALUE_JSON_MAX (6 * TRACE_VALUE_BYTES_MAX)

/* Writes a value as JSON: as in an event's JSON, except the time, which is Unix microseconds, and the flags, which are one
 * string with commas.  Without a NUL.  Returns the end. */
char *trace_value_json(char *out, const uint8_t *value, size_t bytes);

/* The same, but so that different values differ: a byte of a text that is not UTF-8 becomes U+FFFD and its two hex digits,
 * not U+FFFD alone. */
char *trace_value_label(char *out, const uint8_t *value, size_t bytes);

#endif
