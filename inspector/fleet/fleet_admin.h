/* SPDX-License-Identifier: MIT
 *
 * Creates a fleet's tables, and brings them up to date.  Everything can be repeated: what exists is kept. */
#ifndef INSPECTOR_FLEET_ADMIN_H
#define INSPECTOR_FLEET_ADMIN_H

#include "fleet_schema.h"

/* Called for each statement before it runs; may be NULL. */
typedef void fleet_admin_say(void *arg, const char *address, const char *sql);

struct fleet_admin {
    struct clickhouse **servers; /* of one fleet: its shards and replicas, or one of them with on_cluster */
    size_t server_count;
    const char *cluster; /* NULL: a single server */
    bool on_cluster, replicated;
    bool dry_run; /* only report what would be run */
    fleet_admin_say *say;
    void *arg;
};

/* Creates the database, the tables and the schema view on all servers.  Returns 0, or -1 with the failure: for instance,
 * servers of different fleets, or a fleet with another layout. */
int fleet_init(const struct fleet_admin *admin, struct failure *failure);

/* Adds what an older fleet lacks, on all servers.  Returns 0, or -1 with the failure: there is none, or it is newer. */
int fleet_migrate(const struct fleet_admin *admin, struct failure *failure);

#endif
