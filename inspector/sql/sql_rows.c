/* SPDX-License-Identifier: MIT
 *
 * The tables whose rows are the elements of one answer: nodes, peers, traces, and what applications registered.  The first
 * scan of a statement fetches the rows, and later scans reuse them: a statement sees one state of them, and a join does not ask
 * again for each row.  The first column, an id, is indexed. */
#include "allocation.h"
#include "json_get.h"
#include "sql.h"
#include "sql_columns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

struct rows_kind {
    const char *name;
    const char *method, *member; /* the answer's array */
    const char *nested;          /* the array in each element that has the rows; NULL: the elements are the rows */
    const struct sql_column *columns;
    int column_count;
};

struct row {
    struct json_span object, parent;
    struct json_span key; /* the first column, without quotes */
    bool again;           /* another row has the same trace */
};

struct rows_table {
    sqlite3_vtab base;
    struct sql *sql;
    const struct rows_kind *kind;
    uint64_t statement; /* the statement that fetched the rows; 0: none */
    struct strbuf text; /* the text of the rows: arrays of answers */
    struct row *rows;   /* in order of arrival */
    uint32_t *by_key;   /* their indices, sorted by the key */
    size_t count, capacity;
    bool searchable; /* all keys are plain text */
};

struct rows_cursor {
    sqlite3_vtab_cursor base;
    size_t next, end; /* in by_key for a search, otherwise in rows */
    bool searched;
    struct sql_row row;
};

/* ---- the tables ---- */

static const struct sql_column node_columns[] = {
    {"node_id", "TEXT", SQL_MEMBER, "node_id", SQL_PUSH_NOTHING, false},
    {"name", "TEXT", SQL_MEMBER, "name", SQL_PUSH_NOTHING, false},
    {"state", "TEXT", SQL_MEMBER, "state", SQL_PUSH_NOTHING, false},
    {"host", "TEXT", SQL_MEMBER, "host", SQL_PUSH_NOTHING, false},
    {"machine", "TEXT", SQL_MEMBER, "machine", SQL_PUSH_NOTHING, false},
    {"pid", "INTEGER", SQL_MEMBER, "pid", SQL_PUSH_NOTHING, false},
    {"emitted", "INTEGER", SQL_MEMBER, "emitted", SQL_PUSH_NOTHING, false},
    {"indexed", "INTEGER", SQL_MEMBER, "indexed", SQL_PUSH_NOTHING, false},
    {"lost", "INTEGER", SQL_MEMBER, "lost", SQL_PUSH_NOTHING, false},
    {"lost_by", "TEXT", SQL_MEMBER, "lost_by", SQL_PUSH_NOTHING, false},
    {"unfinished", "INTEGER", SQL_MEMBER, "unfinished", SQL_PUSH_NOTHING, false},
    {"lanes", "INTEGER", SQL_MEMBER, "lanes", SQL_PUSH_NOTHING, false},
    {"lane_events", "INTEGER", SQL_MEMBER, "lane_events", SQL_PUSH_NOTHING, false},
    {"bytes", "INTEGER", SQL_MEMBER, "bytes", SQL_PUSH_NOTHING, false},
    {"clock", "TEXT", SQL_MEMBER, "clock", SQL_PUSH_NOTHING, false},
    {"policy", "TEXT", SQL_MEMBER, "policy", SQL_PUSH_NOTHING, false},
    {"kinds", "TEXT", SQL_MEMBER, "kinds", SQL_PUSH_NOTHING, false},
    {"sample", "REAL", SQL_MEMBER, "sample", SQL_PUSH_NOTHING, false},
    {"started", "INTEGER", SQL_TIME, "started", SQL_PUSH_NOTHING, false},
    {"last", "INTEGER", SQL_TIME, "last", SQL_PUSH_NOTHING, false},
    {"ended_after", "INTEGER", SQL_ENDED, "after", SQL_PUSH_NOTHING, false},
    {"ended_by", "INTEGER", SQL_ENDED, "by", SQL_PUSH_NOTHING, false},
    {"apps", "TEXT", SQL_MEMBER, "apps", SQL_PUSH_NOTHING, false},
    {"reason", "TEXT", SQL_MEMBER, "reason", SQL_PUSH_NOTHING, false},
};

