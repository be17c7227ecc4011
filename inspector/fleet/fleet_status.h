/* SPDX-License-Identifier: MIT
 *
 * The state of a fleet: its servers, and the machines that ship to it. */
#ifndef INSPECTOR_FLEET_STATUS_H
#define INSPECTOR_FLEET_STATUS_H

#include "fleet_schema.h"

/* One server's own part. */
struct fleet_server_status {
    struct fleet_schema schema;
    uint64_t rows;  /* events; duplicates count twice until they are merged */
    uint64_t bytes; /* on disk, for all its tables */
    size_t columns_missing;
};
enum clickhouse_outcome fleet_server_status(struct clickhouse *server, struct fleet_server_status *ret_status,
                                            struct failure *failure);

struct fleet_host_status {
    char host[FLEET_HOST_BYTES_MAX + 1], shipper[33], program[33];
    uint64_t seen_ns, segments, events, lost_segments, lost_events, newest_ns, waiting_segments, waiting_bytes;
};

/* Calls `each` for every machine, in the order of names; asks all servers of the cluster, or those that answer. */
enum clickhouse_outcome fleet_hosts(struct clickhouse *server, bool those_that_answer,
                                    int (*each)(void *arg, const struct fleet_host_status *host), void *arg,
                                    struct failure *failure);

#endif
