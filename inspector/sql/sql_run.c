/* SPDX-License-Identifier: MIT
 *
 * Runs statements and prints their rows as they come. */
#include "limits.h"
#include "nearest.h"
#include "sql.h"
#include "table.h"

#include <ctype.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES 65536U
#define FLUSH_MS 100U /* when the next row comes, rows that have waited this long are written */

/* ---- errors ---- */

/* The line of the statement with the error, and a caret below it. */
static void point_at(const char *text, size_t offset) {
    struct strbuf before = {0}, line = {0};
    size_t begin = offset;
    if (offset > strlen(text)) return;
    while (begin && text[begin - 1] != '\n') begin--;
    text_untrusted(&before, text + begin, offset - begin, SQL_CELL_COLUMNS_MAX);
    text_untrusted(&line, text + begin, strcspn(text + begin, "\n"), SQL_CELL_COLUMNS_MAX);
    fprintf(stderr, "  %s\n  %*s^\n", strbuf_text(&line), (int)text_columns(strbuf_text(&before), before.bytes), "");
    strbuf_fini(&before);
    strbuf_fini(&line);
}

/* Does the text have that word?  SQL ignores case. */
static bool has_word(const char *text, const char *word) {
    size_t bytes = strlen(word);
    for (const char *at = text; *at; at++) {
        bool begins = at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');
        if (begins && !sqlite3_strnicmp(at, word, (int)bytes) && !isalnum((unsigned char)at[bytes]) && at[bytes] != '_')
            return true;
    }
    return false;
}

/* Appends the nearest of the names that a query lists.  With a second column, a table, only those of tables that the statement
 * names. */
static void suggest(struct sql *sql, struct strbuf *message, const char *statement, const char *typed, const char *query) {
    sqlite3_stmt *names = NULL;
    struct nearest nearest = nearest_to(typed);
    char *best = NULL;
    if (sqlite3_prepare_v2(sql->db, query, -1, &names, NULL) != SQLITE_OK) return;
    while (sqlite3_step(names) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(names, 0), *table = (const char *)sqlite3_column_text(names, 1);
        if (!name || (table && !has_word(statement, table))) continue;
        nearest_look(&nearest, name);
        if (nearest.word != name) continue;
        free(best); /* SQLite's text is gone with the next row */
        nearest.word = best = strdup(name);
    }
    sqlite3_finalize(names);
    if (best) {
        strbuf_puts(message, "; did you mean ");
        text_untrusted(message, best, strlen(best), CELL_COLUMNS_MAX);
        strbuf_puts(message, "?");
    }
    free(best);
}

/* A name that does not exist: the nearest that does. */
static void suggest_name(struct sql *sql, struct strbuf *message, const char *statement, const char *reason) {
    static const struct {
        const char *begin, *names;
    } unknown[] = {
        {"no such table: ", "SELECT name, NULL FROM sqlite_schema"},
        {"no such column: ", "SELECT c.name, t.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c"},
        {"no such function: ", "SELECT name, NULL FROM pragma_function_list"},
    };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        size_t bytes = strlen(unknown[i].begin);
        if (strncmp(reason, unknown[i].begin, bytes) != 0) continue;
        const char *dot = strrchr(reason, '.');
        suggest(sql, message, statement, dot ? dot + 1 : reason + bytes, unknown[i].names);
    }
}

/* Reports SQLite's message and the place; passes a table's own failure on. */
static int statement_failed(struct sql *sql, const char *text, int rc, bool running) {
    struct failure *failure = &sql->session->failure;
    struct strbuf message = {0};
    int offset = rc == SQLITE_READONLY ? -1 : sqlite3_error_offset(sql->db);
    if (sql->interrupted || (rc & 0xff) == SQLITE_INTERRUPT) {
        sql->failed = false;
        return failure_set(failure, EXIT_FAILED, "interrupted");
    }
    if (sql->failed) return -1;
    if ((rc & 0xff) == SQLITE_NOMEM) return failure_out_of_memory(failure); /* not the statement's fault */
    const char *reason = (rc & 0xff) == SQLITE_AUTH || (rc & 0xff) == SQLITE_READONLY
                             ? "only reading is allowed here: SELECT, EXPLAIN, PRAGMA table_info"
                         : !strcmp(sqlite3_errmsg(sql->db), "no query solution") ? sql_waits_usage
                                                                                 : sqlite3_errmsg(sql->db);
    text_untrusted(&message, reason, strlen(reason), 500);
    char *kept = strdup(reason); /* SQLite's text is gone with the next question */
    if (kept) suggest_name(sql, &message, text, kept);
    free(kept);
    fprintf(stderr, "inspector: %s\n", strbuf_text(&message));
    strbuf_fini(&message);
    if (offset >= 0) point_at(text, (size_t)offset);
    return failure_set(failure, running ? EXIT_FAILED : EXIT_USAGE, "%s", "");
}

