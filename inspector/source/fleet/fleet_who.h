/* SPDX-License-Identifier: MIT
 *
 * Who is who in a fleet (store/aliases.h): the aliases that its nodes reported.  The stores of a fleet's answers share one table
 * of aliases.  Where ClickHouse selects or groups by peer, it joins the events with a table that goes along with the statement,
 * with the same result.
 *
 *     SELECT ... FROM events <join> WHERE <definition> peer_as = ... */
#ifndef INSPECTOR_FLEET_WHO_H
#define INSPECTOR_FLEET_WHO_H

#include "fleet_logs.h"

#include <store/store.h>

#define FLEET_WHO_TABLE "p2ptrace_aliases"
#define FLEET_WHO_COLUMN "peer_as" /* of no table */

struct fleet_who {
    struct alias_picture *picture; /* NULL: no id stands for another */
    struct row_writer rows;
    struct clickhouse_table table; /* of the rows */
    char *join, *definition;
};

/* Of the aliases in a store with the logs.  time: the shown time of an event, as SQL.  Returns 0, or -1 when out of memory. */
int fleet_who_open(struct fleet_who *ret_who, const struct store *store, const struct fleet_logs *logs, const char *time);
void fleet_who_fini(struct fleet_who *who);

/* The column of who an event's peer is: "peer_id" where no id stands for another. */
const char *fleet_who_column(const struct fleet_who *who);

/* Does this part of a statement need the column?  Then the statement has these two behind the table and behind WHERE; for a
 * statement that does not need it, they are "". */
bool fleet_who_is_in(const char *sql, size_t bytes);
const char *fleet_who_join(const struct fleet_who *who, bool needed);
const char *fleet_who_definition(const struct fleet_who *who, bool needed);

#endif
