/* SPDX-License-Identifier: MIT */
#include "fleet_schema.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_NAME_BYTES 48

#define COLUMNS_OF "FROM system.columns WHERE database = '%s'"

/* ---- one statement ---- */

/* Rows of three texts: what the row is about, and two values. */
void fleet_schema_put(struct strbuf *sql, const struct clickhouse *server) {
    const char *database = clickhouse_database(server);
    strbuf_printf(sql,
                  "SELECT 'server' AS what, version() AS one, '' AS other "
                  "UNION ALL SELECT 'fleet', toString(version), fleet FROM `%s`.`" FLEET_SCHEMA_VIEW "` "
                  "UNION ALL SELECT 'cluster', toString(replicated), cluster FROM `%s`.`" FLEET_SCHEMA_VIEW "` ",
                  database, database);
    strbuf_puts(sql, "UNION ALL SELECT 'shard', toString(max(shard_num)), cluster FROM system.clusters WHERE is_local GROUP BY "
                     "cluster ");
    strbuf_printf(sql, "UNION ALL SELECT 'column', table, name " COLUMNS_OF " ", database);
    strbuf_puts(sql,
                "UNION ALL SELECT 'partial', name, '' FROM system.settings WHERE (name = 'skip_unavailable_shards' AND value "
                "NOT IN ('0', 'false')) OR (match(name, '_overflow_mode$') AND value = 'break') FORMAT RowBinary");
}

#define VALUE_BYTES 128 /* longer ones are not ours */

struct schema_row {
    char what[16], one[VALUE_BYTES], other[VALUE_BYTES];
};

static bool read_row(struct row_reader *reader, struct schema_row *row) {
    if (!row_reader_more(reader)) return false;
    row_read_text(reader, row->what, sizeof row->what);
    row_read_text(reader, row->one, sizeof row->one);
    row_read_text(reader, row->other, sizeof row->other);
    return !reader->failed;
}

/* Returns 0, or -1 when out of memory. */
static int add_column(json_t *tables, const char *table, const char *column) {
    json_t *columns = json_object_get(tables, table);
    if (!columns) {
        columns = json_object();
        if (json_object_set_new_nocheck(tables, table, columns)) return -1;
    }
    return json_object_set_new_nocheck(columns, column, json_true());
}

static void read_value(struct fleet_schema *schema, const struct schema_row *row) {
    if (!strcmp(row->what, "server")) {
        snprintf(schema->server_version, sizeof schema->server_version, "%.31s", row->one);
    } else if (!strcmp(row->what, "fleet")) {
        schema->version = (unsigned)strtoul(row->one, NULL, 10);
        snprintf(schema->id, sizeof schema->id, "%.32s", row->other);
    } else if (!strcmp(row->what, "cluster")) {
        schema->replicated = *row->one != '0';
        snprintf(schema->cluster, sizeof schema->cluster, "%.63s", row->other);
    } else if (!strcmp(row->what, "partial")) {
        snprintf(schema->partial, sizeof schema->partial, "%.63s", row->one);
    }
}

/* tables: gets {"events_local": {"time_ns": true, ...}, ...}. */
static enum clickhouse_outcome read_rows(const struct clickhouse *server, const struct clickhouse_answer *answer,
                                         struct fleet_schema *schema, json_t *tables, struct failure *failure) {
    struct row_reader reader = row_reader_of(answer->bytes, answer->count);
    struct schema_row row;
    int result = tables ? 0 : -1;
    while (!result && read_row(&reader, &row)) {
        read_value(schema, &row);
        if (!strcmp(row.what, "column")) result = add_column(tables, row.one, row.other);
    }
    if (result) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    if (!isdigit((unsigned char)*schema->server_version))
        return clickhouse_refuse_other(server, "it does not tell its version", failure);
    bool fit = !reader.failed && *schema->id && (!*schema->cluster || fleet_name_is_fit(schema->cluster));
    if (!fit)
        return failure_set(failure, EXIT_FAILED, "%s/%s has a p2ptrace_schema that is not ours: use another database",
                           clickhouse_address(server), clickhouse_database(server)),
               CLICKHOUSE_REFUSED;
    for (reader = row_reader_of(answer->bytes, answer->count); *schema->cluster && read_row(&reader, &row);)
        if (!strcmp(row.what, "shard") && !strcmp(row.other, schema->cluster))
            schema->shard = (unsigned)strtoul(row.one, NULL, 10);
    schema->exists = true;
    return CLICKHOUSE_OK;
}

/* Without its view a fleet does not exist. */
static enum clickhouse_outcome take(const struct clickhouse *server, const struct clickhouse_question *question,
                                    struct fleet_schema *ret_schema, json_t *tables, struct failure *failure) {
    *ret_schema = (struct fleet_schema){0};
    if (question->answer.code == 60 || question->answer.code == 81) return CLICKHOUSE_OK; /* no such table, no such database */
    if (question->outcome) return *failure = question->failure, question->outcome;
    return read_rows(server, &question->answer, ret_schema, tables, failure);
}

