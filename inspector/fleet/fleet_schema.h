/* SPDX-License-Identifier: MIT
 *
 * What a server has of a fleet: its schema's version and id, its place in the cluster, and which columns are missing. */
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
};

/* Asks for it.  A database that is not there is no failure: ret_schema->exists is false. */
enum clickhouse_outcome fleet_schema_read(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure);

/* The same, and refuses what cannot be used: no fleet, a newer schema, an older one, missing columns. */
enum clickhouse_outcome fleet_schema_need(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure);

/* Calls `each` for every column that a table of ours (`events_local`, ...) lacks, as long as it returns 0.  A table that is not
 * there lacks none: *ret_tables says how many there are. */
enum clickhouse_outcome fleet_schema_missing(struct clickhouse *server,
                                             int (*each)(void *arg, const char *table, const struct fleet_column *column),
                                             void *arg, size_t *ret_tables, struct failure *failure);

#endif
