/* SPDX-License-Identifier: MIT */
#include "fleet_admin.h"

#include "allocation.h"
#include "clock_ends.h"
#include "row_binary.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <sys/random.h>

/* ---- statements ----------------------------------------------------------------------------------------------------------- */

static int run(const struct fleet_admin *admin, struct clickhouse *server, struct strbuf *sql, struct failure *failure) {
    struct clickhouse_answer answer;
    int result = 0;
    if (sql->failed) return failure_out_of_memory(failure);
    if (admin->say) admin->say(admin->arg, clickhouse_address(server), strbuf_text(sql));
    if (!admin->dry_run && clickhouse_ask(server, strbuf_text(sql), &answer, failure)) result = -1;
    strbuf_clear(sql);
    return result;
}

/* Statements for the whole cluster go through ZooKeeper or Keeper.  ClickHouse 18.16 ends with SIGSEGV when one comes before its
 * thread for them has a session, for instance while ZooKeeper is down.  This question waits for a session, or says why there is
 * none.  For a user who may not query it, this is skipped. */
static int need_keeper(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    struct clickhouse_answer answer;
    if (!admin->on_cluster || admin->dry_run) return 0;
    enum clickhouse_outcome outcome =
        clickhouse_ask(server, "SELECT count() FROM system.zookeeper WHERE path = '/' FORMAT RowBinary", &answer, failure);
    return !outcome || outcome == CLICKHOUSE_REFUSED ? 0 : -1;
}

static struct fleet_layout layout_of(const struct fleet_admin *admin, const struct clickhouse *server) {
    return (struct fleet_layout){clickhouse_database(server), admin->cluster, admin->on_cluster, admin->replicated};
}

/* Creates the missing tables.  The view comes last: when it exists, so do the others. */
static int make_tables(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    struct fleet_layout layout = layout_of(admin, server);
    struct strbuf sql = {0};
    size_t count;
    const struct fleet_table *tables = fleet_tables(&count);
    fleet_sql_database(&sql, &layout);
    int result = run(admin, server, &sql, failure);
    for (size_t i = 0; i < count && !result; i++) {
        fleet_sql_local(&sql, &tables[i], &layout);
        result = run(admin, server, &sql, failure);
        if (result) break;
        fleet_sql_global(&sql, &tables[i], &layout);
        result = run(admin, server, &sql, failure);
    }
    strbuf_fini(&sql);
    return result;
}

static int make_view(const struct fleet_admin *admin, struct clickhouse *server, const char *id, struct failure *failure) {
    struct fleet_layout layout = layout_of(admin, server);
    struct strbuf sql = {0};
    fleet_sql_schema(&sql, FLEET_SCHEMA_VIEW, FLEET_SCHEMA_VERSION, id, &layout);
    int result = run(admin, server, &sql, failure);
    strbuf_fini(&sql);
    return result;
}

/* There is always one: otherwise the fleet's id would be lost. */
static int replace_view(const struct fleet_admin *admin, struct clickhouse *server, const char *id, struct failure *failure) {
    static const char next[] = FLEET_SCHEMA_VIEW "_next", last[] = FLEET_SCHEMA_VIEW "_last";
    struct fleet_layout layout = layout_of(admin, server);
    struct strbuf sql[5] = {{0}};
    int result = 0;
    fleet_sql_drop(&sql[0], next, &layout);
    fleet_sql_drop(&sql[1], last, &layout);
    fleet_sql_schema(&sql[2], next, FLEET_SCHEMA_VERSION, id, &layout);
    fleet_sql_swap(&sql[3], FLEET_SCHEMA_VIEW, next, last, &layout);
    fleet_sql_drop(&sql[4], last, &layout);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        if (!result) result = run(admin, server, &sql[i], failure);
        strbuf_fini(&sql[i]);
    }
    return result;
}

/* For instance, a Merge table becomes a Distributed one; neither contains rows. */
static int drop_globals(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    struct fleet_layout layout = layout_of(admin, server);
    struct strbuf sql = {0};
    size_t count;
    const struct fleet_table *tables = fleet_tables(&count);
    int result = 0;
    for (size_t i = 0; i < count && !result; i++) {
        fleet_sql_drop(&sql, tables[i].name, &layout);
        result = run(admin, server, &sql, failure);
    }
    strbuf_fini(&sql);
    return result;
}

/* ---- init ----------------------------------------------------------------------------------------------------------------- */

