/* SPDX-License-Identifier: MIT
 *
 * The tables of a fleet, and the SQL that creates them.  Each exists twice on each server: NAME_local has the rows of its
 * shard, and NAME answers for all shards (Distributed; on a single server Merge over the local one, so that names do not change
 * when a second server is added).
 *
 *   events       a row for each event
 *   rare_events  the same row again for each event of a kind in FLEET_RARE_KINDS_SQL: every question needs these, and would have
 *                to search all of `events` for them
 *   trace_index  where the events of a trace are: for each trace and peer, the times of the first and last event.  It has no
 *                counts, so a duplicate row changes no answer
 *   nodes, apps  a row for each log, and for each application of a log: the newest snapshot wins
 *   aliases      a row for each log of a recording that has aliases: all of them as a list, the newest of that recording
 *   losses       what was never shipped: segments that were removed before, or were damaged
 *   segments     a row for each segment of a recording, written once all of its events are there: what `follow` reads next
 *   deliveries   a row for each attempt to insert the events of a segment, written before it.  It says where `events` can have a
 *                row twice (fleet_repeats.h)
 *   clock_ends   ends of some packets of each segment, from which clocks are estimated (clock_ends.h)
 *   clock_steps  a row for each step of a machine's clock that its traced noticed (store/clock_steps.h)
 *   hosts        a row for each machine, with its progress
 *
 * All are ReplacingMergeTree, where a row replaces an earlier one with the same key; until that has happened, FINAL or LIMIT 1
 * BY shows only one of them.  The view p2ptrace_schema has the version, the id of the fleet, and its cluster.
 *
 * The SQL runs on 18.16 and later, and uses no settings whose values differ between versions. */
#ifndef INSPECTOR_FLEET_TABLES_H
#define INSPECTOR_FLEET_TABLES_H

#include "fleet_event.h"
#include "strbuf.h"

/* Changes when existing data gets another meaning, or when a table is useless unless every shipper fills it.  A new column does
 * not change it: `fleet migrate` adds what is missing.
 *
 *     2: rare_events and deliveries
 *     3: clock_steps: without it, times across a step would be taken for exact
 *     4: aliases: who does not see these, takes a node for another; and when logs ended */
#define FLEET_SCHEMA_VERSION 4
#define FLEET_SCHEMA_VIEW "p2ptrace_schema"
#define FLEET_ID_BYTES 33 /* 32 digits and a NUL */
#define FLEET_NAME_MAX 64 /* name of a database or a cluster */

#define FLEET_RARE_KINDS_SQL "kind IN ('alias','events_lost')"

struct fleet_table {
    const char *name;
    const struct fleet_column *columns;
    size_t column_count;
    const char *key;       /* rows with the same key are one row */
    const char *primary;   /* the part of it that is kept in memory; NULL: all */
    const char *partition; /* NULL: none */
    const char *version;   /* the row with the greatest stays; NULL: they are alike */
    const char *shard;     /* of a Distributed table */
    unsigned granularity;  /* 0: the server's own */
};

/* What a table is made for. */
struct fleet_layout {
    const char *database;
    const char *cluster; /* NULL: a single server */
    bool on_cluster;     /* statements reach all servers of it (needs ZooKeeper or Keeper) */
    bool replicated;     /* of each shard there are several; needs the macros {shard} and {replica} */
};

const struct fleet_table *fleet_tables(size_t *ret_count);
const struct fleet_table *fleet_table_find(const char *name);

/* "`time_ns`, `trace_id`, ...": the columns that are stored. */
void fleet_column_list(struct strbuf *out, const struct fleet_table *table);

/* CREATE DATABASE, and CREATE TABLE of one of the two: IF NOT EXISTS. */
void fleet_sql_database(struct strbuf *out, const struct fleet_layout *layout);
void fleet_sql_local(struct strbuf *out, const struct fleet_table *table, const struct fleet_layout *layout);
void fleet_sql_global(struct strbuf *out, const struct fleet_table *table, const struct fleet_layout *layout);

/* ALTER TABLE ... ADD COLUMN. */
void fleet_sql_add_column(struct strbuf *out, const char *table, const struct fleet_column *column,
                          const struct fleet_layout *layout);

/* The view, under this name; and what puts one such view into the place of another, which becomes a third. */
void fleet_sql_schema(struct strbuf *out, const char *name, unsigned version, const char *fleet_id,
                      const struct fleet_layout *layout);
void fleet_sql_swap(struct strbuf *out, const char *name, const char *next, const char *last, const struct fleet_layout *layout);
void fleet_sql_drop(struct strbuf *out, const char *name, const struct fleet_layout *layout);

/* A letter or _, then letters, digits and _; at most FLEET_NAME_MAX - 1 of them. */
bool fleet_name_is_fit(const char *name);

#endif