static const struct sql_column peer_columns[] = {
    {"peer_id", "TEXT", SQL_MEMBER, "peer_id", SQL_PUSH_NOTHING, false},
    {"name", "TEXT", SQL_MEMBER, "name", SQL_PUSH_NOTHING, false},
    {"events", "INTEGER", SQL_MEMBER, "events", SQL_PUSH_NOTHING, false},
    {"packets_sent", "INTEGER", SQL_MEMBER, "packets_sent", SQL_PUSH_NOTHING, false},
    {"packets_received", "INTEGER", SQL_MEMBER, "packets_received", SQL_PUSH_NOTHING, false},
    {"packets_lost", "INTEGER", SQL_MEMBER, "packets_lost", SQL_PUSH_NOTHING, false},
    {"loss", "REAL", SQL_MEMBER, "loss", SQL_PUSH_NOTHING, false},
    {"messages_sent", "INTEGER", SQL_MEMBER, "messages_sent", SQL_PUSH_NOTHING, false},
    {"messages_received", "INTEGER", SQL_MEMBER, "messages_received", SQL_PUSH_NOTHING, false},
    {"bytes_sent", "INTEGER", SQL_MEMBER, "bytes_sent", SQL_PUSH_NOTHING, false},
    {"bytes_received", "INTEGER", SQL_MEMBER, "bytes_received", SQL_PUSH_NOTHING, false},
    {"rtt", "INTEGER", SQL_MEMBER, "rtt", SQL_PUSH_NOTHING, false},
    {"min_rtt", "INTEGER", SQL_MEMBER, "min_rtt", SQL_PUSH_NOTHING, false},
    {"nodes", "TEXT", SQL_MEMBER, "nodes", SQL_PUSH_NOTHING, false},
    {"first", "INTEGER", SQL_TIME, "first", SQL_PUSH_NOTHING, false},
    {"last", "INTEGER", SQL_TIME, "last", SQL_PUSH_NOTHING, false},
    {"heard", "INTEGER", SQL_TIME, "heard", SQL_PUSH_NOTHING, false},
};

static const struct sql_column trace_columns[] = {
    {"trace_id", "TEXT", SQL_MEMBER, "trace_id", SQL_PUSH_NOTHING, false},
    {"first", "INTEGER", SQL_TIME, "first", SQL_PUSH_NOTHING, false},
    {"last", "INTEGER", SQL_TIME, "last", SQL_PUSH_NOTHING, false},
    {"duration", "INTEGER", SQL_MEMBER, "duration", SQL_PUSH_NOTHING, false},
    {"took", "INTEGER", SQL_MEMBER, "took", SQL_PUSH_NOTHING, false},
    {"outcome", "TEXT", SQL_MEMBER, "outcome", SQL_PUSH_NOTHING, false},
    {"app", "TEXT", SQL_MEMBER, "app", SQL_PUSH_NOTHING, false},
    {"command", "TEXT", SQL_MEMBER, "command", SQL_PUSH_NOTHING, false},
    {"events", "INTEGER", SQL_MEMBER, "events", SQL_PUSH_NOTHING, false},
    {"packets_lost", "INTEGER", SQL_MEMBER, "packets_lost", SQL_PUSH_NOTHING, false},
    {"app_id", "TEXT", SQL_MEMBER, "app_id", SQL_PUSH_NOTHING, false},
    {"cmd", "INTEGER", SQL_MEMBER, "cmd", SQL_PUSH_NOTHING, false},
    {"nodes", "TEXT", SQL_MEMBER, "nodes", SQL_PUSH_NOTHING, false},
    {"peers", "TEXT", SQL_MEMBER, "peers", SQL_PUSH_NOTHING, false},
    {"truncated", "INTEGER", SQL_MEMBER, "truncated", SQL_PUSH_NOTHING, false},
    {"took_stepped", "INTEGER", SQL_MEMBER, "took_stepped", SQL_PUSH_NOTHING, false},
    {"duration_stepped", "INTEGER", SQL_MEMBER, "duration_stepped", SQL_PUSH_NOTHING, false},
};