static int new_id(char out[FLEET_ID_BYTES], struct failure *failure) {
    uint8_t bytes[(FLEET_ID_BYTES - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return failure_set(failure, EXIT_FAILED, "cannot get random numbers");
    *trace_hex_encode(out, bytes, sizeof bytes) = 0;
    return 0;
}

/* The id that one of the servers has; "" if none has one. */
static int common_id(const struct fleet_admin *admin, char out[FLEET_ID_BYTES], struct failure *failure) {
    *out = 0;
    for (size_t i = 0; i < admin->server_count; i++) {
        struct clickhouse *server = admin->servers[i];
        struct fleet_schema schema;
        if (fleet_schema_read(server, &schema, failure)) return -1;
        if (!schema.exists) continue;
        if (schema.version > FLEET_SCHEMA_VERSION)
            return failure_set(failure, EXIT_FAILED,
                               "%s/%s was created by a newer inspector (schema %u; this one knows up to %u): update this one",
                               clickhouse_address(server), clickhouse_database(server), schema.version, FLEET_SCHEMA_VERSION);
        if (schema.replicated != admin->replicated)
            return failure_set(failure, EXIT_FAILED,
                               "%s/%s has a fleet %s replicas: give the command %s --replicated; tables cannot change, so for "
                               "the other kind create another database, or move the rows by hand (docs/fleet.md)",
                               clickhouse_address(server), clickhouse_database(server), schema.replicated ? "with" : "without",
                               schema.replicated ? "also" : "without");
        if (*out && strcmp(out, schema.id) != 0)
            return failure_set(failure, EXIT_FAILED, "%s/%s belongs to another fleet than a server before it",
                               clickhouse_address(server), clickhouse_database(server));
        strcpy(out, schema.id);
    }
    return 0;
}

/* With a different cluster than before, creates again only what contains no rows. */
static int init_server(const struct fleet_admin *admin, struct clickhouse *server, const char *id, struct failure *failure) {
    struct fleet_schema schema;
    if (fleet_schema_read(server, &schema, failure)) return -1;
    bool moved = schema.exists && strcmp(schema.cluster, admin->cluster ? admin->cluster : "") != 0;
    if (moved && schema.version < FLEET_SCHEMA_VERSION)
        return failure_set(failure, EXIT_FAILED,
                           "%s/%s has schema %u: bring it up to date first, with inspector fleet migrate %s/%s",
                           clickhouse_address(server), clickhouse_database(server), schema.version, clickhouse_address(server),
                           clickhouse_database(server));
    if (moved && drop_globals(admin, server, failure)) return -1;
    if (make_tables(admin, server, failure)) return -1;
    return moved ? replace_view(admin, server, id, failure) : make_view(admin, server, id, failure);
}

int fleet_init(const struct fleet_admin *admin, struct failure *failure) {
    char id[FLEET_ID_BYTES];
    if (common_id(admin, id, failure)) return -1;
    if (!*id && new_id(id, failure)) return -1;
    for (size_t i = 0; i < admin->server_count; i++)
        if (need_keeper(admin, admin->servers[i], failure) || init_server(admin, admin->servers[i], id, failure)) return -1;
    return 0;
}

/* ---- migrate -------------------------------------------------------------------------------------------------------------- */

/* Collects what to add first: an answer is gone once the next statement runs. */
struct additions {
    struct strbuf *sql;
    size_t count, room;
    const struct fleet_layout *layout;
};

static int note_addition(void *arg, const char *table, const struct fleet_column *column) {
    struct additions *additions = arg;
    struct strbuf *more = memory_room(additions->sql, additions->count, &additions->room, sizeof *more);
    if (!more) return -ENOMEM;
    additions->sql = more;
    struct strbuf *sql = &additions->sql[additions->count++];
    *sql = (struct strbuf){0};
    fleet_sql_add_column(sql, table, column, additions->layout);
    return 0;
}

static int add_columns(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    struct fleet_layout layout = layout_of(admin, server);
    struct additions additions = {.layout = &layout};
    size_t tables;
    *failure = (struct failure){0};
    int result = fleet_schema_missing(server, note_addition, &additions, &tables, failure) ? -1 : 0;
    if (result && !*failure->text) failure_out_of_memory(failure);
    for (size_t i = 0; i < additions.count; i++) {
        if (!result) result = run(admin, server, &additions.sql[i], failure);
        strbuf_fini(&additions.sql[i]);
    }
    free(additions.sql);
    return result;
}

/* ---- migrate: the ends of packets, which older shippers did not send ---- */

#define FILLED_ENDS (16 * CLOCK_ENDS_MAX) /* of a server: the smallest samples of all are among them */

static int count_ends(struct clickhouse *server, const char *which, uint64_t *ret_count, struct failure *failure) {
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    strbuf_printf(&sql, "SELECT count() %s FORMAT RowBinary", which);
    int result = sql.failed                                                    ? failure_out_of_memory(failure)
                 : clickhouse_ask(server, strbuf_text(&sql), &answer, failure) ? -1
                                                                               : 0;
    strbuf_fini(&sql);
    if (result) return -1;
    struct row_reader reader = row_reader_of(answer.bytes, answer.count);
    *ret_count = row_read_u64(&reader);
    return 0;
}

/* Writes them from the events.  Of many packets a share is enough.  Rows that are there already are replaced. */
static int fill_clock_ends(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    const char *database = clickhouse_database(server), *of = admin->on_cluster ? "" : "_local";
    struct strbuf sql = {0}, which = {0};
    uint64_t count = 0, sample_max = UINT64_MAX;
    strbuf_printf(&which,
                  "FROM `%s`.events%s WHERE " CLOCK_END_KINDS_SQL " AND bitAnd(flags,%u) != 0 AND peer_id GLOBAL IN (SELECT "
                  "node_id FROM `%s`.nodes)",
                  database, of, TRACE_FLAG_HAS_PEER, database);
    int result = which.failed ? failure_out_of_memory(failure) : 0;
    if (!result && !admin->dry_run) result = count_ends(server, strbuf_text(&which), &count, failure);
    if (count > FILLED_ENDS) sample_max = UINT64_MAX / (count / FILLED_ENDS);
    strbuf_printf(&sql, "INSERT INTO `%s`.clock_ends%s (", database, of);
    fleet_column_list(&sql, fleet_table_find("clock_ends"));
    strbuf_printf(&sql,
                  ") SELECT peer_id, %s, node_id, log_id, lane, sequence, time_ns, toUInt8(" CLOCK_END_SENT_SQL "), "
                  "instance, clock_steps ",
                  clock_end_sample_sql);
    if (!result) strbuf_puts(&sql, strbuf_text(&which));
    strbuf_printf(&sql, " AND %s <= %" PRIu64, clock_end_sample_sql, sample_max);
    if (!result) result = run(admin, server, &sql, failure);
    strbuf_fini(&sql);
    strbuf_fini(&which);
    return result;
}

/* ---- migrate: what shippers of schema 1 did not send ---- */

/* Nobody counted how often they inserted an event, so everything until now may be there twice. */
static int fill_deliveries(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    const char *database = clickhouse_database(server), *of = admin->on_cluster ? "" : "_local";
    struct strbuf sql = {0};
    strbuf_printf(
        &sql,
        "INSERT INTO `%s`.deliveries%s (instance, segment, delivery, machine, first_ns, last_ns) SELECT toUInt64(0), "
        "toUInt64(0), toUInt64(arrayJoin([1, 2])), toFixedString('',16), toUInt64(0), last_ns FROM (SELECT max(time_ns) AS "
        "last_ns FROM `%s`.events%s HAVING count() > 0)",
        database, of, database, of);
    int result = run(admin, server, &sql, failure);
    strbuf_fini(&sql);
    return result;
}

static int fill_rare_events(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    const char *database = clickhouse_database(server), *of = admin->on_cluster ? "" : "_local";
    struct strbuf sql = {0}, columns = {0};
    fleet_column_list(&columns, fleet_table_find("events"));
    strbuf_printf(&sql, "INSERT INTO `%s`.rare_events%s (", database, of);
    strbuf_puts(&sql, strbuf_text(&columns));
    strbuf_puts(&sql, ") SELECT ");
    strbuf_puts(&sql, strbuf_text(&columns));
    strbuf_printf(&sql, " FROM `%s`.events%s WHERE " FLEET_RARE_KINDS_SQL, database, of);
    int result = columns.failed ? failure_out_of_memory(failure) : run(admin, server, &sql, failure);
    strbuf_fini(&columns);
    strbuf_fini(&sql);
    return result;
}

/* Each server says itself what it is; only whether statements reach the whole cluster comes from the caller. */
static int migrate_server(const struct fleet_admin *admin, struct clickhouse *server, struct failure *failure) {
    struct fleet_schema schema;
    const char *at = clickhouse_address(server), *database = clickhouse_database(server);
    if (fleet_schema_read(server, &schema, failure)) return -1;
    if (!schema.exists)
        return failure_set(failure, EXIT_FAILED, "%s has no fleet in the database %s: create it with inspector fleet init %s/%s",
                           at, database, at, database);
    if (schema.version > FLEET_SCHEMA_VERSION)
        return failure_set(failure, EXIT_FAILED,
                           "%s/%s was created by a newer inspector (schema %u; this one knows up to %u): update this one", at,
                           database, schema.version, FLEET_SCHEMA_VERSION);
    struct fleet_admin same = *admin;
    same.cluster = *schema.cluster ? schema.cluster : NULL;
    same.on_cluster = admin->on_cluster && same.cluster;
    same.replicated = schema.replicated;
    if (make_tables(&same, server, failure) || add_columns(&same, server, failure) || fill_clock_ends(&same, server, failure))
        return -1;
    if (schema.version < 2 && (fill_rare_events(&same, server, failure) || fill_deliveries(&same, server, failure))) return -1;
    return schema.version == FLEET_SCHEMA_VERSION ? 0 : replace_view(&same, server, schema.id, failure);
}

int fleet_migrate(const struct fleet_admin *admin, struct failure *failure) {
    for (size_t i = 0; i < admin->server_count; i++)
        if (need_keeper(admin, admin->servers[i], failure) || migrate_server(admin, admin->servers[i], failure)) return -1;
    return 0;
}
