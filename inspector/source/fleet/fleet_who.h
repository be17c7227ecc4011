/* SPDX-License-Identifier: MIT
 *
 * Who is who in a fleet (store/aliases.h): the aliases that its nodes reported.  The stores of a fleet's answers share one table
 * of aliases; where ClickHouse selects or groups by peer, it uses an expression with the same result. */
#ifndef INSPECTOR_FLEET_WHO_H
#define INSPECTOR_FLEET_WHO_H

#include "fleet_logs.h"

#include <proto/text.h>
#include <store/store.h>

struct fleet_who {
    struct alias_picture *picture; /* NULL: no id stands for another */
    char *shown;                   /* "WITH ... AS who ", an SQL expression for who an event's peer is; NULL: itself */
    bool beyond_sql;               /* there are too many aliases for a statement: it must not choose by peer */
};

/* Of the aliases in a store with the logs.  time: the shown time of an event, as SQL.  Returns 0, or -1 when out of memory. */
int fleet_who_open(struct fleet_who *ret_who, const struct store *store, const struct fleet_logs *logs, const char *time);
void fleet_who_fini(struct fleet_who *who);

/* For a question that a store cannot answer instead.  Returns -1 with the failure. */
int fleet_who_refuse(struct failure *failure);

/* The column of who a peer is, as SQL: "peer_id", or "who" after fleet_who_put. */
const char *fleet_who_column(const struct fleet_who *who);

/* "WITH ... AS who ", before the SELECT of a statement that chooses by the column; nothing where that is "peer_id". */
void fleet_who_put(struct trace_text *out, const struct fleet_who *who);

#endif
