/* SPDX-License-Identifier: MIT */
#include "sql.h"

#include "json_get.h"
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- read only ---- */

/* Statements come from the user, but may have been pasted from anywhere. */
static int authorize(void *context, int action, const char *first, const char *second, const char *database,
                     const char *trigger) {
    static const char *const pragmas[] = {"table_info", "table_xinfo", "table_list", "function_list", "compile_options"};
    (void)context, (void)database, (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION: return second && !sqlite3_stricmp(second, "load_extension") ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
        for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++)
            if (first && !sqlite3_stricmp(first, pragmas[i])) return SQLITE_OK;
        return SQLITE_DENY;
    /* SQLite asks for this when it creates the tables pragma_...; nothing else can change that table. */
    case SQLITE_UPDATE: return first && !strcmp(first, "sqlite_master") ? SQLITE_OK : SQLITE_DENY;
    default: return SQLITE_DENY;
    }
}

/* ---- the database ---- */

/* A table for each application, named after its app_id; or "app_" and the app_id if that name is taken. */
static int add_app_table(struct sql *sql, const char *app_id) {
    const char *name;
    json_t *known;
    json_object_foreach(sql->app_tables, name, known) {
        if (!strcmp(json_string_value(known), app_id)) return 0;
    }
    char *free_name = sqlite3_table_column_metadata(sql->db, NULL, app_id, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK
                          ? sqlite3_mprintf("app_%s", app_id)
                          : sqlite3_mprintf("%s", app_id);
    int result = free_name && !json_object_set_new(sql->app_tables, free_name, json_string(app_id))
                     ? sql_create_table(sql, free_name, "p2ptrace_events")
                     : session_out_of_memory(sql->session);
    if (result && free_name) json_object_del(sql->app_tables, free_name);
    sqlite3_free(free_name);
    return result;
}

int sql_learn_apps(struct sql *sql) {
    json_t *answer;
    size_t i;
    const json_t *app;
    int result = 0;
    if (sql_call(sql, "apps", NULL, &answer)) return -1;
    json_decref(sql->apps);
    sql->apps = json_incref(json_object_get(answer, "apps"));
    json_decref(answer);
    sqlite3_set_authorizer(sql->db, NULL, NULL);
    json_array_foreach(sql->apps, i, app) {
        const char *app_id = json_get_text(app, "app_id");
        if (app_id && *app_id && !result) result = add_app_table(sql, app_id);
    }
    sqlite3_set_authorizer(sql->db, authorize, NULL);
    return result;
}

static int on_progress(void *context) { return ((struct sql *)context)->interrupted; }

int sql_init(struct sql *sql, struct session *session) {
    *sql = (struct sql){.session = session, .app_tables = json_object(), .losses.gaps = json_object()};
    sql->explain = option_given(session->options, OPTION_EXPLAIN);
    if (!sql->app_tables || !sql->losses.gaps) return session_out_of_memory(session);
    if (sqlite3_open_v2(":memory:", &sql->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)) {
        if (!sql->db) return session_out_of_memory(session);
        return sql_database_failed(sql);
    }
    sqlite3_extended_result_codes(sql->db, 1);
    sqlite3_progress_handler(sql->db, SQL_PROGRESS_STEPS, on_progress, sql);
    sqlite3_limit(sql->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    if (sql_functions_register(sql) || sql_events_register(sql) || sql_rows_register(sql) || sql_waits_register(sql)) return -1;
    return sql_learn_apps(sql);
}

void sql_fini(struct sql *sql) {
    sqlite3_close(sql->db);
    json_decref(sql->apps);
    json_decref(sql->app_tables);
    json_decref(sql->losses.gaps);
    strbuf_fini(&sql->scans);
}

/* ---- around a statement ---- */

/* Sizes by which SQLite chooses the order of joins. */
static int ask_history(struct sql *sql) {
    json_t *stats;
    if (sql_call(sql, "stats", NULL, &stats)) return -1;
    const json_t *history = json_object_get(stats, "history");
    sql->history = (struct sql_history){
        .events = (double)json_get_count(history, "events"),
        .traces = (double)json_get_count(history, "traces"),
        .peers = (double)json_get_count(history, "peers"),
        .nodes = (double)json_object_size(sql->session->names.by_id),
        .begin_us = json_get_count(json_object_get(history, "first"), "timestamp"),
        .end_us = json_get_count(json_object_get(history, "last"), "timestamp") + 1,
    };
    json_decref(stats);
    return 0;
}

int sql_statement_begin(struct sql *sql) {
    sql->statement++;
    sql->failed = false;
    sql->now_us = source_now_ns(sql->session->inquiry.source) / 1000;
    strbuf_clear(&sql->scans);
    json_object_clear(sql->losses.gaps);
    sql->losses.events = 0;
    sql->session->inquiry.explain = sql->explain;
    if (session_learn_names(sql->session)) {
        sql->failed = true;
        return -1;
    }
    return ask_history(sql);
}

void sql_statement_end(struct sql *sql) {
    if (sql->losses.events)
        fprintf(stderr,
                "inspector: %" PRIu64
                " events were lost before traced could read them, in %zu gaps: events of kind events_lost\n",
                sql->losses.events, json_object_size(sql->losses.gaps));
    if (sql->explain) fputs(strbuf_text(&sql->scans), stderr);
    inquiry_print_evicted(&sql->session->inquiry);
    sql->session->inquiry.evicted = 0;
}
