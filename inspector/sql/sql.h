/* SPDX-License-Identifier: MIT
 *
 * SQL over the live history.  An SQLite database in memory has nothing in it but virtual tables, whose rows are asked of
 * traced when a statement wants them:
 *
 *     statement --> SQLite --> sql_events.c, sql_rows.c --> source_ask --> source
 *                     ^            what of the statement's conditions the socket's params can say, goes with the request
 *                     +----------- and SQLite looks at every row again
 *
 * Invariants:
 *   - A statement's rows are those that the same statement over all rows would give: params only leave out what no condition
 *     lets through.  Nothing of a condition is believed to be done because it was passed on.
 *   - Nothing can be written, attached or loaded (the authorizer in sql.c).
 *   - Events are held a page at a time, the rows of other tables while a statement runs.
 * One thread. */
#ifndef INSPECTOR_SQL_H
#define INSPECTOR_SQL_H

#include "session.h"
#include "sql_columns.h"

#include <signal.h>
#include <sqlite3.h>

struct sql {
    struct session *session;
    sqlite3 *db;
    json_t *apps;        /* what `apps` answered last: an array */
    json_t *app_tables;  /* the name of an application's table: its app_id */
    bool explain;        /* tell how each statement was answered */
    bool failed;         /* a table could not ask: session->failure says why */
    uint64_t statement;  /* counts up */
    uint64_t now_us;     /* when the statement began, Unix time */
    struct strbuf scans; /* for `explain`, a line each */
    struct sql_history { /* what traced had when the statement began */
        double events, traces, peers, nodes;
        uint64_t begin_us, end_us;
    } history;
    struct sql_losses {
        json_t *gaps;    /* a set: of the gaps that were told */
        uint64_t events; /* lost in them */
    } losses;
    volatile sig_atomic_t interrupted; /* set by a signal handler: what runs ends */
};

/* Opens the database, asks for the applications, and makes the tables.  Returns 0, or -1 with session->failure.  sql_fini in
 * both cases. */
int sql_init(struct sql *sql, struct session *session);
void sql_fini(struct sql *sql);

/* Runs every statement of a text, and prints their rows.  The errors of a statement go to stderr with the place; the rest of
 * the text is not run.  Returns 0, or -1 with session->failure, whose text is empty when all has been told. */
int sql_run(struct sql *sql, const char *text);

/* Before and after each statement: asks what the history has, and tells on stderr what was lost and how it was answered. */
int sql_statement_begin(struct sql *sql);
void sql_statement_end(struct sql *sql);

/* Makes tables for applications that registered since.  Returns 0 or -1. */
int sql_learn_apps(struct sql *sql);

/* ---- the tables (sql_events.c, sql_rows.c) ---- */

int sql_events_register(struct sql *sql);
int sql_rows_register(struct sql *sql);

/* source_ask; apart: with an array of the result as text (struct source_apart).  -1 sets sql->failed. */
int sql_call(struct sql *sql, const char *method, json_t *params_new, json_t **ret_result);
int sql_call_apart(struct sql *sql, const char *method, json_t *params_new, const char *array, struct strbuf *text,
                   json_t **ret_result);

/* The error code for SQLite after that, with the reason in the table. */
int sql_table_failed(struct sql *sql, sqlite3_vtab *table);

/* CREATE VIRTUAL TABLE name USING module.  Returns 0 or -1. */
int sql_create_table(struct sql *sql, const char *name, const char *module);

/* ---- functions (sql_functions.c) ---- */

int sql_functions_register(struct sql *sql);

/* ---- the interactive shell (sql_shell.c) ---- */

int sql_shell(struct sql *sql);

#endif
