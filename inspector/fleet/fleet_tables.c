/* SPDX-License-Identifier: MIT */
#include "fleet_tables.h"

#include <ctype.h>
#include <pthread.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* The day in UTC, whatever the server's time zone: replicas must agree. */
#define DAY_OF(column) "toYYYYMMDD(toDateTime(intDiv(" column ", 1000000000)), 'UTC')"

static const struct fleet_column index_columns[] = {
    {"trace_id", "FixedString(16)", NULL}, {"peer_id", "FixedString(32)", NULL},        {"first_ns", "UInt64", NULL},
    {"last_ns", "UInt64", NULL},           {"trace", "String", "lower(hex(trace_id))"},
};

static const struct fleet_column node_columns[] = {
    {"node_id", "FixedString(32)", NULL},
    {"log_id", "UInt64", NULL},
    {"seen_ns", "UInt64", NULL}, /* when this was the state */
    {"host", "String", NULL},
    {"name", "String", NULL},
    {"pid", "Int32", NULL},
    {"started_ns", "UInt64", NULL},
    {"last_ns", "UInt64", NULL},
    {"state", "String", NULL},
    {"emitted", "UInt64", NULL},
    {"indexed", "UInt64", NULL},
    {"unfinished", "UInt64", NULL},
#define TRACE_LOSS(id, name, NAME, doc) {"lost_" #name, "UInt64", NULL},
#include "tbl/losses.def"
    {"has_ring", "UInt8", NULL},
    {"lane_count", "UInt32", NULL},
    {"lane_events", "UInt32", NULL},
    {"lanes_used", "UInt32", NULL},
    {"ring_bytes", "UInt64", NULL},
    {"policy", "UInt8", NULL},
    {"clock_source", "UInt8", NULL},
    {"control", "UInt64", NULL},
    {"machine", "FixedString(16)", NULL}, /* the kernel's boot id: one clock; zero: not known */
    {"ended_after_ns", "UInt64", NULL},   /* when the log ended: not before this, */
    {"ended_by_ns", "UInt64", NULL},      /* nor after this; 0: it is live, or only its last event is known */
    {"node", "String", "lower(hex(node_id))"},
};

static const struct fleet_column app_columns[] = {
    {"node_id", "FixedString(32)", NULL},
    {"log_id", "UInt64", NULL},
    {"app_id", "FixedString(4)", NULL},
    {"seen_ns", "UInt64", NULL},
    {"name", "String", NULL},
    {"command_count", "UInt16", NULL}, /* as the node declared it; 0: up to the first without a name */
    {"field_count", "UInt16", NULL},
    {"command_numbers", "Array(UInt16)", NULL},
    {"command_names", "Array(String)", NULL},
    {"field_names", "Array(String)", NULL},
    {"field_types", "Array(UInt8)", NULL},
    {"field_offsets", "Array(UInt8)", NULL},
    {"field_bytes", "Array(UInt8)", NULL},
};

static const struct fleet_column alias_columns[] = {
    {"node_id", "FixedString(32)", NULL},
    {"log_id", "UInt64", NULL},
    {"instance", "UInt64", NULL}, /* of the traced that recorded */
    {"segment", "UInt64", NULL},  /* which has this list; the newest counts */
    {"alias_ids", "Array(FixedString(32))", NULL},
    {"peer_ids", "Array(FixedString(32))", NULL}, /* whose they are */
    {"said_ns", "Array(UInt64)", NULL},           /* when at first */
    {"own", "Array(UInt8)", NULL},                /* 1: the node said it of itself */
    {"transports", "Array(UInt8)", NULL},
    {"labels", "Array(String)", NULL},
};

