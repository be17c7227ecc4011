/* SPDX-License-Identifier: MIT
 *
 * From the conditions of a statement to params of `query`.  SQLite plans a scan first, without the values (sql_push_plan:
 * which conditions a request could carry), and then runs it, perhaps often, with values (sql_push_read).  The plan is a text,
 * a word for each value, that EXPLAIN QUERY PLAN shows too:
 *
 *     trace_id=  peer_id=  peer=  node_id=  node=  kind=       one value
 *     kind in                                                  a list
 *     trace_id~  peer_id~  node_id~  (LIKE)  trace_id* ... (GLOB)
 *     timestamp=  timestamp>  timestamp>=  timestamp<  timestamp<=
 *     rtt>  ...                                                a number of the event's data: a piece of a filter
 *     size>  key=  [17]=                                       a field of an application, by its place where its name is no word
 *     limit  offset                                            how many rows will be wanted
 *
 * A value that no param can say (a name that two nodes have, a prefix that is ambiguous, a kind that this version does not
 * know) is left out: SQLite looks at every row again anyhow. */
#ifndef INSPECTOR_SQL_PUSH_H
#define INSPECTOR_SQL_PUSH_H

#include "sql.h"

/* Chooses the conditions to pass on: fills in the index info, the costs by what the history has. */
int sql_push_plan(const struct sql_history *history, const struct sql_column *columns, sqlite3_index_info *info);

#define SQL_PUSH_DESC 1 /* idxNum: newest first */

struct sql_push_params {
    json_t *params;  /* of `query`; the caller's */
    bool none;       /* no event can match: there is nothing to ask */
    uint64_t wanted; /* rows, as far as LIMIT says; UINT64_MAX */
    char *said;      /* the params as text for people; the caller's to free */
};

/* Returns SQLITE_OK, or SQLITE_NOMEM. */
int sql_push_read(struct sql_push_params *ret_params, const struct names *names, const struct sql_columns *columns,
                  const char *plan, int number, int count, sqlite3_value **values);

/* Adds text as it stands between the double quotes of a filter.  False, when it may be another text there than in an answer's
 * JSON: only printable ASCII is surely the same. */
bool sql_filter_text(struct strbuf *filter, const char *text, size_t bytes);

/* Take away what is only a prefix, after traced called it ambiguous, and the filter, after it called that invalid.  False when
 * there was none. */
bool sql_push_drop_prefixes(json_t *params);
bool sql_push_drop_filter(json_t *params);

#endif
