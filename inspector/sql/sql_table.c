/* SPDX-License-Identifier: MIT
 *
 * What the tables share: being created, asking the source, and failing. */
#include "sql.h"

int sql_database_failed(struct sql *sql) {
    if (sql->failed) return -1;
    return failure_set(&sql->session->failure, EXIT_FAILED, "SQLite: %s", sqlite3_errmsg(sql->db));
}

int sql_create_table(struct sql *sql, const char *name, const char *module) {
    char *text = sqlite3_mprintf("CREATE VIRTUAL TABLE \"%w\" USING %s", name, module);
    int rc = text ? sqlite3_exec(sql->db, text, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc == SQLITE_OK ? 0 : sql_database_failed(sql);
}

int sql_call(struct sql *sql, const char *method, json_t *params_new, json_t **ret_result) {
    if (!session_ask(sql->session, method, params_new, ret_result)) return 0;
    sql->failed = true;
    return -1;
}

int sql_call_apart(struct sql *sql, const char *method, json_t *params_new, const char *array, struct strbuf *text,
                   json_t **ret_result) {
    struct source_apart apart = {array, text};
    if (!source_ask(sql->session->inquiry.source, method, params_new, &apart, ret_result, &sql->session->failure)) return 0;
    sql->failed = true;
    return -1;
}

int sql_table_failed(struct sql *sql, sqlite3_vtab *table) {
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sqlite3_mprintf("%s", sql->session->failure.text);
    return sql->interrupted ? SQLITE_INTERRUPT : SQLITE_ERROR;
}
