/* SPDX-License-Identifier: MIT
 *
 * A server's part of a fleet: version and id of its schema, its place in the cluster, and missing columns. */
#ifndef INSPECTOR_FLEET_SCHEMA_H
#define INSPECTOR_FLEET_SCHEMA_H

#include "clickhouse.h"

struct fleet_schema {
    bool exists;
    unsigned version;
    char id[FLEET_ID_BYTES];
    char cluster[FLEET_NAME_MAX]; /* "": a single server */
    bool replicated;
    unsigned shard; /* of this server in its cluster, from 1; 0: a single server, or not in it */
    char server_version[32];
    char partial[64]; /* a setting of the user's profile that silently makes answers incomplete; "": none */
};

/* Asks for it.  A missing database is not a failure: ret_schema->exists is false. */
enum clickhouse_outcome fleet_schema_read(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure);

/* The same, but fails if it cannot be used: no fleet, a newer or older schema, missing columns. */
enum clickhouse_outcome fleet_schema_need(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure);

/* The same in two steps, for one who asks more at the same time: the statement, and what its answer says. */
void fleet_schema_put(struct strbuf *sql, const struct clickhouse *server);
enum clickhouse_outcome fleet_schema_take(struct clickhouse *server, const struct clickhouse_question *question,
                                          struct fleet_schema *ret_schema, struct failure *failure);

/* Calls `each` for every column that one of our tables (`events_local`, ...) lacks, as long as it returns 0.  A missing table
 * lacks none: *ret_tables counts the tables that exist. */
enum clickhouse_outcome fleet_schema_missing(struct clickhouse *server,
                                             int (*each)(void *arg, const char *table, const struct fleet_column *column),
                                             void *arg, size_t *ret_tables, struct failure *failure);

#endif
