/* SPDX-License-Identifier: MIT
 *
 * A ClickHouse server, asked over HTTP.
 *
 *     clickhouse_open(&server, "http://db1:8123/p2ptrace", &settings, &failure)
 *     clickhouse_ask(server, "SELECT 1 FORMAT RowBinary", &answer, &failure)
 *     clickhouse_insert(server, "events_local", "`time_ns`, `kind`", &rows, how, &answer, &failure)
 *     clickhouse_close(server)
 *
 * What a server says against a request becomes one sentence with the remedy.  One thread. */
#ifndef INSPECTOR_CLICKHOUSE_H
#define INSPECTOR_CLICKHOUSE_H

#include "fleet_tables.h"
#include "http.h"
#include "row_binary.h"

struct clickhouse;

/* How a request ended; the failure says why, except for CLICKHOUSE_OK. */
enum clickhouse_outcome {
    CLICKHOUSE_OK,
    CLICKHOUSE_AGAIN,   /* the server cannot do it now, and has done nothing */
    CLICKHOUSE_UNSURE,  /* likewise, and it may have done it */
    CLICKHOUSE_REFUSED, /* retrying will not help */
    CLICKHOUSE_STOPPED, /* stopped by the flag of clickhouse_stop_on; it may have done it */
};

struct clickhouse_settings {
    const char *login_file; /* "user:password"; NULL: the user "default", without a password */
    const char *ca_file;    /* as http.h */
    uint64_t end_ms;        /* as http.h */
    uint64_t timeout_ms;    /* for a request; 0: 10 minutes */
};

#define CLICKHOUSE_PORT 8123

/* Parses the URL: http or https, host, port (8123 if missing), and a database.  Does not connect.  Returns 0, or -1 with the
 * failure: an invalid URL, or a login file that others can read. */
int clickhouse_open(struct clickhouse **ret_server, const char *url, const struct clickhouse_settings *settings,
                    struct failure *failure);
void clickhouse_close(struct clickhouse *server);

const char *clickhouse_database(const struct clickhouse *server);

/* The URL without the database, for messages. */
const char *clickhouse_address(const struct clickhouse *server);

/* Is it on this machine, by its name or address? */
bool clickhouse_is_local(const struct clickhouse *server);

/* Does it answer at all?  Asks on another connection. */
bool clickhouse_is_alive(struct clickhouse *server);

struct http *clickhouse_http(struct clickhouse *server);

struct clickhouse_answer {
    const char *bytes; /* NUL-terminated; valid until the next request to this server */
    size_t count;
    int code;               /* the server's error code; 0: none */
    uint64_t retry_after_s; /* as http.h */
};

/* Rows that a statement can read although they are not in the database. */
struct clickhouse_table {
    const char *name;      /* a word that no other part of a statement contains */
    const char *structure; /* "name type, ..." */
    const void *rows;      /* RowBinary */
    size_t bytes;
};

/* From now on they go along with each statement that names them, also to other shards; they stay the caller's.  NULL: none. */
void clickhouse_lend(struct clickhouse *server, const struct clickhouse_table *table);

/* Runs a statement.  It should name its format: RowBinary is the same in all versions. */
enum clickhouse_outcome clickhouse_ask(struct clickhouse *server, const char *sql, struct clickhouse_answer *ret_answer,
                                       struct failure *failure);

/* Runs a statement that asks for RowBinary, and frees its text.  Returns 0 with the rows, which are good until the next
 * statement, or -1. */
int clickhouse_ask_rows(struct clickhouse *server, struct strbuf *sql, struct row_reader *ret_rows, struct failure *failure);

/* Runs several statements at the same time, and frees their texts.  Each has an outcome, and with CLICKHOUSE_OK an answer, which
 * is good until the next statement.  Returns 0, or -1 when out of memory. */
#define CLICKHOUSE_AT_ONCE_MAX HTTP_AT_ONCE_MAX
struct clickhouse_question {
    struct strbuf sql;
    enum clickhouse_outcome outcome;
    struct clickhouse_answer answer;
    struct failure failure;
};
int clickhouse_ask_all(struct clickhouse *server, struct clickhouse_question *questions, size_t count, struct failure *failure);

/* The rows of an answer in RowBinary. */
static inline struct row_reader clickhouse_rows(const struct clickhouse_question *question) {
    return row_reader_of(question->answer.bytes, question->answer.count);
}

/* The outcome of the first that failed, with its failure; CLICKHOUSE_OK if none has. */
enum clickhouse_outcome clickhouse_first_failure(const struct clickhouse_question *questions, size_t count,
                                                 struct failure *failure);

/* Runs a user's statement in the database; it cannot change anything.  format: for statements that name none.  An error of the
 * server is reported as it is. */
enum clickhouse_outcome clickhouse_select(struct clickhouse *server, const char *sql, const char *format,
                                          struct clickhouse_answer *ret_answer, struct failure *failure);

/* How rows are sent (http.h). */
struct clickhouse_how {
    bool gzip, once;
};

/* Inserts rows into a table of the database.  Either all are stored or none, if they are of one partition. */
enum clickhouse_outcome clickhouse_insert(struct clickhouse *server, const char *table, const char *columns,
                                          const struct row_writer *rows, struct clickhouse_how how,
                                          struct clickhouse_answer *ret_answer, struct failure *failure);

/* The failure for an answer that ClickHouse would not give, like that of a web page where one logs in.  Returns
 * CLICKHOUSE_REFUSED. */
enum clickhouse_outcome clickhouse_refuse_other(const struct clickhouse *server, const char *reason, struct failure *failure);

#endif