/* ---- rows as JSON ---- */

/* A text with its quotes, in ASCII: what a node wrote must not reach a terminal as a control character.  Invalid UTF-8 is
 * replaced. */
static void put_text(struct strbuf *out, const char *text, size_t bytes) {
    struct strbuf harmless = {0};
    json_t *value = json_stringn(text, bytes);
    if (!value) {
        text_untrusted(&harmless, text, bytes, SQL_CELL_COLUMNS_MAX);
        value = json_string(strbuf_text(&harmless));
    }
    char *json = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    if (json)
        strbuf_puts(out, json);
    else
        out->failed = true;
    free(json);
    json_decref(value);
    strbuf_fini(&harmless);
}

/* As few digits as give the same number.  JSON has no infinity. */
static void put_real(struct strbuf *out, double value) {
    char text[40];
    int digits = 15;
    if (value - value != 0) {
        strbuf_puts(out, "null");
        return;
    }
    do snprintf(text, sizeof text, "%.*g", digits++, value);
    while (digits <= 17 && strtod(text, NULL) != value);
    strbuf_puts(out, text);
    if (!strpbrk(text, ".e")) strbuf_puts(out, ".0");
}

static void put_value(struct strbuf *out, sqlite3_stmt *statement, int column) {
    const unsigned char *bytes;
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: strbuf_printf(out, "%lld", sqlite3_column_int64(statement, column)); return;
    case SQLITE_FLOAT: put_real(out, sqlite3_column_double(statement, column)); return;
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(statement, column);
        put_text(out, bytes ? (const char *)bytes : "", (size_t)sqlite3_column_bytes(statement, column));
        return;
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(statement, column);
        strbuf_puts(out, "\"");
        for (int i = 0; i < sqlite3_column_bytes(statement, column); i++) strbuf_printf(out, "%02x", bytes[i]);
        strbuf_puts(out, "\"");
        return;
    default: strbuf_puts(out, "null");
    }
}

/* Keys of an object must differ: the second "kind" becomes "kind:1".  With quotes and colon. */
static char *key_new(char *const *titles, int column) {
    struct strbuf key = {0}, json = {0};
    int same = 0;
    for (int i = 0; i < column; i++) same += !strcmp(titles[i], titles[column]);
    strbuf_puts(&key, titles[column]);
    if (same) strbuf_printf(&key, ":%d", same);
    put_text(&json, strbuf_text(&key), key.bytes);
    strbuf_puts(&json, ":");
    bool failed = key.failed || json.failed;
    strbuf_fini(&key);
    if (!failed) return json.text;
    strbuf_fini(&json);
    return NULL;
}

static void put_json(struct strbuf *out, sqlite3_stmt *statement, char *const *keys) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        strbuf_puts(out, i ? "," : "{");
        strbuf_puts(out, keys[i]);
        put_value(out, statement, i);
    }
    strbuf_puts(out, "}\n");
}

/* ---- rows as csv ---- */

/* Values are as in JSON. */
static void put_csv(struct strbuf *out, const struct records *records, sqlite3_stmt *statement) {
    size_t begin = out->bytes;
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        struct strbuf value = {0};
        int type = sqlite3_column_type(statement, i);
        if (type == SQLITE_TEXT)
            strbuf_add(&value, (const char *)sqlite3_column_text(statement, i), (size_t)sqlite3_column_bytes(statement, i));
        else if (type != SQLITE_NULL)
            put_value(&value, statement, i);
        bool quoted = type == SQLITE_BLOB && value.bytes >= 2; /* hex digits */
        record_cell(out, records->format, records->harmless, !i, strbuf_text(&value) + quoted, value.bytes - 2 * quoted);
        out->failed |= value.failed;
        strbuf_fini(&value);
    }
    record_line_end(out, records->format, begin);
}