static const struct sql_column app_columns[] = {
    {"app_id", "TEXT", SQL_MEMBER, "app_id", SQL_PUSH_NOTHING, false},
    {"name", "TEXT", SQL_MEMBER, "name", SQL_PUSH_NOTHING, false},
};

static const struct sql_column command_columns[] = {
    {"app_id", "TEXT", SQL_PARENT, "app_id", SQL_PUSH_NOTHING, false},
    {"cmd", "INTEGER", SQL_MEMBER, "cmd", SQL_PUSH_NOTHING, false},
    {"name", "TEXT", SQL_MEMBER, "name", SQL_PUSH_NOTHING, false},
};

static const struct sql_column field_columns[] = {
    {"app_id", "TEXT", SQL_PARENT, "app_id", SQL_PUSH_NOTHING, false},
    {"name", "TEXT", SQL_MEMBER, "name", SQL_PUSH_NOTHING, false},
    {"type", "TEXT", SQL_MEMBER, "type", SQL_PUSH_NOTHING, false},
    {"offset", "INTEGER", SQL_MEMBER, "offset", SQL_PUSH_NOTHING, false},
    {"bytes", "INTEGER", SQL_MEMBER, "bytes", SQL_PUSH_NOTHING, false},
};

static const struct rows_kind kinds[] = {
    {"nodes", "nodes", "nodes", NULL, node_columns, COUNT_OF(node_columns)},
    {"peers", "peers", "peers", NULL, peer_columns, COUNT_OF(peer_columns)},
    {"traces", "traces", "traces", NULL, trace_columns, COUNT_OF(trace_columns)},
    {"apps", "apps", "apps", NULL, app_columns, COUNT_OF(app_columns)},
    {"app_commands", "apps", "apps", "commands", command_columns, COUNT_OF(command_columns)},
    {"app_fields", "apps", "apps", "fields", field_columns, COUNT_OF(field_columns)},
};

/* ---- fetching ---- */

static void forget_rows(struct rows_table *table) {
    strbuf_clear(&table->text);
    table->count = 0;
    table->statement = 0;
}

static int add_row(struct rows_table *table, struct json_span object, struct json_span parent) {
    const struct sql_column *column = &table->kind->columns[0];
    struct row *row;
    struct json_span key;
    struct row *rows = memory_room(table->rows, table->count, &table->capacity, sizeof *rows);
    if (!rows) return -1;
    table->rows = rows;
    row = &table->rows[table->count++];
    *row = (struct row){.object = object, .parent = parent};
    bool found = json_scan_find(column->source == SQL_PARENT ? parent : object, column->key, &key);
    if (!found || !json_scan_plain(key, &row->key)) table->searchable = false;
    return 0;
}

static int add_elements(struct rows_table *table, struct json_span array) {
    const char *nested = table->kind->nested;
    struct json_span element, inner, object;
    for (size_t at = 0; json_scan_element(array, &at, &element);) {
        if (!nested && add_row(table, element, (struct json_span){0})) return -1;
        if (!nested || !json_scan_find(element, nested, &inner)) continue;
        for (size_t inner_at = 0; json_scan_element(inner, &inner_at, &object);)
            if (add_row(table, object, element)) return -1;
    }
    return 0;
}

