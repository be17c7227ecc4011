/* SPDX-License-Identifier: MIT
 *
 * Turns the conditions of a statement into params of `query`.  SQLite plans a scan first, without the values (sql_push_plan:
 * which conditions a request could carry), and then runs it, perhaps often, with values (sql_push_read).  The plan is a text
 * with a word for each value, which EXPLAIN QUERY PLAN shows too:
 *
 *     trace_id=  peer_id=  peer=  node_id=  node=  kind=       one value
 *     kind in                                                  a list
 *     trace_id~  peer_id~  node_id~  (LIKE)  trace_id* ... (GLOB)
 *     timestamp=  timestamp>  timestamp>=  timestamp<  timestamp<=
 *     rtt>  ...                                                a number of the event's data: part of a filter
 *     size>  key=  [17]=                                       a field of an application; by its index if its name is not a word
 *     limit  offset                                            how many rows are needed
 *
 * A value that no param can express (a name that two nodes have, an ambiguous prefix, a kind that this version does not know) is
 * omitted: SQLite checks every row anyway. */
#ifndef INSPECTOR_SQL_PUSH_H
#define INSPECTOR_SQL_PUSH_H

#include "sql.h"
#include "sql_columns.h"

/* Chooses the conditions to pass on, and fills in the index info; estimates costs from what the history has. */
int sql_push_plan(const struct sql_history *history, const struct sql_column *columns, sqlite3_index_info *info);

#define SQL_PUSH_DESC 1 /* idxNum: newest first */

struct sql_push_params {
    json_t *params;  /* of `query`; the caller's */
    bool none;       /* no event can match: ask nothing */
    uint64_t wanted; /* rows needed, according to LIMIT; UINT64_MAX: all */
    char *said;      /* the params as text for people; the caller frees it */
};

/* Returns SQLITE_OK, or SQLITE_NOMEM. */
int sql_push_read(struct sql_push_params *ret_params, const struct names *names, const struct sql_columns *columns,
                  const char *plan, int number, int count, sqlite3_value **values);

/* Remove prefixes after traced called one ambiguous, or the filter after traced called it invalid.  Return false when there was
 * none. */
bool sql_push_drop_prefixes(json_t *params);
bool sql_push_drop_filter(json_t *params);

#endif
