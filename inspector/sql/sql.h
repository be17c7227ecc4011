/* SPDX-License-Identifier: MIT
 *
 * SQL over the history.  An SQLite database in memory contains only virtual tables, which ask the source for rows when a
 * statement needs them:
 *
 *     statement --> SQLite --> sql_events.c, sql_rows.c --> source_ask --> source
 *                     ^            the request carries those conditions of the statement that params can express
 *                     +----------- and SQLite checks every row again
 *
 * Invariants:
 * - A statement returns what it would return over all rows: params exclude only rows that the conditions exclude.  Passing on
 * a condition never replaces checking it.
 *   - Nothing can be written, attached or loaded (the authorizer in sql.c).
 *   - Events are held a page at a time, the rows of other tables while a statement runs.
 * Use from one thread. */
#ifndef INSPECTOR_SQL_H
#define INSPECTOR_SQL_H

#include "session.h"

#include <signal.h>
#include <sqlite3.h>

struct sql {
    struct session *session;
    sqlite3 *db;
    json_t *apps;        /* the last answer to `apps`: an array */
    json_t *app_tables;  /* name of an application's table: its app_id */
    bool explain;        /* report how each statement was answered */
    bool failed;         /* a table could not ask: session->failure says why */
    uint64_t statement;  /* counts up */
    uint64_t now_us;     /* when the statement began, Unix time */
    struct strbuf scans; /* for `explain`, one line each */
    struct sql_history { /* what the source had when the statement began */
        double events, traces, peers, nodes;
        uint64_t begin_us, end_us;
    } history;
    struct sql_losses {
        json_t *gaps;    /* the set of reported gaps */
        uint64_t events; /* lost in these gaps */
    } losses;
    volatile sig_atomic_t interrupted; /* set by a signal handler: ends what is running */
};

/* Opens the database, asks for the applications, and creates the tables.  Returns 0, or -1 with session->failure; call
 * sql_fini in both cases. */
int sql_init(struct sql *sql, struct session *session);
void sql_fini(struct sql *sql);

/* Runs every statement of a text, and prints their rows.  An error goes to stderr with its place, and the rest
 * of the text is not run.  Returns 0, or -1 with session->failure, whose text is empty when everything has been reported. */
int sql_run(struct sql *sql, const char *text);

/* Before and after each statement: asks what the history has; reports on stderr what was lost and how the statement was
 * answered. */
int sql_statement_begin(struct sql *sql);
void sql_statement_end(struct sql *sql);

/* Creates tables for applications that registered since.  Returns 0 or -1. */
int sql_learn_apps(struct sql *sql);

/* ---- the tables (sql_events.c, sql_rows.c, sql_waits.c) ---- */

int sql_events_register(struct sql *sql);
int sql_rows_register(struct sql *sql);
int sql_waits_register(struct sql *sql);

/* ---- for the tables (sql_table.c) ---- */

/* source_ask; the second one gets an array of the result as text (struct source_apart).  On failure they set sql->failed. */
int sql_call(struct sql *sql, const char *method, json_t *params_new, json_t **ret_result);
int sql_call_apart(struct sql *sql, const char *method, json_t *params_new, const char *array, struct strbuf *text,
                   json_t **ret_result);

/* Counts each gap of an answer once per statement, however often its time is read. */
void sql_note_gaps(struct sql *sql, const json_t *answer);

/* The SQLite error code for that failure; puts the reason into the table. */
int sql_table_failed(struct sql *sql, sqlite3_vtab *table);

/* Sets session->failure to SQLite's error, unless a table set it already.  Returns -1. */
int sql_database_failed(struct sql *sql);

/* CREATE VIRTUAL TABLE name USING module.  Returns 0 or -1. */
int sql_create_table(struct sql *sql, const char *name, const char *module);

/* How to ask for waits, when a statement does not say of which traces. */
extern const char sql_waits_usage[];

/* ---- functions (sql_functions.c) ---- */

int sql_functions_register(struct sql *sql);

/* ---- the interactive shell (sql_shell.c) ---- */

int sql_shell(struct sql *sql);

#endif