static const struct fleet_column loss_columns[] = {
    {"host", "String", NULL},
    {"instance", "UInt64", NULL}, /* of the traced that recorded */
    {"first_segment", "UInt64", NULL},
    {"cause", "String", NULL}, /* missing: gone before it was shipped, or never written; damaged */
    {"found_ns", "UInt64", NULL},
    {"segments", "UInt64", NULL}, /* completely lost; 0: some events of one */
    {"events_max", "UInt64", NULL},
    {"from_ns", "UInt64", NULL}, /* the newest event before it, 0: not known; the oldest after it */
    {"to_ns", "UInt64", NULL},
};

static const struct fleet_column segment_columns[] = {
    {"instance", "UInt64", NULL}, /* of the traced that recorded */
    {"segment", "UInt64", NULL},  {"host", "String", NULL},
    {"events", "UInt64", NULL},   {"first_ns", "UInt64", NULL}, /* of its events; 0: none could be read */
    {"last_ns", "UInt64", NULL},
};

static const struct fleet_column delivery_columns[] = {
    {"instance", "UInt64", NULL}, /* of the traced that recorded */
    {"segment", "UInt64", NULL},
    {"delivery", "UInt64", NULL},         /* a random number for each attempt to insert its events */
    {"machine", "FixedString(16)", NULL}, /* as in nodes; zero: not known, or several */
    {"first_ns", "UInt64", NULL},         /* of its events */
    {"last_ns", "UInt64", NULL},
};

static const struct fleet_column
    clock_columns[] =
        {
            {"peer_id", "FixedString(32)", NULL},
            {"sample", "UInt64", NULL}, /* looks random, and is the same at both ends (clock_ends.h) */
            {"node_id", "FixedString(32)", NULL},
            {"log_id", "UInt64", NULL},
            {"lane", "UInt8", NULL},
            {"sequence", "UInt32", NULL},
            {"time_ns", "UInt64", NULL},
            {"sent", "UInt8", NULL},        /* 1: by the node; 0: received */
            {"instance", "UInt64", NULL},   /* of the traced that recorded; with the next, its order (fleet_order.h) */
            {"clock_steps", "UInt8", NULL}, /* as in events */
};

static const struct fleet_column step_columns[] = {
    {"machine", "FixedString(16)", NULL}, /* whose clock; as in nodes */
    {"instance", "UInt64", NULL},         /* of the traced that recorded */
    {"number", "UInt8", NULL},            /* clock_steps of the events after it */
    {"before_ns", "UInt64", NULL},        /* the same moment by the clock as it was, and as it is afterwards */
    {"after_ns", "UInt64", NULL},
    {"slept", "UInt8", NULL}, /* 1: the machine slept meanwhile; 0: the system time was set */
    {"host", "String", NULL},
};

static const struct fleet_column host_columns[] = {
    {"host", "String", NULL},
    {"shipper", "String", NULL}, /* tells apart two machines with the same name */
    {"seen_ns", "UInt64", NULL},
    {"program", "String", NULL},
    {"segments", "UInt64", NULL}, /* shipped since the place was created, like the next */
    {"events", "UInt64", NULL},
    {"lost_segments", "UInt64", NULL},
    {"lost_events", "UInt64", NULL},
    {"newest_ns", "UInt64", NULL}, /* event that was shipped */
    {"waiting_segments", "UInt64", NULL},
    {"waiting_bytes", "UInt64", NULL},
};

