/* SPDX-License-Identifier: MIT
 *
 * A fleet as a source: the tables that `inspector ship` fills (docs/fleet.md).  It answers the methods of docs/protocol.md,
 * except `control`, over all shards; if a shard does not answer, the question fails.
 *
 * ClickHouse selects by time, node, peer, trace, kind and filter, and sums up peers; what it selects is loaded into a store,
 * which answers (fleet_load.h has the limits). */
#ifndef INSPECTOR_SOURCE_FLEET_H
#define INSPECTOR_SOURCE_FLEET_H

#include "clickhouse.h"
#include "source.h"

/* Opens it: checks the schema, reads nodes and applications, and estimates the clocks of several machines
 * unless `correct` is false; gives a line for each machine of which something never came.
 * wait_ms: while the fleet, or a shard of it, does not answer.  Returns 0, or -1 with the failure. */
int source_fleet_open(struct source **ret_source, const char *url, const struct clickhouse_settings *settings, bool correct,
                      uint64_t wait_ms, void (*note)(const char *text), struct failure *failure);

#endif
