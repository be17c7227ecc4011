/* SPDX-License-Identifier: MIT
 *
 * What the tables share: being created, asking the source, and failing. */
#include "sql.h"

#include "json_get.h"
#include "limits.h"

#include <inttypes.h>
#include <stdio.h>

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

void sql_note_gaps(struct sql *sql, const json_t *answer) {
    size_t i;
    const json_t *gap;
    json_array_foreach(json_get_array(answer, "gaps"), i, gap) {
        char key[NODE_DIGITS + 64];
        const char *node = json_get_hex(gap, "node_id", NODE_DIGITS);
        snprintf(key, sizeof key, "%s/%" PRIu64 "/%" PRIu64 "/%" PRIu64, node ? node : "", json_get_count(gap, "lane"),
                 json_get_count(gap, "sequence"), json_get_count(gap, "timestamp"));
        if (json_object_size(sql->losses.gaps) >= IDS_MAX || json_object_get(sql->losses.gaps, key)) continue;
        json_object_set_new(sql->losses.gaps, key, json_true());
        sql->losses.events += json_get_count(json_object_get(gap, "data"), "count");
    }
}