static struct fleet_table tables[] = {
    {.name = "events",
     .key = "peer_id, kind, time_ns, node_id, log_id, lane, sequence, cause",
     .primary = "peer_id, kind, time_ns",
     .partition = DAY_OF("time_ns"),
     .shard = "cityHash64(node_id)"},
    {.name = "rare_events",
     .key = "kind, time_ns, peer_id, node_id, log_id, lane, sequence, cause",
     .primary = "kind, time_ns",
     .partition = DAY_OF("time_ns"),
     .shard = "cityHash64(node_id)",
     .granularity = 1024},
    {.name = "trace_index",
     .columns = index_columns,
     .column_count = COUNT_OF(index_columns),
     .key = "trace_id, peer_id, first_ns, last_ns",
     .primary = "trace_id",
     .partition = DAY_OF("first_ns"),
     .shard = "cityHash64(trace_id)",
     .granularity = 1024},
    {.name = "nodes",
     .columns = node_columns,
     .column_count = COUNT_OF(node_columns),
     .key = "node_id, log_id",
     .version = "seen_ns",
     .shard = "cityHash64(node_id)"},
    {.name = "apps",
     .columns = app_columns,
     .column_count = COUNT_OF(app_columns),
     .key = "node_id, log_id, app_id",
     .version = "seen_ns",
     .shard = "cityHash64(node_id)"},
    {.name = "aliases",
     .columns = alias_columns,
     .column_count = COUNT_OF(alias_columns),
     .key = "node_id, log_id, instance",
     .version = "segment",
     .shard = "cityHash64(node_id)"},
    {.name = "losses",
     .columns = loss_columns,
     .column_count = COUNT_OF(loss_columns),
     .key = "host, instance, first_segment, cause",
     .version = "found_ns",
     .shard = "cityHash64(host)"},
    {.name = "segments",
     .columns = segment_columns,
     .column_count = COUNT_OF(segment_columns),
     .key = "instance, segment",
     .partition = DAY_OF("last_ns"),
     .shard = "cityHash64(instance)"},
    {.name = "deliveries",
     .columns = delivery_columns,
     .column_count = COUNT_OF(delivery_columns),
     .key = "instance, segment, delivery",
     .partition = DAY_OF("last_ns"),
     .shard = "cityHash64(instance)"},
    {.name = "clock_ends",
     .columns = clock_columns,
     .column_count = COUNT_OF(clock_columns),
     .key = "peer_id, sample, node_id, log_id, lane, sequence, time_ns",
     .primary = "peer_id, sample",
     .partition = DAY_OF("time_ns"),
     .shard = "cityHash64(node_id)",
     .granularity = 1024},
    {.name = "clock_steps",
     .columns = step_columns,
     .column_count = COUNT_OF(step_columns),
     .key = "machine, instance, number, before_ns, after_ns",
     .shard = "cityHash64(machine)"},
    {.name = "hosts",
     .columns = host_columns,
     .column_count = COUNT_OF(host_columns),
     .key = "host, shipper",
     .version = "seen_ns",
     .shard = "cityHash64(host)"},
};

/* Tables without columns so far have those of an event. */
static void fill_events(void) {
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        if (!tables[i].columns) tables[i].columns = fleet_event_columns(&tables[i].column_count);
}

const struct fleet_table *fleet_tables(size_t *ret_count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill_events);
    *ret_count = COUNT_OF(tables);
    return tables;
}

const struct fleet_table *fleet_table_find(const char *name) {
    size_t count;
    const struct fleet_table *all = fleet_tables(&count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i].name, name)) return &all[i];
    return NULL;
}

void fleet_column_list(struct strbuf *out, const struct fleet_table *table) {
    for (size_t i = 0; i < table->column_count; i++)
        if (!table->columns[i].alias) strbuf_printf(out, "%s`%s`", i ? ", " : "", table->columns[i].name);
}

/* ---- SQL ------------------------------------------------------------------------------------------------------------------ */

static void put_on_cluster(struct strbuf *out, const struct fleet_layout *layout) {
    if (layout->on_cluster) strbuf_printf(out, " ON CLUSTER `%s`", layout->cluster);
}

static void put_columns(struct strbuf *out, const struct fleet_table *table) {
    strbuf_puts(out, " (\n");
    for (size_t i = 0; i < table->column_count; i++) {
        const struct fleet_column *column = &table->columns[i];
        strbuf_printf(out, "    `%s` %s%s%s%s\n", column->name, column->type, column->alias ? " ALIAS " : "",
                      column->alias ? column->alias : "", i + 1 < table->column_count ? "," : "");
    }
    strbuf_puts(out, ")");
}

