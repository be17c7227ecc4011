/* SPDX-License-Identifier: MIT
 *
 * The table `waits`: where the time of a trace went, a row for each place, the same as "time" of `trace ID --json --summary`.  It
 * must be told of which trace: a scan asks for the whole trace and finds its critical path. */
#include "json_get.h"
#include "sql.h"
#include "sql_columns.h"
#include "whole_trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_EXPECTED 5
#define COST_OF_A_TRACE 1000

const char sql_waits_usage[] = "waits is computed trace by trace: a statement must say of which, as in select w.place, w.node, "
                               "sum(w.duration) from traces t join "
                               "waits w on w.trace_id = t.trace_id group by 1, 2";

enum waits_column {
    WAITS_TRACE_ID,
    WAITS_PLACE,
    WAITS_NODE,
    WAITS_PEER,
    WAITS_NODE_ID,
    WAITS_PEER_ID,
    WAITS_DURATION,
    WAITS_SHARE
};

static const char declaration[] = "CREATE TABLE x(trace_id TEXT, place TEXT, node TEXT, peer TEXT, node_id TEXT, peer_id TEXT, "
                                  "duration INTEGER, share REAL)";

struct waits_table {
    sqlite3_vtab base;
    struct sql *sql;
};

struct waits_cursor {
    sqlite3_vtab_cursor base;
    char trace_id[TRACE_DIGITS + 1];
    json_t *places; /* of that trace; NULL: none */
    uint64_t whole_ns;
    size_t next;
    uint64_t traces, events; /* asked for, for --explain */
};

static struct sql *sql_of(const struct waits_cursor *cursor) { return ((struct waits_table *)cursor->base.pVtab)->sql; }

static int waits_disconnect(sqlite3_vtab *base) {
    free(base);
    return SQLITE_OK;
}

static int waits_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error) {
    struct waits_table *table = calloc(1, sizeof *table);
    (void)argc, (void)argv, (void)ret_error;
    if (!table) return SQLITE_NOMEM;
    table->sql = aux;
    int rc = sqlite3_declare_vtab(db, declaration);
    if (rc == SQLITE_OK)
        *ret_table = &table->base;
    else
        free(table);
    return rc;
}

/* Must not be the same function as xConnect: SQLite would then use the module's name as a table, too. */
static int waits_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error) {
    return waits_connect(db, aux, argc, argv, ret_table, ret_error);
}

/* Every plan must know the trace: if none does, SQLite has "no query solution". */
static int waits_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
    (void)base;
    for (int i = 0; i < info->nConstraint; i++) {
        const char *collation = sqlite3_vtab_collation(info, i);
        if (!info->aConstraint[i].usable || info->aConstraint[i].iColumn != WAITS_TRACE_ID ||
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ || (collation && sqlite3_stricmp(collation, "BINARY") != 0))
            continue;
        info->aConstraintUsage[i].argvIndex = 1;
        info->idxStr = (char *)"trace_id=";
        info->estimatedRows = ROWS_EXPECTED;
        info->estimatedCost = COST_OF_A_TRACE;
        return SQLITE_OK;
    }
    return SQLITE_CONSTRAINT;
}