static enum clickhouse_outcome read_version(struct clickhouse *server, struct fleet_schema *schema, struct failure *failure) {
    struct clickhouse_answer answer;
    enum clickhouse_outcome outcome = clickhouse_ask(server, "SELECT version() FORMAT RowBinary", &answer, failure);
    if (outcome) return outcome;
    struct row_reader reader = row_reader_of(answer.bytes, answer.count);
    row_read_text(&reader, schema->server_version, sizeof schema->server_version);
    bool fit = !reader.failed && isdigit((unsigned char)*schema->server_version);
    return fit ? CLICKHOUSE_OK : clickhouse_refuse_other(server, "it does not tell its version", failure);
}

static enum clickhouse_outcome ask(struct clickhouse *server, struct clickhouse_question *question, struct failure *failure) {
    *question = (struct clickhouse_question){.outcome = CLICKHOUSE_OK};
    fleet_schema_put(&question->sql, server);
    return clickhouse_ask_all(server, question, 1, failure) ? CLICKHOUSE_AGAIN : CLICKHOUSE_OK;
}

enum clickhouse_outcome fleet_schema_read(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure) {
    struct clickhouse_question question;
    json_t *tables = json_object();
    enum clickhouse_outcome outcome = ask(server, &question, failure);
    if (!outcome) outcome = take(server, &question, ret_schema, tables, failure);
    if (!outcome && !ret_schema->exists) outcome = read_version(server, ret_schema, failure);
    json_decref(tables);
    return outcome;
}

/* ---- columns -------------------------------------------------------------------------------------------------------------- */

static json_t *columns_new(const struct clickhouse_answer *answer) {
    struct row_reader reader = row_reader_of(answer->bytes, answer->count);
    json_t *tables = json_object();
    while (tables && row_reader_more(&reader)) {
        char table[TABLE_NAME_BYTES], column[TABLE_NAME_BYTES];
        row_read_text(&reader, table, sizeof table);
        row_read_text(&reader, column, sizeof column);
        if (add_column(tables, table, column)) return json_decref(tables), NULL;
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
    struct clickhouse_question question = {.outcome = CLICKHOUSE_OK};
    *ret_tables = 0;
    strbuf_printf(&question.sql, "SELECT table, name " COLUMNS_OF " FORMAT RowBinary", clickhouse_database(server));
    if (clickhouse_ask_all(server, &question, 1, failure)) return CLICKHOUSE_AGAIN;
    if (question.outcome) return *failure = question.failure, question.outcome;
    json_t *tables = columns_new(&question.answer);
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

/* What is there cannot be used: says why. */
static enum clickhouse_outcome refuse(const struct clickhouse *server, const struct fleet_schema *schema,
                                      struct failure *failure) {
    const char *at = clickhouse_address(server), *database = clickhouse_database(server);
    if (!schema->exists)
        failure_set(failure, EXIT_FAILED, "%s has no fleet in the database %s: create it with inspector fleet init %s/%s", at,
                    database, at, database);
    else if (schema->version > FLEET_SCHEMA_VERSION)
        failure_set(failure, EXIT_FAILED,
                    "%s/%s was created by a newer inspector (schema %u; this one knows up to %u): update this one", at, database,
                    schema->version, FLEET_SCHEMA_VERSION);
    else if (schema->version < FLEET_SCHEMA_VERSION)
        failure_set(failure, EXIT_FAILED,
                    "%s/%s has schema %u, and this inspector needs %u: bring it up to date with inspector fleet migrate %s/%s",
                    at, database, schema->version, FLEET_SCHEMA_VERSION, at, database);
    else
        failure_set(failure, EXIT_FAILED, "%s/%s lacks tables: create them with inspector fleet migrate %s/%s", at, database, at,
                    database);
    return CLICKHOUSE_REFUSED;
}

enum clickhouse_outcome fleet_schema_take(struct clickhouse *server, const struct clickhouse_question *question,
                                          struct fleet_schema *ret_schema, struct failure *failure) {
    struct missing missing = {server, failure};
    size_t found = 0, wanted;
    json_t *tables = json_object();
    (void)fleet_tables(&wanted);
    enum clickhouse_outcome outcome = take(server, question, ret_schema, tables, failure);
    bool current = ret_schema->exists && ret_schema->version == FLEET_SCHEMA_VERSION;
    if (!outcome && current && report_missing(tables, refuse_missing, &missing, &found)) outcome = CLICKHOUSE_REFUSED;
    if (!outcome && found < 2 * wanted) outcome = refuse(server, ret_schema, failure);
    json_decref(tables);
    return outcome;
}

enum clickhouse_outcome fleet_schema_need(struct clickhouse *server, struct fleet_schema *ret_schema, struct failure *failure) {
    struct clickhouse_question question;
    enum clickhouse_outcome outcome = ask(server, &question, failure);
    return outcome ? outcome : fleet_schema_take(server, &question, ret_schema, failure);
}