void fleet_sql_database(struct strbuf *out, const struct fleet_layout *layout) {
    strbuf_printf(out, "CREATE DATABASE IF NOT EXISTS `%s`", layout->database);
    put_on_cluster(out, layout);
}

static void put_engine(struct strbuf *out, const struct fleet_table *table, const struct fleet_layout *layout) {
    const char *version = table->version ? table->version : "";
    if (layout->replicated)
        strbuf_printf(out, "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/%s/%s_local', '{replica}'%s%s)",
                      layout->database, table->name, table->version ? ", " : "", version);
    else
        strbuf_printf(out, "ReplacingMergeTree(%s)", version);
}

void fleet_sql_local(struct strbuf *out, const struct fleet_table *table, const struct fleet_layout *layout) {
    strbuf_printf(out, "CREATE TABLE IF NOT EXISTS `%s`.`%s_local`", layout->database, table->name);
    put_on_cluster(out, layout);
    put_columns(out, table);
    strbuf_puts(out, "\nENGINE = ");
    put_engine(out, table, layout);
    if (table->partition) strbuf_printf(out, "\nPARTITION BY %s", table->partition);
    if (table->primary) strbuf_printf(out, "\nPRIMARY KEY (%s)", table->primary);
    strbuf_printf(out, "\nORDER BY (%s)", table->key);
    if (table->granularity) strbuf_printf(out, "\nSETTINGS index_granularity = %u", table->granularity);
}

void fleet_sql_global(struct strbuf *out, const struct fleet_table *table, const struct fleet_layout *layout) {
    strbuf_printf(out, "CREATE TABLE IF NOT EXISTS `%s`.`%s`", layout->database, table->name);
    put_on_cluster(out, layout);
    put_columns(out, table);
    if (layout->cluster)
        strbuf_printf(out, "\nENGINE = Distributed(`%s`, `%s`, `%s_local`, %s)", layout->cluster, layout->database, table->name,
                      table->shard);
    else
        strbuf_printf(out, "\nENGINE = Merge('%s', '^%s_local$')", layout->database, table->name);
}

void fleet_sql_add_column(struct strbuf *out, const char *table, const struct fleet_column *column,
                          const struct fleet_layout *layout) {
    strbuf_printf(out, "ALTER TABLE `%s`.`%s`", layout->database, table);
    put_on_cluster(out, layout);
    strbuf_printf(out, " ADD COLUMN `%s` %s%s%s", column->name, column->type, column->alias ? " ALIAS " : "",
                  column->alias ? column->alias : "");
}

void fleet_sql_schema(struct strbuf *out, const char *name, unsigned version, const char *fleet_id,
                      const struct fleet_layout *layout) {
    strbuf_printf(out, "CREATE VIEW IF NOT EXISTS `%s`.`%s`", layout->database, name);
    put_on_cluster(out, layout);
    strbuf_printf(out, " AS SELECT toUInt32(%u) AS version, '%s' AS fleet, '%s' AS cluster, toUInt8(%d) AS replicated", version,
                  fleet_id, layout->cluster ? layout->cluster : "", layout->replicated);
}

void fleet_sql_swap(struct strbuf *out, const char *name, const char *next, const char *last, const struct fleet_layout *layout) {
    const char *database = layout->database;
    strbuf_printf(out, "RENAME TABLE `%s`.`%s` TO `%s`.`%s`, `%s`.`%s` TO `%s`.`%s`", database, name, database, last, database,
                  next, database, name);
    put_on_cluster(out, layout);
}

void fleet_sql_drop(struct strbuf *out, const char *name, const struct fleet_layout *layout) {
    strbuf_printf(out, "DROP TABLE IF EXISTS `%s`.`%s`", layout->database, name);
    put_on_cluster(out, layout);
}

bool fleet_name_is_fit(const char *name) {
    size_t bytes = strlen(name);
    if (!bytes || bytes >= FLEET_NAME_MAX || isdigit((unsigned char)*name)) return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}