static void put_csv_titles(struct strbuf *out, const struct records *records, char *const *titles, int count) {
    for (int i = 0; i < count; i++) record_cell(out, records->format, records->harmless, !i, titles[i], strlen(titles[i]));
    strbuf_puts(out, "\n");
}

/* ---- rows for people ---- */

static void add_cells(struct table *table, sqlite3_stmt *statement) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        int type = sqlite3_column_type(statement, i);
        const char *text = (const char *)sqlite3_column_text(statement, i);
        size_t bytes = (size_t)sqlite3_column_bytes(statement, i);
        if (type == SQLITE_NULL)
            table_cell_text(table, NULL, 0);
        else if (type == SQLITE_INTEGER || type == SQLITE_FLOAT)
            table_cell_number(table, text ? text : "");
        else
            table_cell_text(table, text ? text : "", bytes);
    }
}

/* ---- one statement ---- */

struct result {
    struct table table;
    struct table_column *columns; /* with escaped titles */
    char **titles, **keys;        /* of columns; keys with --json */
    int count;
    bool data; /* as JSON, csv or tsv */
    uint64_t row_count, flushed_ms;
};

static void result_fini(struct result *shown) {
    table_fini(&shown->table);
    for (int i = 0; shown->columns && i < shown->count; i++) free((char *)shown->columns[i].title);
    free(shown->columns);
    for (int i = 0; shown->titles && i < shown->count; i++) free(shown->titles[i]);
    for (int i = 0; shown->keys && i < shown->count; i++) free(shown->keys[i]);
    free(shown->titles);
    free(shown->keys);
}

/* A column's title: its name in the statement, or its expression, on one line. */
static char *title_new(sqlite3_stmt *statement, int column) {
    const char *name = sqlite3_column_name(statement, column);
    struct strbuf title = {0};
    for (; name && *name; name++) {
        bool space = isspace((unsigned char)*name);
        if (space && (!title.bytes || title.text[title.bytes - 1] == ' ')) continue;
        strbuf_add(&title, space ? " " : name, 1);
    }
    if (name && !title.failed) return title.text ? title.text : strdup("");
    strbuf_fini(&title);
    return NULL;
}

static char *harmless_new(const char *title) {
    struct strbuf text = {0};
    text_untrusted(&text, title, strlen(title), STREAM_COLUMNS_MAX);
    if (!text.failed) return text.text ? text.text : strdup("");
    strbuf_fini(&text);
    return NULL;
}

static int result_init(struct result *shown, const struct sql *sql, sqlite3_stmt *statement) {
    const struct session *session = sql->session;
    const struct table_style how = {.header = session->view.header,
                                    .color = session->view.color,
                                    .columns = session->view.columns,
                                    .measured_rows = SQL_MEASURED_ROWS,
                                    .hint = "--format csv has all"};
    size_t count = (size_t)sqlite3_column_count(statement);
    *shown = (struct result){.count = (int)count, .data = options_want_data(session->options)};
    shown->flushed_ms = trace_now_monotonic_ms();
    shown->titles = calloc(count, sizeof *shown->titles);
    shown->keys = calloc(count, sizeof *shown->keys);
    shown->columns = calloc(count, sizeof *shown->columns);
    bool failed = !shown->titles || !shown->keys || !shown->columns;
    for (int i = 0; i < shown->count && !failed; i++) {
        struct table_column *column = &shown->columns[i];
        shown->titles[i] = title_new(statement, i);
        shown->keys[i] = shown->titles[i] && shown->data ? key_new(shown->titles, i) : NULL;
        *column = (struct table_column){.align = TABLE_AUTO, .rank = (unsigned char)(i < 200 ? i : 200), .least = 12};
        column->title = shown->titles[i] ? harmless_new(shown->titles[i]) : NULL;
        failed = !column->title || (shown->data && !shown->keys[i]);
    }
    if (failed) return session_out_of_memory(sql->session);
    table_init(&shown->table, (unsigned)count, shown->columns, &how);
    return 0;
}

