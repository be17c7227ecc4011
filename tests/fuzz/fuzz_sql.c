/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the params made from a statement's conditions (inspector/sql/sql_push.c).
 *
 * The input is the text after WHERE.  The first byte selects the table.  The condition must select the same rows as when it is
 * applied to all rows: SQLite passes no condition into a subquery with LIMIT, so the second statement requests everything. */
#include "fuzz.h"
#include "small_store.h"
#include "source_store.h"
#include "sql.h"

#define STEPS_MAX 400 /* of SQL_PROGRESS_STEPS each */

static struct session session;
static struct sql sql;
static unsigned steps;

static int bound(void *context) {
    (void)context;
    return ++steps > STEPS_MAX;
}

static void close_store(void *store) { store_destroy(store); }

static void close_sql(void) {
    sql_fini(&sql);
    session_fini(&session);
}

static void open_sql(void) {
    static const struct options options;
    struct store *store = small_store_create();
    struct source_store_owner owner = {close_store, store, NULL};
    REQUIRE(session_init(&session, &options, NULL) == 0);
    REQUIRE(source_store_open(&session.inquiry.source, store, owner, "a small store", &session.failure) == 0);
    REQUIRE(sql_init(&sql, &session) == 0);
    sqlite3_progress_handler(sql.db, SQL_PROGRESS_STEPS, bound, NULL);
    sqlite3_limit(sql.db, SQLITE_LIMIT_LENGTH, 1 << 20);
    /* SELECT * omits hidden columns: there, their names in double quotes would be strings. */
    sqlite3_db_config(sql.db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    atexit(close_sql);
}

struct sum {
    int rc;
    sqlite3_int64 rows, sequences, times;
};

static struct sum run(const char *from, const char *where, size_t bytes) {
    struct sum sum = {0};
    char text[8192];
    sqlite3_stmt *statement = NULL;
    steps = 0;
    int count = snprintf(text, sizeof text, "SELECT sequence, timestamp FROM %s WHERE (%.*s\n)", from, (int)bytes, where);
    REQUIRE(sql_statement_begin(&sql) == 0);
    sum.rc = sqlite3_prepare_v2(sql.db, text, count, &statement, NULL);
    if (sum.rc == SQLITE_OK && !statement) sum.rc = SQLITE_ERROR;
    while (sum.rc == SQLITE_OK || sum.rc == SQLITE_ROW) {
        sum.rc = sqlite3_step(statement);
        if (sum.rc != SQLITE_ROW) break;
        sum.rows++;
        sum.sequences += sqlite3_column_int64(statement, 0);
        sum.times += sqlite3_column_int64(statement, 1) & 0xffffffff;
    }
    sqlite3_finalize(statement);
    return sum;
}

/* Words whose result may differ the second time, or that end the condition. */
static int is_fickle(const char *where, size_t bytes) {
    static const char *const words[] = {"random", "limit", "now",   "date",    "time(",     "julianday", "changes", "--",    "/*",
                                        ";",      "order", "union", "explain", "intersect", "except",    "group",   "window"};
    char text[4096];
    for (size_t i = 0; i < bytes; i++) text[i] = (char)(where[i] >= 'A' && where[i] <= 'Z' ? where[i] | 32 : where[i]);
    text[bytes] = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i])) return 1;
    return strlen(text) != bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const tables[][2] = {{"events", "(SELECT * FROM events LIMIT 1000000)"},
                                            {"TEST", "(SELECT * FROM TEST LIMIT 1000000)"}};
    fuzz_silence();
    if (bytes < 2 || bytes > 2000) return 0;
    if (!sql.db) open_sql();
    const char *const *table = tables[data[0] & 1], *where = (const char *)data + 1;
    if (is_fickle(where, bytes - 1)) return 0;
    struct sum with = run(table[0], where, bytes - 1);
    if (with.rc != SQLITE_DONE) {
        REQUIRE(!sql.failed); /* SQLite may refuse a text; the source must not refuse the params made from it */
        return 0;
    }
    struct sum all = run(table[1], where, bytes - 1);
    if (all.rc != SQLITE_DONE) return 0;
    if (with.rows != all.rows || with.sequences != all.sequences || with.times != all.times)
        dprintf(2, "%lld rows instead of %lld: %.*s\n", with.rows, all.rows, (int)bytes - 1, where);
    REQUIRE(with.rows == all.rows && with.sequences == all.sequences && with.times == all.times);
    return 0;
}
