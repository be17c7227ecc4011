/* SPDX-License-Identifier: MIT
 *
 * Making a fleet's tables, and bringing them up to date.  Everything may be done again: what is there already stays. */
#ifndef INSPECTOR_FLEET_ADMIN_H
#define INSPECTOR_FLEET_ADMIN_H

#include "fleet_schema.h"

/* Called for each statement before it runs; may be NULL. */
typedef void fleet_admin_say(void *arg, const char *address, const char *sql);

struct fleet_admin {
    struct clickhouse **servers; /* the same fleet: its shards and replicas, or one of them with on_cluster */
    size_t server_count;
    const char *cluster; /* NULL: a single server */
    bool on_cluster, replicated;
    bool dry_run; /* only say what would be run */
    fleet_admin_say *say;
    void *arg;
};

/* Makes database, tables and the schema view on all servers.  Returns 0, or -1 with the failure: servers of different fleets, or
 * one that has a fleet of another layout. */
int fleet_init(const struct fleet_admin *admin, struct failure *failure);

/* Adds what is missing to an older fleet, on all servers.  Returns 0, or -1 with the failure: there is none, it is newer. */
int fleet_migrate(const struct fleet_admin *admin, struct failure *failure);

#endif