/* Appends a row to the output, or to the buffered table. */
static void put_row(struct result *shown, struct session *session, sqlite3_stmt *statement) {
    const struct records *records = &session->output.records;
    if (!shown->data) {
        add_cells(&shown->table, statement);
    } else if (records->format == RECORD_JSON) {
        put_json(&session->output.text, statement, shown->keys);
    } else {
        put_csv(&session->output.text, records, statement);
    }
}

static int result_row(struct result *shown, struct sql *sql, sqlite3_stmt *statement) {
    struct session *session = sql->session;
    uint64_t now_ms = trace_now_monotonic_ms();
    /* Grouped or sorted rows come all at once, however long that took: make columns wide enough for all of them. */
    if (!shown->row_count++ && !shown->data) shown->flushed_ms = now_ms;
    put_row(shown, session, statement);
    bool late = now_ms - shown->flushed_ms >= FLUSH_MS;
    if (!shown->data) table_put(&shown->table, &session->output.text, late);
    if (!late && session->output.text.bytes < FLUSH_BYTES) return 0;
    shown->flushed_ms = now_ms;
    return output_flush(&session->output);
}

/* Also shows the rows before a failure: they took time. */
static int result_end(struct result *shown, struct sql *sql, bool done) {
    struct session *session = sql->session;
    if (!shown->data && (done || shown->row_count)) table_end(&shown->table, &session->output.text);
    if (!shown->data && done && session->view.header && !shown->row_count) strbuf_puts(&session->output.text, "no rows\n");
    return output_flush(&session->output);
}

/* SQLite's plan of a statement: the nesting of its loops over tables. */
static int report_plan(struct sql *sql, sqlite3_stmt *statement) {
    sqlite3_stmt *plan = NULL;
    if (!sql->explain || sqlite3_stmt_isexplain(statement)) return 0;
    char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(statement));
    int rc = text ? sqlite3_prepare_v2(sql->db, text, -1, &plan, NULL) : SQLITE_NOMEM;
    while (rc == SQLITE_OK && sqlite3_step(plan) == SQLITE_ROW) {
        struct strbuf line = {0};
        const char *detail = (const char *)sqlite3_column_text(plan, 3);
        if (detail) text_untrusted(&line, detail, strlen(detail), SQL_CELL_COLUMNS_MAX);
        fprintf(stderr, "plan: %s\n", strbuf_text(&line));
        strbuf_fini(&line);
    }
    sqlite3_finalize(plan);
    sqlite3_free(text);
    return 0;
}

static int run_statement(struct sql *sql, const char *text, sqlite3_stmt *statement) {
    struct result shown;
    int rc = SQLITE_DONE, result = result_init(&shown, sql, statement);
    const struct records *records = &sql->session->output.records;
    if (!result && shown.data && records->header && records->format != RECORD_JSON)
        put_csv_titles(&sql->session->output.text, records, shown.titles, shown.count);
    while (!result && (rc = sqlite3_step(statement)) == SQLITE_ROW) result = result_row(&shown, sql, statement);
    if (!result) result = result_end(&shown, sql, rc == SQLITE_DONE);
    if (!result && rc != SQLITE_DONE) result = statement_failed(sql, text, rc, true);
    result_fini(&shown);
    return result;
}

int sql_run(struct sql *sql, const char *text) {
    int result = 0;
    while (!result && *text && !sql->interrupted) {
        sqlite3_stmt *statement = NULL;
        const char *rest = text;
        if (sql_statement_begin(sql)) return -1;
        int rc = sqlite3_prepare_v2(sql->db, text, -1, &statement, &rest);
        if (rc != SQLITE_OK) return statement_failed(sql, text, rc, false);
        /* VACUUM and REINDEX do not ask the authorizer.  A statement that reads has columns. */
        if (statement && (!sqlite3_stmt_readonly(statement) || !sqlite3_column_count(statement))) {
            sqlite3_finalize(statement);
            return statement_failed(sql, text, SQLITE_READONLY, false);
        }
        if (statement) {
            report_plan(sql, statement);
            result = run_statement(sql, text, statement);
            sqlite3_finalize(statement);
            sql_statement_end(sql);
        }
        text = rest;
    }
    return result;
}
