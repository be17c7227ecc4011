/* SPDX-License-Identifier: MIT */
#include "fleet_schema.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>

#define TABLE_NAME_BYTES 48

static enum clickhouse_outcome ask(struct clickhouse *server, struct strbuf *sql, struct clickhouse_answer *ret_answer,
                                   struct failure *failure) {
    if (sql->failed) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    return clickhouse_ask(server, strbuf_text(sql), ret_answer, failure);
}

static enum clickhouse_outcome read_view(struct clickhouse *server, struct strbuf *sql, struct fleet_schema *schema,
                                         struct failure *failure) {
    struct clickhouse_answer answer;
    strbuf_clear(sql);
    strbuf_printf(sql, "SELECT version, fleet, cluster, replicated FROM `%s`.`" FLEET_SCHEMA_VIEW "` LIMIT 1 FORMAT RowBinary",
                  clickhouse_database(server));
    enum clickhouse_outcome outcome = ask(server, sql, &answer, failure);
    if (answer.code == 60 || answer.code == 81) return CLICKHOUSE_OK; /* no such table, no such database */
    if (outcome) return outcome;
    struct row_reader reader = row_reader_of(answer.bytes, answer.count);
    schema->version = row_read_u32(&reader);
    row_read_text(&reader, schema->id, sizeof schema->id);
    row_read_text(&reader, schema->cluster, sizeof schema->cluster);
    schema->replicated = row_read_u8(&reader) != 0;
    bool fit = !reader.failed && (!*schema->cluster || fleet_name_is_fit(schema->cluster));
    if (!fit)
        return failure_set(failure, EXIT_FAILED, "%s/%s has a p2ptrace_schema that is not ours: use another database",
                           clickhouse_address(server), clickhouse_database(server)),
               CLICKHOUSE_REFUSED;
    schema->exists = true;
    return CLICKHOUSE_OK;
}

static enum clickhouse_outcome read_shard(struct clickhouse *server, struct strbuf *sql, struct fleet_schema *schema,
                                          struct failure *failure) {
    struct clickhouse_answer answer;
    if (!*schema->cluster) return CLICKHOUSE_OK;
    strbuf_clear(sql);
    strbuf_printf(sql, "SELECT toUInt32(max(shard_num)) FROM system.clusters WHERE cluster = '%s' AND is_local FORMAT RowBinary",
                  schema->cluster);
    enum clickhouse_outcome outcome = ask(server, sql, &answer, failure);
    if (outcome) return outcome;
    struct row_reader reader = row_reader_of(answer.bytes, answer.count);
    schema->shard = row_read_u32(&reader);
    return CLICKHOUSE_OK;
}

enum clickhouse_outcome fleet_schema_read(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure) {
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    *ret_schema = (struct fleet_schema){0};
    strbuf_puts(&sql, "SELECT version() FORMAT RowBinary");
    enum clickhouse_outcome outcome = ask(server, &sql, &answer, failure);
    if (!outcome) {
        struct row_reader reader = row_reader_of(answer.bytes, answer.count);
        row_read_text(&reader, ret_schema->server_version, sizeof ret_schema->server_version);
        bool fit = !reader.failed && isdigit((unsigned char)*ret_schema->server_version);
        outcome = fit ? read_view(server, &sql, ret_schema, failure)
                      : clickhouse_refuse_other(server, "it does not tell its version", failure);
    }
    if (!outcome) outcome = read_shard(server, &sql, ret_schema, failure);
    strbuf_fini(&sql);
    return outcome;
}

/* ---- columns -------------------------------------------------------------------------------------------------------------- */

/* {"events_local": {"time_ns": true, ...}, ...} */
static json_t *columns_new(const struct clickhouse_answer *answer) {
    struct row_reader reader = row_reader_of(answer->bytes, answer->count);
    json_t *tables = json_object();
    while (tables && row_reader_more(&reader)) {
        char table[TABLE_NAME_BYTES], column[TABLE_NAME_BYTES];
        row_read_text(&reader, table, sizeof table);
        row_read_text(&reader, column, sizeof column);
        json_t *columns = json_object_get(tables, table);
        if (!columns) {
            columns = json_object();
            if (json_object_set_new_nocheck(tables, table, columns)) return json_decref(tables), NULL;
        }
        if (json_object_set_new_nocheck(columns, column, json_true())) return json_decref(tables), NULL;
    }
    return tables;
}

