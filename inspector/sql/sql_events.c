/* SPDX-License-Identifier: MIT
 *
 * The tables of events: `events`, and one for each application, which has only its events and their fields as columns.  A scan
 * is one `query`, page by page; losses in what it read are recorded for the end of the statement. */
#include "json_get.h"
#include "pages.h"
#include "sql_push.h"

#include <inttypes.h>
#include <proto/json_memory.h>
#include <stdlib.h>
#include <string.h>

#define RPC_NOT_FOUND (-32001)
#define RPC_AMBIGUOUS (-32002)
#define RPC_INVALID_PARAMS (-32602)

struct events_table {
    sqlite3_vtab base;
    struct sql *sql;
    char *name;   /* as written by the user */
    char *app_id; /* NULL: all events */
    struct sql_columns columns;
};

struct events_cursor {
    sqlite3_vtab_cursor base;
    struct pages pages;
    bool open;          /* `pages` needs pages_fini */
    struct strbuf page; /* the events of an answer, an unparsed array */
    size_t next;        /* where to look for the event after `row` */
    bool has_row;       /* not at the end */
    struct sql_row row; /* the event */
    char *said;         /* the params of the last scan, for people */
    struct {
        char index[16];
        uint64_t scans, pages, examined, rows;
    } explain; /* over all scans of this cursor */
};

static struct events_table *table_of(const struct events_cursor *cursor) { return (struct events_table *)cursor->base.pVtab; }
static struct sql *sql_of(const struct events_cursor *cursor) { return table_of(cursor)->sql; }

/* ---- tables ---- */

static int events_disconnect(sqlite3_vtab *base) {
    struct events_table *table = (struct events_table *)base;
    sql_columns_fini(&table->columns);
    free(table->name);
    free(table->app_id);
    free(table);
    return SQLITE_OK;
}

/* argv[2] is the table's name. */
static int events_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error) {
    struct sql *sql = aux;
    const char *app_id = json_string_value(json_object_get(sql->app_tables, argv[2]));
    struct events_table *table = calloc(1, sizeof *table);
    (void)argc, (void)ret_error;
    if (!table) return SQLITE_NOMEM;
    table->sql = sql;
    table->name = strdup(argv[2]);
    table->app_id = app_id ? strdup(app_id) : NULL;
    if (app_id)
        sql_columns_of_app(&table->columns, sql->apps, app_id);
    else
        sql_columns_of_events(&table->columns);
    char *declaration = sql_columns_declare(table->columns.columns, table->columns.count);
    bool failed = !table->name || (app_id && !table->app_id) || table->columns.failed || !declaration;
    int rc = failed ? SQLITE_NOMEM : sqlite3_declare_vtab(db, declaration);
    sqlite3_free(declaration);
    if (rc == SQLITE_OK)
        *ret_table = &table->base;
    else
        events_disconnect(&table->base);
    return rc;
}

/* Must not be the same function as xConnect: SQLite would then use the module's name as a table, too. */
static int events_create(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table, char **ret_error) {
    return events_connect(db, aux, argc, argv, ret_table, ret_error);
}

static int events_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
    struct events_table *table = (struct events_table *)base;
    if (table->app_id) sql_columns_choose_fields(&table->columns, table->sql->apps, table->app_id);
    return sql_push_plan(&table->sql->history, table->columns.columns, info);
}

/* ---- scans ---- */

