/* SPDX-License-Identifier: MIT
 *
 * Runs statements of SQLite. */
#include "limits.h"
#include "nearest.h"
#include "sql.h"
#include "sql_result.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- one row ---- */

struct row {
    struct sql_cell *cells;
    struct strbuf text; /* of cells that SQLite has in another form */
    size_t *begins;     /* in it; SIZE_MAX: the cell has its own text */
};

static void row_fini(struct row *row) {
    free(row->cells);
    free(row->begins);
    strbuf_fini(&row->text);
}

static int row_init(struct row *row, size_t count) {
    *row = (struct row){.cells = calloc(count, sizeof *row->cells), .begins = calloc(count, sizeof *row->begins)};
    return row->cells && row->begins ? 0 : -1;
}

/* As data, a real number has as many digits as it needs, and bytes are hex digits. */
static struct sql_cell read_cell(struct row *row, sqlite3_stmt *statement, int column, bool data) {
    struct sql_cell cell = {.type = SQL_CELL_TEXT};
    int type = sqlite3_column_type(statement, column);
    row->begins[column] = SIZE_MAX;
    if (type == SQLITE_NULL) return (struct sql_cell){.type = SQL_CELL_NULL};
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) cell.type = SQL_CELL_NUMBER;
    if (data && (type == SQLITE_FLOAT || type == SQLITE_BLOB)) {
        const unsigned char *bytes = type == SQLITE_BLOB ? sqlite3_column_blob(statement, column) : NULL;
        row->begins[column] = row->text.bytes;
        if (type == SQLITE_FLOAT) sql_put_real(&row->text, sqlite3_column_double(statement, column));
        for (int i = 0; type == SQLITE_BLOB && i < sqlite3_column_bytes(statement, column); i++)
            strbuf_printf(&row->text, "%02x", bytes[i]);
        cell.bytes = row->text.bytes - row->begins[column];
        strbuf_add(&row->text, "", 1);
        return cell;
    }
    cell.text = (const char *)sqlite3_column_text(statement, column);
    cell.bytes = (size_t)sqlite3_column_bytes(statement, column);
    if (!cell.text) cell.text = "";
    return cell;
}

static int put_row(struct row *row, struct sql_result *result, sqlite3_stmt *statement) {
    strbuf_clear(&row->text);
    for (size_t i = 0; i < result->count; i++) row->cells[i] = read_cell(row, statement, (int)i, result->data);
    if (row->text.failed) return session_out_of_memory(result->session);
    for (size_t i = 0; i < result->count; i++)
        if (row->begins[i] != SIZE_MAX) row->cells[i].text = strbuf_text(&row->text) + row->begins[i];
    return sql_result_row(result, row->cells);
}

/* ---- one statement ---- */

static int result_begin(struct sql_result *result, const struct sql *sql, sqlite3_stmt *statement) {
    size_t count = (size_t)sqlite3_column_count(statement);
    const char **titles = calloc(count, sizeof *titles);
    *result = (struct sql_result){.count = 0};
    bool failed = !titles;
    for (size_t i = 0; i < count && !failed; i++) failed = !(titles[i] = sqlite3_column_name(statement, (int)i));
    int status = failed ? session_out_of_memory(sql->session) : sql_result_init(result, sql->session, titles, count);
    free(titles);
    return status;
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
    struct sql_result result;
    struct row row = {0};
    int rc = SQLITE_DONE, status = result_begin(&result, sql, statement);
    if (!status && row_init(&row, result.count)) status = session_out_of_memory(sql->session);
    while (!status && (rc = sqlite3_step(statement)) == SQLITE_ROW) status = put_row(&row, &result, statement);
    if (!status) status = sql_result_end(&result, rc == SQLITE_DONE);
    if (!status && rc != SQLITE_DONE) status = statement_failed(sql, text, rc, true);
    row_fini(&row);
    sql_result_fini(&result);
    return status;
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