static int compare_texts(struct json_span a, struct json_span b) {
    int order = a.bytes && b.bytes ? memcmp(a.text, b.text, a.bytes < b.bytes ? a.bytes : b.bytes) : 0;
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_rows(const void *a, const void *b, void *context) {
    const struct rows_table *table = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = compare_texts(table->rows[x].key, table->rows[y].key);
    return order ? order : (x > y) - (x < y);
}

static int sort_keys(struct rows_table *table) {
    uint32_t *by_key = realloc(table->by_key, (table->count + 1) * sizeof *by_key);
    if (!by_key) return -1;
    table->by_key = by_key;
    for (size_t i = 0; i < table->count; i++) by_key[i] = (uint32_t)i;
    qsort_r(by_key, table->count, sizeof *by_key, compare_rows, table);
    return 0;
}

/* Marks all but the first of rows with the same trace. */
static int drop_doubles(struct rows_table *table) {
    size_t kept = 0, count = table->count;
    for (size_t i = 1; i < count; i++) {
        struct row *row = &table->rows[table->by_key[i]];
        row->again = compare_texts(table->rows[table->by_key[i - 1]].key, row->key) == 0;
    }
    for (size_t i = 0; i < count; i++)
        if (!table->rows[i].again) table->rows[kept++] = table->rows[i];
    table->count = kept;
    return kept < count ? sort_keys(table) : 0;
}

/* Finds the rows in the fetched arrays. */
static int find_rows(struct rows_table *table) {
    const char *text = strbuf_text(&table->text), *end = text + table->text.bytes;
    struct json_span array;
    table->searchable = true;
    for (; json_scan_value(text, (size_t)(end - text), &array); text = array.text + array.bytes)
        if (add_elements(table, array)) return -1;
    if (sort_keys(table)) return -1;
    return table->kind->columns == trace_columns ? drop_doubles(table) : 0;
}

/* One answer has at most TRACES_MAX traces.  If there are more, asks for those with an event in each half of the period; a
 * trace with events in both comes twice. */
static int fetch_traces(struct rows_table *table, uint64_t from_us, uint64_t to_us) {
    json_t *answer;
    size_t before = table->text.bytes;
    if (from_us >= to_us) return 0;
    json_t *params = json_pack("{s:I,s:I,s:i}", "from", (json_int_t)from_us, "to", (json_int_t)to_us, "limit", (int)TRACES_MAX);
    if (sql_call_apart(table->sql, "traces", params, "traces", &table->text, &answer)) return -1;
    bool all = json_get_count(answer, "total") <= TRACES_MAX || to_us - from_us == 1;
    json_decref(answer);
    if (all) return 0;
    table->text.bytes = before;
    uint64_t middle_us = from_us + (to_us - from_us) / 2;
    return fetch_traces(table, middle_us, to_us) || fetch_traces(table, from_us, middle_us) ? -1 : 0;
}

static int fetch_rows(struct rows_table *table) {
    const struct sql_history *history = &table->sql->history;
    json_t *answer = NULL;
    int result;
    if (table->statement == table->sql->statement) return SQLITE_OK;
    forget_rows(table);
    if (table->kind->columns == trace_columns)
        result = fetch_traces(table, history->begin_us, history->end_us); /* ignore what began after the statement */
    else
        result = sql_call_apart(table->sql, table->kind->method, NULL, table->kind->member, &table->text, &answer);
    json_decref(answer);
    if (result) return sql_table_failed(table->sql, &table->base);
    if (find_rows(table)) return SQLITE_NOMEM;
    table->statement = table->sql->statement;
    return SQLITE_OK;
}

/* ---- the module ---- */

static int rows_disconnect(sqlite3_vtab *base) {
    struct rows_table *table = (struct rows_table *)base;
    strbuf_fini(&table->text);
    free(table->rows);
    free(table->by_key);
    free(table);
    return SQLITE_OK;
}

static const struct rows_kind *find_kind(const char *name) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(kinds[i].name, name)) return &kinds[i];
    return NULL;
}

static int rows_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error) {
    const struct rows_kind *kind = find_kind(argv[2]);
    struct rows_table *table = kind ? calloc(1, sizeof *table) : NULL;
    (void)argc, (void)ret_error;
    if (!table) return SQLITE_NOMEM;
    table->sql = aux;
    table->kind = kind;
    char *declaration = sql_columns_declare(kind->columns, kind->column_count);
    int rc = declaration ? sqlite3_declare_vtab(db, declaration) : SQLITE_NOMEM;
    sqlite3_free(declaration);
    if (rc == SQLITE_OK)
        *ret_table = &table->base;
    else
        rows_disconnect(&table->base);
    return rc;
}

/* Must not be the same function as xConnect: SQLite would then use the module's name as a table, too. */
static int rows_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error) {
    return rows_connect(db, aux, argc, argv, ret_table, ret_error);
}

/* How many rows to expect, so that SQLite can choose the order of a join. */
static double rows_expected(const struct rows_table *table) {
    const struct sql_history *history = &table->sql->history;
    if (table->kind->columns == trace_columns) return history->traces;
    if (table->kind->columns == peer_columns) return history->peers;
    return history->nodes > 10 ? history->nodes : 10;
}