static int events_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor) {
    struct events_cursor *cursor = calloc(1, sizeof *cursor);
    (void)base;
    if (!cursor) return SQLITE_NOMEM;
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static void end_scan(struct events_cursor *cursor) {
    if (cursor->open) pages_fini(&cursor->pages);
    free(cursor->said);
    cursor->open = cursor->has_row = false;
    cursor->said = NULL;
    strbuf_clear(&cursor->page);
    cursor->next = 0;
}

/* Records for --explain what this cursor did. */
static void note_scans(const struct events_cursor *cursor) {
    struct sql *sql = sql_of(cursor);
    if (!sql->explain || !cursor->explain.scans) return;
    strbuf_puts(&sql->scans, "table ");
    text_untrusted(&sql->scans, table_of(cursor)->name, strlen(table_of(cursor)->name), CELL_COLUMNS_MAX);
    strbuf_printf(&sql->scans, ": asked for %s", cursor->said ? cursor->said : "nothing");
    if (cursor->explain.scans > 1) strbuf_printf(&sql->scans, ", the last of %" PRIu64 " times", cursor->explain.scans);
    strbuf_printf(&sql->scans, "; index %s; ", *cursor->explain.index ? cursor->explain.index : "none");
    text_count(&sql->scans, cursor->explain.examined, "event");
    strbuf_puts(&sql->scans, " examined, ");
    text_count(&sql->scans, cursor->explain.rows, "row");
    strbuf_puts(&sql->scans, " returned, ");
    text_count(&sql->scans, cursor->explain.pages, "page");
    strbuf_puts(&sql->scans, "\n");
}

static int events_close(sqlite3_vtab_cursor *base) {
    struct events_cursor *cursor = (struct events_cursor *)base;
    note_scans(cursor);
    end_scan(cursor);
    strbuf_fini(&cursor->page);
    free(cursor);
    return SQLITE_OK;
}

/* pages_next; if the id it asks for does not exist, there is no page. */
static int ask_page(struct events_cursor *cursor, json_t **ret_page) {
    struct sql *sql = sql_of(cursor);
    struct session *session = sql->session;
    *session->inquiry.index = 0;
    session->inquiry.examined = 0;
    strbuf_clear(&cursor->page);
    int result = sql->interrupted ? -1 : pages_next(&cursor->pages, ret_page);
    if (result && session->failure.rpc_code == RPC_AMBIGUOUS && sql_push_drop_prefixes(cursor->pages.params))
        return ask_page(cursor, ret_page);
    if (result && session->failure.rpc_code == RPC_INVALID_PARAMS && sql_push_drop_filter(cursor->pages.params))
        return ask_page(cursor, ret_page); /* traced of another version */
    if (result && session->failure.rpc_code == RPC_NOT_FOUND) {
        session->failure = (struct failure){0};
        cursor->pages.done = true;
        *ret_page = NULL;
        result = 0;
    }
    snprintf(cursor->explain.index, sizeof cursor->explain.index, "%s", session->inquiry.index);
    cursor->explain.examined += session->inquiry.examined;
    *session->inquiry.index = 0; /* nothing to add at the end of the command */
    return result;
}

static int next_page(struct events_cursor *cursor) {
    json_t *page;
    cursor->next = 0;
    if (ask_page(cursor, &page)) {
        sql_of(cursor)->failed = true;
        return sql_table_failed(sql_of(cursor), cursor->base.pVtab);
    }
    if (!page) return SQLITE_OK;
    sql_note_gaps(sql_of(cursor), page);
    json_decref(page);
    cursor->explain.pages++;
    return SQLITE_OK;
}

static bool is_ours(const struct events_table *table, struct json_span event) {
    struct json_span data, app_id, text;
    if (!table->app_id) return true;
    if (!json_scan_find(event, "data", &data) || !json_scan_find(data, "app_id", &app_id)) return false;
    if (json_scan_plain(app_id, &text))
        return text.bytes == strlen(table->app_id) && !memcmp(text.text, table->app_id, text.bytes);
    json_t *decoded = trace_json_loadb(app_id.text, app_id.bytes, JSON_DECODE_ANY, NULL);
    bool ours = json_is_string(decoded) && !strcmp(json_string_value(decoded), table->app_id);
    json_decref(decoded);
    return ours;
}

static int events_next(sqlite3_vtab_cursor *base) {
    struct events_cursor *cursor = (struct events_cursor *)base;
    struct json_span event;
    do {
        struct json_span page = {strbuf_text(&cursor->page), cursor->page.bytes};
        cursor->has_row = json_scan_element(page, &cursor->next, &event);
        if (cursor->has_row) continue;
        if (cursor->pages.done) return SQLITE_OK;
        int rc = next_page(cursor);
        if (rc != SQLITE_OK) return rc;
    } while (!cursor->has_row || !is_ours(table_of(cursor), event));
    sql_row_set(&cursor->row, event, (struct json_span){0});
    cursor->explain.rows++;
    return SQLITE_OK;
}

/* Begins a scan.  An application's events are of three kinds. */
static int begin_scan(struct events_cursor *cursor, const struct sql_push_params *params) {
    struct sql *sql = sql_of(cursor);
    struct session *session = sql->session;
    bool of_app = table_of(cursor)->app_id, failed = false;
    json_t *query = json_incref(params->params);
    if (of_app && !json_object_get(query, "kind"))
        failed = json_object_set_new(query, "kind", json_pack("[sss]", "app_command", "app_start", "app_end")) != 0;
    /* The first page has the size of LIMIT; if more is needed after all, others follow. */
    uint64_t wanted = params->wanted == 0 ? 1 : params->wanted;
    failed |= pages_init(&cursor->pages, &session->inquiry, query, of_app ? PAGES_ALL : wanted) != 0;
    cursor->pages.text = &cursor->page;
    cursor->open = true;
    return failed ? SQLITE_NOMEM : SQLITE_OK;
}

static int events_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count, sqlite3_value **values) {
    struct events_cursor *cursor = (struct events_cursor *)base;
    struct sql_push_params params;
    end_scan(cursor);
    int rc = sql_push_read(&params, &sql_of(cursor)->session->names, &table_of(cursor)->columns, plan, number, count, values);
    if (rc != SQLITE_OK) return rc;
    cursor->said = params.said;
    cursor->explain.scans++;
    if (!params.none) rc = begin_scan(cursor, &params);
    json_decref(params.params);
    if (params.none || rc != SQLITE_OK) return rc;
    return events_next(base);
}

static int events_eof(sqlite3_vtab_cursor *base) { return !((struct events_cursor *)base)->has_row; }

static int events_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int i) {
    struct events_cursor *cursor = (struct events_cursor *)base;
    const struct session *session = sql_of(cursor)->session;
    sql_column_result(context, &table_of(cursor)->columns.columns[i], &cursor->row, &session->names, session->view.utc);
    return SQLITE_OK;
}

/* Must be the same for an event however it was found, because SQLite joins the results of several indices by it: a hash (FNV-1a)
 * of the event's text. */
static int events_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid) {
    const struct json_span event = ((struct events_cursor *)base)->row.object;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < event.bytes; i++) hash = (hash ^ (unsigned char)event.text[i]) * UINT64_C(0x100000001b3);
    *ret_rowid = (sqlite3_int64)hash;
    return SQLITE_OK;
}

int sql_events_register(struct sql *sql) {
    static const sqlite3_module module = {
        .iVersion = 2,
        .xCreate = events_create,
        .xConnect = events_connect,
        .xBestIndex = events_best_index,
        .xDisconnect = events_disconnect,
        .xDestroy = events_disconnect,
        .xOpen = events_open,
        .xClose = events_close,
        .xFilter = events_filter,
        .xNext = events_next,
        .xEof = events_eof,
        .xColumn = events_column,
        .xRowid = events_rowid,
    };
    if (sqlite3_create_module_v2(sql->db, "p2ptrace_events", &module, sql, NULL)) return session_out_of_memory(sql->session);
    return sql_create_table(sql, "events", "p2ptrace_events");
}
