/* SPDX-License-Identifier: MIT
 *
 * A filter of events as a condition of ClickHouse's SQL, true for the rows whose events the filter matches.  The columns are
 * those of docs/fleet.md: time_ns, trace_id, peer_id, node_id, log_id, lane, sequence, kind, kind_id, flags, and one for each
 * data field under its own name.  It runs on 18.16 and later.
 *
 * A row does not say what its log is called and which applications it registered, so the condition lists the logs that fit. */
#ifndef PROTO_FILTER_SQL_H
#define PROTO_FILTER_SQL_H

#include <proto/field.h>
#include <proto/filter.h>
#include <proto/text.h>

/* A log of a node, and what it registered. */
struct trace_filter_sql_log {
    struct trace_node_id node_id;
    uint64_t log_id;
    const char *name;                    /* NULL: not known */
    const struct trace_app *const *apps; /* of two with one id, the first is used */
    size_t app_count;
    const char *host; /* NULL or "": not known */
};

/* Appends the condition, in parentheses where it needs them.  logs: sorted by node_id, then log_id; those whose name or
 * applications are known.  time: the event's time as SQL, in ns: "time_ns", or an expression.  peer: who its peer is:
 * "peer_id", or an expression for the id that this stands for.  Rows of other logs count as
 * rows of a log without name and applications. out->failed: out of memory, or longer than out->bytes_max.  Any thread. */
void trace_filter_sql(const struct trace_filter *filter, const struct trace_filter_sql_log *logs, size_t log_count,
                      const char *time, const char *peer, struct trace_text *out);

#define TRACE_FIELD_COLUMNS_MAX 5

/* The columns that decide an event's value of a field, besides `kind` and `kind_id`; the rest are NULL.  *ret_every_ns: also the
 * time, truncated to a multiple of this; 0: not the time.  Returns false if each row would have a value of its own. */
bool trace_field_columns(const struct trace_field *field, const char *ret_columns[TRACE_FIELD_COLUMNS_MAX],
                         uint64_t *ret_every_ns);

/* Appends the condition that an id in this column, of this many bytes, begins so.  The primary key can use it. */
void trace_filter_sql_prefix(struct trace_text *out, const char *column, const struct trace_id_prefix *prefix, size_t bytes);

/* Appends an id of this many bytes, as a value. */
void trace_filter_sql_id(struct trace_text *out, const uint8_t *id, size_t bytes);

#endif