static int rows_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
    double rows = rows_expected((struct rows_table *)base);
    int found = -1;
    for (int i = 0; i < info->nConstraint && found < 0; i++) {
        const char *collation = sqlite3_vtab_collation(info, i);
        if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == 0 &&
            info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ && (!collation || !sqlite3_stricmp(collation, "BINARY")))
            found = i;
    }
    info->idxStr = (char *)(found < 0 ? "all" : "by id");
    info->idxNum = found >= 0;
    if (found >= 0) info->aConstraintUsage[found].argvIndex = 1;
    info->estimatedRows = found >= 0 ? 1 : rows > 1 ? (sqlite3_int64)rows : 1;
    info->estimatedCost = found >= 0 ? 10 : 200 + 2 * rows;
    return SQLITE_OK;
}

static int rows_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor) {
    struct rows_cursor *cursor = calloc(1, sizeof *cursor);
    (void)base;
    if (!cursor) return SQLITE_NOMEM;
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int rows_close(sqlite3_vtab_cursor *base) {
    free(base);
    return SQLITE_OK;
}

/* The first place in by_key whose key is not below this one; with `behind`, the first whose key is above it. */
static size_t search_rows(const struct rows_table *table, struct json_span key, bool behind) {
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_texts(table->rows[table->by_key[middle]].key, key);
        if (order < 0 || (behind && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void load_row(struct rows_cursor *cursor) {
    const struct rows_table *table = (struct rows_table *)cursor->base.pVtab;
    if (cursor->next >= cursor->end) return;
    const struct row *row = &table->rows[cursor->searched ? table->by_key[cursor->next] : cursor->next];
    sql_row_set(&cursor->row, row->object, row->parent);
}

static int rows_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count, sqlite3_value **values) {
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    struct rows_table *table = (struct rows_table *)base->pVtab;
    (void)plan, (void)count;
    int rc = fetch_rows(table);
    if (rc != SQLITE_OK) return rc;
    cursor->next = 0;
    cursor->end = table->count;
    cursor->searched = number && table->searchable && sqlite3_value_type(values[0]) == SQLITE_TEXT;
    if (cursor->searched) {
        struct json_span key = {(const char *)sqlite3_value_text(values[0]), (size_t)sqlite3_value_bytes(values[0])};
        if (!key.text) return SQLITE_NOMEM;
        cursor->next = search_rows(table, key, false);
        cursor->end = search_rows(table, key, true);
    }
    load_row(cursor);
    return SQLITE_OK;
}

static int rows_next(sqlite3_vtab_cursor *base) {
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    cursor->next++;
    load_row(cursor);
    return SQLITE_OK;
}

static int rows_eof(sqlite3_vtab_cursor *base) {
    const struct rows_cursor *cursor = (struct rows_cursor *)base;
    return cursor->next >= cursor->end;
}

static int rows_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int i) {
    struct rows_cursor *cursor = (struct rows_cursor *)base;
    const struct rows_table *table = (struct rows_table *)base->pVtab;
    const struct session *session = table->sql->session;
    sql_column_result(context, &table->kind->columns[i], &cursor->row, &session->names, session->view.utc);
    return SQLITE_OK;
}

static int rows_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid) {
    const struct rows_cursor *cursor = (struct rows_cursor *)base;
    const struct rows_table *table = (struct rows_table *)base->pVtab;
    *ret_rowid = (sqlite3_int64)(cursor->searched ? table->by_key[cursor->next] : cursor->next);
    return SQLITE_OK;
}

int sql_rows_register(struct sql *sql) {
    static const sqlite3_module module = {
        .iVersion = 2,
        .xCreate = rows_create,
        .xConnect = rows_connect,
        .xBestIndex = rows_best_index,
        .xDisconnect = rows_disconnect,
        .xDestroy = rows_disconnect,
        .xOpen = rows_open,
        .xClose = rows_close,
        .xFilter = rows_filter,
        .xNext = rows_next,
        .xEof = rows_eof,
        .xColumn = rows_column,
        .xRowid = rows_rowid,
    };
    if (sqlite3_create_module_v2(sql->db, "p2ptrace_rows", &module, sql, NULL)) return session_out_of_memory(sql->session);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (sql_create_table(sql, kinds[i].name, "p2ptrace_rows")) return -1;
    return 0;
}