static int report_missing(const json_t *tables, int (*each)(void *arg, const char *table, const struct fleet_column *column),
                          void *arg, size_t *ret_tables) {
    size_t count;
    const struct fleet_table *all = fleet_tables(&count);
    int result = 0;
    for (size_t i = 0; i < 2 * count && !result; i++) {
        const struct fleet_table *table = &all[i / 2];
        char name[TABLE_NAME_BYTES];
        snprintf(name, sizeof name, "%s%s", table->name, i % 2 ? "" : "_local");
        const json_t *columns = json_object_get(tables, name);
        if (!columns) continue;
        ++*ret_tables;
        for (size_t c = 0; c < table->column_count && !result; c++)
            if (!json_object_get(columns, table->columns[c].name)) result = each(arg, name, &table->columns[c]);
    }
    return result;
}

enum clickhouse_outcome fleet_schema_missing(struct clickhouse *server,
                                             int (*each)(void *arg, const char *table, const struct fleet_column *column),
                                             void *arg, size_t *ret_tables, struct failure *failure) {
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    *ret_tables = 0;
    strbuf_printf(&sql, "SELECT table, name FROM system.columns WHERE database = '%s' FORMAT RowBinary",
                  clickhouse_database(server));
    enum clickhouse_outcome outcome = ask(server, &sql, &answer, failure);
    strbuf_fini(&sql);
    if (outcome) return outcome;
    json_t *tables = columns_new(&answer);
    if (!tables) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    int result = report_missing(tables, each, arg, ret_tables);
    json_decref(tables);
    return result ? CLICKHOUSE_REFUSED : CLICKHOUSE_OK;
}

/* ---- what can be used ----------------------------------------------------------------------------------------------------- */

struct missing {
    struct clickhouse *server;
    struct failure *failure;
};

static int refuse_missing(void *arg, const char *table, const struct fleet_column *column) {
    const struct missing *missing = arg;
    const char *at = clickhouse_address(missing->server), *database = clickhouse_database(missing->server);
    return failure_set(
        missing->failure, EXIT_FAILED,
        "%s/%s is older than this inspector (%s has no column %s): bring it up to date with inspector fleet migrate %s/%s", at,
        database, table, column->name, at, database);
}

enum clickhouse_outcome fleet_schema_need(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure) {
    const char *at = clickhouse_address(server), *database = clickhouse_database(server);
    struct missing missing = {server, failure};
    size_t tables, wanted;
    (void)fleet_tables(&wanted);
    enum clickhouse_outcome outcome = fleet_schema_read(server, ret_schema, failure);
    if (outcome) return outcome;
    if (!ret_schema->exists) {
        failure_set(failure, EXIT_FAILED, "%s has no fleet in the database %s: create it with inspector fleet init %s/%s", at,
                    database, at, database);
        return CLICKHOUSE_REFUSED;
    }
    if (ret_schema->version > FLEET_SCHEMA_VERSION) {
        failure_set(failure, EXIT_FAILED,
                    "%s/%s was created by a newer inspector (schema %u; this one knows up to %u): update this one", at, database,
                    ret_schema->version, FLEET_SCHEMA_VERSION);
        return CLICKHOUSE_REFUSED;
    }
    if (ret_schema->version < FLEET_SCHEMA_VERSION) {
        failure_set(failure, EXIT_FAILED,
                    "%s/%s has schema %u, and this inspector needs %u: bring it up to date with inspector fleet migrate %s/%s",
                    at, database, ret_schema->version, FLEET_SCHEMA_VERSION, at, database);
        return CLICKHOUSE_REFUSED;
    }
    outcome = fleet_schema_missing(server, refuse_missing, &missing, &tables, failure);
    if (!outcome && tables < 2 * wanted) {
        failure_set(failure, EXIT_FAILED, "%s/%s lacks tables: create them with inspector fleet migrate %s/%s", at, database, at,
                    database);
        return CLICKHOUSE_REFUSED;
    }
    return outcome;
}