static int waits_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor) {
    struct waits_cursor *cursor = calloc(1, sizeof *cursor);
    (void)base;
    if (!cursor) return SQLITE_NOMEM;
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int waits_close(sqlite3_vtab_cursor *base) {
    struct waits_cursor *cursor = (struct waits_cursor *)base;
    if (cursor->traces) {
        struct strbuf *scans = &sql_of(cursor)->scans;
        strbuf_puts(scans, "table waits: asked for ");
        text_count(scans, cursor->traces, "whole trace");
        strbuf_puts(scans, "; ");
        text_count(scans, cursor->events, "event");
        strbuf_puts(scans, " read\n");
    }
    json_decref(cursor->places);
    free(cursor);
    return SQLITE_OK;
}

static int take_trace(struct waits_cursor *cursor, const struct whole_trace *trace) {
    cursor->traces++;
    sql_note_gaps(sql_of(cursor), trace->answer);
    if (!trace->events) return SQLITE_OK;
    cursor->events += json_array_size(json_get_array(trace->answer, "events"));
    cursor->places = trace_places_new(&trace->timeline);
    cursor->whole_ns = critical_path_whole_ns(&trace->timeline.path);
    return cursor->places ? SQLITE_OK : SQLITE_NOMEM;
}

static int waits_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count, sqlite3_value **values) {
    struct waits_cursor *cursor = (struct waits_cursor *)base;
    struct sql *sql = sql_of(cursor);
    struct whole_trace trace = {0};
    (void)number, (void)plan, (void)count;
    json_decref(cursor->places);
    cursor->places = NULL;
    cursor->next = 0;
    const char *trace_id = sqlite3_value_type(values[0]) == SQLITE_TEXT ? (const char *)sqlite3_value_text(values[0]) : NULL;
    if (!trace_id || !json_is_hex(trace_id, TRACE_DIGITS)) return SQLITE_OK; /* no trace has that id */
    memcpy(cursor->trace_id, trace_id, sizeof cursor->trace_id);
    int result = sql->interrupted ? -1 : whole_trace_find(sql->session, trace_id, &trace);
    *sql->session->inquiry.index = 0; /* nothing to add at the end of the command */
    sql->failed |= result != 0;
    int rc = result ? sql_table_failed(sql, base->pVtab) : take_trace(cursor, &trace);
    whole_trace_fini(&trace);
    return rc;
}

static int waits_next(sqlite3_vtab_cursor *base) {
    ((struct waits_cursor *)base)->next++;
    return SQLITE_OK;
}

static int waits_eof(sqlite3_vtab_cursor *base) {
    const struct waits_cursor *cursor = (struct waits_cursor *)base;
    return cursor->next >= json_array_size(cursor->places);
}

static void result_string(sqlite3_context *context, const char *text) {
    if (text) sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static int waits_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    const struct waits_cursor *cursor = (struct waits_cursor *)base;
    const json_t *place = json_array_get(cursor->places, cursor->next), *by_id = sql_of(cursor)->session->names.by_id;
    const char *node_id = json_get_text(place, "node_id"), *peer_id = json_get_text(place, "peer_id");
    uint64_t ns = json_get_count(place, "duration");
    switch ((enum waits_column)column) {
    case WAITS_TRACE_ID: result_string(context, cursor->trace_id); break;
    case WAITS_PLACE: result_string(context, json_get_text(place, "place")); break;
    case WAITS_NODE: result_string(context, node_id ? json_get_text(by_id, node_id) : NULL); break;
    case WAITS_PEER: result_string(context, peer_id ? json_get_text(by_id, peer_id) : NULL); break;
    case WAITS_NODE_ID: result_string(context, node_id); break;
    case WAITS_PEER_ID: result_string(context, peer_id); break;
    case WAITS_DURATION: sqlite3_result_int64(context, (sqlite3_int64)ns); break;
    case WAITS_SHARE:
        if (cursor->whole_ns) sqlite3_result_double(context, (double)ns / (double)cursor->whole_ns);
        break;
    }
    return SQLITE_OK;
}

/* The same for a row however it was found, and another one in each trace: SQLite joins the results of an OR by it (FNV-1a). */
static int waits_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid) {
    const struct waits_cursor *cursor = (struct waits_cursor *)base;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *digit = cursor->trace_id; *digit; digit++) hash = (hash ^ (unsigned char)*digit) * UINT64_C(0x100000001b3);
    hash += cursor->next;
    *ret_rowid = (sqlite3_int64)hash;
    return SQLITE_OK;
}

int sql_waits_register(struct sql *sql) {
    static const sqlite3_module module = {
        .iVersion = 2,
        .xCreate = waits_create,
        .xConnect = waits_connect,
        .xBestIndex = waits_best_index,
        .xDisconnect = waits_disconnect,
        .xDestroy = waits_disconnect,
        .xOpen = waits_open,
        .xClose = waits_close,
        .xFilter = waits_filter,
        .xNext = waits_next,
        .xEof = waits_eof,
        .xColumn = waits_column,
        .xRowid = waits_rowid,
    };
    if (sqlite3_create_module_v2(sql->db, "p2ptrace_waits", &module, sql, NULL)) return session_out_of_memory(sql->session);
    return sql_create_table(sql, "waits", "p2ptrace_waits");
}
