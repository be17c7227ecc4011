/* SPDX-License-Identifier: MIT */
#include "clickhouse.h"

#include "limits.h"
#include "login_file.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define URL_BYTES 512
#define TIMEOUT_MS 600000 /* for a request, unless the settings say otherwise */
#define STALL_MS 60000
#define PING_MS 10000
#define ADDRESS_BYTES 128

struct clickhouse {
    struct http *http;
    char address[URL_BYTES];
    char database[FLEET_NAME_MAX];
    struct strbuf url;
    struct clickhouse_table lent; /* name NULL: none */
    char *ca_file;                /* as in the settings */
};

/* ---- open ----------------------------------------------------------------------------------------------------------------- */

static int bad_url(const char *url, const char *why, struct failure *failure) {
    return failure_set(failure, EXIT_USAGE, "%.200s: %s; a URL like http://localhost:8123/p2ptrace is expected", url, why);
}

static int read_url(struct clickhouse *server, const char *url, struct failure *failure) {
    bool https = !strncmp(url, "https://", 8);
    if (!https && strncmp(url, "http://", 7) != 0) return bad_url(url, "no http:// or https://", failure);
    const char *host = url + (https ? 8 : 7), *path = strchr(host, '/'), *end;
    if (!path) return bad_url(url, "the database is missing", failure);
    if (memchr(host, '@', (size_t)(path - host)))
        return failure_set(failure, EXIT_USAGE,
                           "anyone who lists processes sees a user in the URL: write user:password to a file "
                           "of mode 600, and name it with --login FILE");
    if (path == host) return bad_url(url, "the host is missing", failure);
    if (!fleet_name_is_fit(path + 1)) return bad_url(url, "the database's name must be letters, digits and _", failure);
    end = *host == '[' ? memchr(host, ']', (size_t)(path - host)) : host;
    bool has_port = end && memchr(end, ':', (size_t)(path - end));
    if (!end || strpbrk(host, " ?#&%\"'<>\\")) return bad_url(url, "this is not a host name", failure);
    int bytes = snprintf(server->address, sizeof server->address, "http%s://%.*s", https ? "s" : "", (int)(path - host), host);
    if (bytes < 0 || bytes + 8 > (int)sizeof server->address) return bad_url(url, "it is too long", failure);
    if (!has_port) snprintf(server->address + bytes, sizeof server->address - (size_t)bytes, ":%d", CLICKHOUSE_PORT);
    strcpy(server->database, path + 1);
    return 0;
}

/* Whatever it says to this, it answers; a gateway says that it does not. */
bool clickhouse_is_alive(struct clickhouse *server) {
    const struct http_settings settings = {.ca_file = server->ca_file, .connect_timeout_ms = PING_MS, .timeout_ms = PING_MS};
    const struct http_body body = {.bytes = "", .type = "text/plain"};
    struct http_answer answer;
    struct failure failure;
    struct http *http;
    char url[URL_BYTES + 8];
    if (http_open(&http, &settings, &failure)) return false;
    snprintf(url, sizeof url, "%s/ping", server->address);
    http_post(http, url, &body, &answer);
    bool alive = answer.outcome == HTTP_ARRIVED || answer.outcome == HTTP_REFUSED;
    http_close(http);
    return alive;
}

static bool is_alive(void *server) { return clickhouse_is_alive(server); }

int clickhouse_open(struct clickhouse **ret_server, const char *url, const struct clickhouse_settings *settings,
                    struct failure *failure) {
    struct clickhouse *server = calloc(1, sizeof *server);
    const struct http_settings http = {.ca_file = settings->ca_file,
                                       .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
                                       .end_ms = settings->end_ms,
                                       .stall_ms = STALL_MS,
                                       .is_alive = is_alive,
                                       .context = server};
    struct login login;
    if (!server) return failure_out_of_memory(failure);
    int result = read_url(server, url, failure);
    if (!result && settings->ca_file && !(server->ca_file = strdup(settings->ca_file))) result = failure_out_of_memory(failure);
    if (!result) result = http_open(&server->http, &http, failure);
    if (!result && settings->login_file) {
        result = login_file_read(&login, settings->login_file, failure);
        if (!result && http_login(server->http, login.user, login.password)) result = failure_out_of_memory(failure);
        explicit_bzero(&login, sizeof login);
    }
    if (result) {
        clickhouse_close(server);
        return -1;
    }
    http_keep(server->http, ANSWER_BYTES_MAX);
    *ret_server = server;
    return 0;
}

void clickhouse_close(struct clickhouse *server) {
    if (!server) return;
    http_close(server->http);
    free(server->ca_file);
    strbuf_fini(&server->url);
    free(server);
}

const char *clickhouse_database(const struct clickhouse *server) { return server->database; }
const char *clickhouse_address(const struct clickhouse *server) { return server->address; }
struct http *clickhouse_http(struct clickhouse *server) {
    return server->http;
}

bool clickhouse_is_local(const struct clickhouse *server) {
    static const char *const names[] = {"localhost:", "localhost/", "127.", "[::1]"};
    const char *host = strstr(server->address, "://") + 3;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(host, names[i], strlen(names[i]))) return true;
    return false;
}

/* ---- what a server says against it ---------------------------------------------------------------------------------------- */

/* Codes of ClickHouse's ErrorCodes.cpp. */
enum {
    CODE_NO_SUCH_COLUMN = 16,
    CODE_ENDED_EARLY = 32,
    CODE_UNKNOWN_IDENTIFIER = 47,
    CODE_UNKNOWN_TABLE = 60,
    CODE_SYNTAX = 62,
    CODE_CANNOT_WRITE = 75,
    CODE_CANNOT_OPEN = 76,
    CODE_UNKNOWN_DATABASE = 81,
    CODE_READONLY = 164,
    CODE_UNKNOWN_USER = 192,
    CODE_WRONG_PASSWORD = 193,
    CODE_REQUIRED_PASSWORD = 194,
    CODE_IP_NOT_ALLOWED = 195,
    CODE_TOO_MANY_AT_ONCE = 202,
    CODE_SOCKET_TIMEOUT = 209,
    CODE_NETWORK_ERROR = 210,
    CODE_TABLE_IS_READ_ONLY = 242,
    CODE_NOT_ENOUGH_SPACE = 243,
    CODE_TOO_MANY_PARTS = 252,
    CODE_ALL_CONNECTION_TRIES_FAILED = 279,
    CODE_DATABASE_ACCESS_DENIED = 291,
    CODE_ACCESS_DENIED = 497,
    CODE_AUTHENTICATION_FAILED = 516,
    CODE_KEEPER = 999,
};

/* Errors of the libraries that a server uses have a word before: "Poco::Exception. Code: 1000, ...". */
static int code_of(const struct http_answer *answer) {
    static const char *const words[] = {
        "Code: ", "Poco::Exception. Code: ", "std::exception. Code: ", "Unknown exception. Code: "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strncmp(answer->text, words[i], strlen(words[i]))) return atoi(answer->text + strlen(words[i]));
    return 0;
}

/* What was asked for may begin with such words, too. */
static int error_of(const struct http_answer *answer) { return answer->outcome == HTTP_ARRIVED ? 0 : code_of(answer); }

/* The address of a server that another one names in its error, as in "Connection refused (db2:9000, 10.0.0.2:9000)"; "" for
 * none.  Its first line says only that all tries failed. */
static void find_address(char out[ADDRESS_BYTES], const char *text) {
    static const char host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    *out = 0;
    for (const char *at = strchr(text, '('); at; at = strchr(at + 1, '(')) {
        size_t name = strspn(at + 1, host), digits = at[1 + name] == ':' ? strspn(at + 2 + name, "0123456789") : 0;
        if (!name || !digits || name + digits + 2 > ADDRESS_BYTES) continue;
        snprintf(out, ADDRESS_BYTES, "%.*s", (int)(name + 1 + digits), at + 1);
        return;
    }
}

static void explain_shard(const struct clickhouse *server, const struct http_answer *answer, struct failure *failure) {
    char address[ADDRESS_BYTES];
    find_address(address, answer->text);
    failure_set(failure, EXIT_FAILED,
                "a shard of the cluster does not answer %s%s%s: is ClickHouse running there, and can it be reached?",
                server->address, *address ? ", which asked " : "", address);
}

static enum clickhouse_outcome explain_code(const struct clickhouse *server, const struct http_answer *answer, int code,
                                            struct failure *failure) {
    const char *at = server->address, *database = server->database;
    switch (code) {
    case CODE_UNKNOWN_USER:
    case CODE_WRONG_PASSWORD:
    case CODE_REQUIRED_PASSWORD:
    case CODE_AUTHENTICATION_FAILED:
        failure_set(failure, EXIT_FAILED,
                    "%s does not know this user or password: name a file that has user:password with --login FILE", at);
        return CLICKHOUSE_REFUSED;
    case CODE_IP_NOT_ALLOWED:
        failure_set(failure, EXIT_FAILED, "%s does not let this user in from this machine: see `networks` of its users.xml", at);
        return CLICKHOUSE_REFUSED;
    case CODE_READONLY:
    case CODE_DATABASE_ACCESS_DENIED:
    case CODE_ACCESS_DENIED:
        failure_set(
            failure, EXIT_FAILED,
            "%s does not allow this user to do that in %s: `ship` needs SELECT and INSERT, `fleet init` and `migrate` also "
            "CREATE, ALTER and DROP",
            at, database);
        return CLICKHOUSE_REFUSED;
    case CODE_UNKNOWN_DATABASE:
    case CODE_UNKNOWN_TABLE:
        failure_set(failure, EXIT_FAILED, "%s has no fleet in the database %s: create it with inspector fleet init %s/%s", at,
                    database, at, database);
        return CLICKHOUSE_REFUSED;
    case CODE_NO_SUCH_COLUMN:
    case CODE_UNKNOWN_IDENTIFIER:
        failure_set(failure, EXIT_FAILED, "the tables at %s/%s lack columns: add them with inspector fleet migrate %s/%s", at,
                    database, at, database);
        return CLICKHOUSE_REFUSED;
    case CODE_TABLE_IS_READ_ONLY:
        failure_set(failure, EXIT_FAILED, "%s is read-only now: its ZooKeeper or Keeper does not answer", at);
        return CLICKHOUSE_AGAIN;
    case CODE_KEEPER:
        failure_set(failure, EXIT_FAILED, "the ZooKeeper or Keeper of %s does not answer, or refuses: %s", at, answer->reason);
        return CLICKHOUSE_UNSURE;
    case CODE_CANNOT_WRITE:
    case CODE_CANNOT_OPEN:
        failure_set(failure, EXIT_FAILED, "%s cannot write to its disk, which may be full: %s", at, answer->reason);
        return CLICKHOUSE_UNSURE;
    case CODE_NOT_ENOUGH_SPACE: failure_set(failure, EXIT_FAILED, "the disk of %s is full", at); return CLICKHOUSE_UNSURE;
    case CODE_TOO_MANY_PARTS: failure_set(failure, EXIT_FAILED, "%s is behind with its merges", at); return CLICKHOUSE_UNSURE;
    case CODE_ALL_CONNECTION_TRIES_FAILED: explain_shard(server, answer, failure); return CLICKHOUSE_AGAIN;
    case CODE_ENDED_EARLY:
    case CODE_SOCKET_TIMEOUT:
    case CODE_NETWORK_ERROR: explain_shard(server, answer, failure); return CLICKHOUSE_UNSURE;
    case CODE_SYNTAX:
        if (!strstr(answer->text, "Max query size")) break;
        failure_set(failure, EXIT_FAILED,
                    "this question is longer as SQL than %s takes (its max_query_size): use a shorter --where", at);
        return CLICKHOUSE_REFUSED;
    default: break;
    }
    /* An insert may have stored some partitions. */
    failure_set(failure, EXIT_FAILED, "%s cannot do it: %s", at, answer->reason);
    return CLICKHOUSE_UNSURE;
}

enum clickhouse_outcome clickhouse_refuse_other(const struct clickhouse *server, const char *reason, struct failure *failure) {
    failure_set(failure, EXIT_FAILED, "what answers at %s is not ClickHouse's HTTP port (usually 8123): %s", server->address,
                reason);
    return CLICKHOUSE_REFUSED;
}

static enum clickhouse_outcome explain(const struct clickhouse *server, const struct http_answer *answer, int code,
                                       struct failure *failure) {
    const char *at = server->address;
    if (code) return explain_code(server, answer, code, failure);
    switch (answer->outcome) {
    case HTTP_ARRIVED:
        if (answer->is_page) return clickhouse_refuse_other(server, "it sent a web page", failure);
        return CLICKHOUSE_OK;
    case HTTP_STOPPED: failure_set(failure, EXIT_FAILED, "interrupted"); return CLICKHOUSE_STOPPED;
    case HTTP_AWAY:
        failure_set(failure, EXIT_NOT_THERE,
                    "no server answers at %s: is ClickHouse running there, and can it be reached from here? (%s)", at,
                    answer->reason);
        return CLICKHOUSE_AGAIN;
    case HTTP_BROKEN:
        failure_set(failure, EXIT_NOT_THERE, "the connection to %s ended: %s", at, answer->reason);
        return CLICKHOUSE_UNSURE;
    case HTTP_SLOW:
        failure_set(
            failure, EXIT_NOT_THERE,
            "%s took the request and did not answer in time: it is busy or hangs; if a question is too much for it, narrow "
            "it (%s)",
            at, answer->reason);
        return CLICKHOUSE_UNSURE;
    case HTTP_BUSY: failure_set(failure, EXIT_FAILED, "%s is busy: %s", at, answer->reason); return CLICKHOUSE_UNSURE;
    case HTTP_INVALID: failure_set(failure, EXIT_FAILED, "%s cannot be used: %s", at, answer->reason); return CLICKHOUSE_REFUSED;
    case HTTP_UNTRUSTED:
        failure_set(failure, EXIT_FAILED,
                    "the certificate of %s is not accepted: %s; if it has not expired, name the authority that signed it by --ca "
                    "FILE",
                    at, answer->reason);
        return CLICKHOUSE_REFUSED;
    case HTTP_NO_TLS:
        failure_set(failure, EXIT_FAILED, "what answers at %s does not speak TLS: use http://, or ClickHouse's https_port", at);
        return CLICKHOUSE_REFUSED;
    case HTTP_SILENT:
        failure_set(failure, EXIT_NOT_THERE,
                    "what is at %s does not answer in TLS: is it ClickHouse's https_port, and not its http_port? (%s)", at,
                    answer->reason);
        return CLICKHOUSE_AGAIN;
    case HTTP_TOO_LONG:
        failure_set(failure, EXIT_FAILED, "the answer of %s is too long (%s): narrow the question", at, answer->reason);
        return CLICKHOUSE_REFUSED;
    case HTTP_REFUSED: break;
    }
    if (answer->status == 401 || answer->status == 403) return explain_code(server, answer, CODE_WRONG_PASSWORD, failure);
    return clickhouse_refuse_other(server, answer->reason, failure);
}

/* Is it somebody who is away, rather than the statement? */
static bool is_away(enum clickhouse_outcome outcome, int code) {
    return outcome == CLICKHOUSE_AGAIN ||
           (outcome == CLICKHOUSE_UNSURE &&
            (code == 0 || code == CODE_ENDED_EARLY || code == CODE_SOCKET_TIMEOUT || code == CODE_NETWORK_ERROR));
}

/* ---- requests ------------------------------------------------------------------------------------------------------------- */

static enum clickhouse_outcome read_answer(const struct clickhouse *server, const struct http_answer *answer,
                                           struct clickhouse_answer *ret_answer, struct failure *failure) {
    *ret_answer = (struct clickhouse_answer){answer->text, answer->text_bytes, error_of(answer), answer->retry_after_s};
    enum clickhouse_outcome outcome = explain(server, answer, ret_answer->code, failure);
    if (is_away(outcome, ret_answer->code)) failure->disconnected = true;
    return outcome;
}

static enum clickhouse_outcome post(struct clickhouse *server, const struct http_body *body, struct clickhouse_answer *ret_answer,
                                    struct failure *failure) {
    struct http_answer answer;
    if (server->url.failed) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    http_post(server->http, strbuf_text(&server->url), body, &answer);
    return read_answer(server, &answer, ret_answer, failure);
}

void clickhouse_lend(struct clickhouse *server, const struct clickhouse_table *table) {
    server->lent = table ? *table : (struct clickhouse_table){0};
}

/* A statement as a request. */
struct asked {
    struct strbuf url, form;
    char type[96];
    struct http_body body;
};

/* A form, whose parts are separated by something that is in none of them. */
static int put_form(const struct clickhouse *server, const char *sql, const struct clickhouse_table *table, struct asked *asked,
                    struct failure *failure) {
    uint64_t random[2];
    char between[40], escaped[1024];
    assert(3 * strlen(table->structure) < sizeof escaped);
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return failure_set(failure, EXIT_FAILED, "cannot get random numbers");
    snprintf(between, sizeof between, "--%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    snprintf(asked->type, sizeof asked->type, "multipart/form-data; boundary=%s", between + 2);
    strbuf_printf(&asked->form, "%s\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n", between);
    strbuf_puts(&asked->form, sql);
    strbuf_printf(&asked->form, "\r\n%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"rows\"\r\n\r\n", between,
                  table->name);
    if (table->bytes) strbuf_add(&asked->form, table->rows, table->bytes);
    strbuf_printf(&asked->form, "\r\n%s--\r\n", between);
    http_escape(escaped, table->structure);
    strbuf_printf(&asked->url, "%s/?wait_end_of_query=1&%s_format=RowBinary&%s_structure=%s", server->address, table->name,
                  table->name, escaped);
    asked->body = (struct http_body){.bytes = strbuf_text(&asked->form), .count = asked->form.bytes, .type = asked->type};
    return 0;
}

static int prepare(const struct clickhouse *server, const char *sql, struct asked *asked, struct failure *failure) {
    *asked = (struct asked){.body = {.bytes = sql, .count = strlen(sql), .type = "text/plain; charset=UTF-8"}};
    if (server->lent.name && strstr(sql, server->lent.name)) {
        if (put_form(server, sql, &server->lent, asked, failure)) return -1;
    } else {
        /* So that an error in the middle of the answer changes the status, too. */
        strbuf_printf(&asked->url, "%s/?wait_end_of_query=1", server->address);
    }
    return asked->url.failed || asked->form.failed ? failure_out_of_memory(failure) : 0;
}

int clickhouse_ask_all(struct clickhouse *server, struct clickhouse_question *questions, size_t count, struct failure *failure) {
    struct asked asked[CLICKHOUSE_AT_ONCE_MAX] = {{{0}}};
    struct http_request requests[CLICKHOUSE_AT_ONCE_MAX];
    int result = 0;
    assert(count <= CLICKHOUSE_AT_ONCE_MAX);
    for (size_t i = 0; i < count && !result; i++) {
        const struct strbuf *sql = &questions[i].sql;
        result = sql->failed ? failure_out_of_memory(failure) : prepare(server, strbuf_text(sql), &asked[i], failure);
        requests[i] = (struct http_request){.url = strbuf_text(&asked[i].url), .body = &asked[i].body};
    }
    if (!result) http_post_all(server->http, requests, count);
    for (size_t i = 0; i < count && !result; i++) /* the user may have only one question at a time */
        if (count > 1 && error_of(&requests[i].answer) == CODE_TOO_MANY_AT_ONCE) http_post_again(server->http, requests, i);
    for (size_t i = 0; i < count; i++) {
        struct clickhouse_question *question = &questions[i];
        if (!result) question->outcome = read_answer(server, &requests[i].answer, &question->answer, &question->failure);
        strbuf_fini(&asked[i].url);
        strbuf_fini(&asked[i].form);
        strbuf_fini(&question->sql);
    }
    return result;
}

enum clickhouse_outcome clickhouse_first_failure(const struct clickhouse_question *questions, size_t count,
                                                 struct failure *failure) {
    for (size_t i = 0; i < count; i++) {
        if (!questions[i].outcome) continue;
        *failure = questions[i].failure;
        return questions[i].outcome;
    }
    return CLICKHOUSE_OK;
}

enum clickhouse_outcome clickhouse_ask(struct clickhouse *server, const char *sql, struct clickhouse_answer *ret_answer,
                                       struct failure *failure) {
    struct asked asked;
    struct http_answer answer;
    enum clickhouse_outcome outcome = CLICKHOUSE_AGAIN;
    if (!prepare(server, sql, &asked, failure)) {
        http_post(server->http, strbuf_text(&asked.url), &asked.body, &answer);
        outcome = read_answer(server, &answer, ret_answer, failure);
    }
    strbuf_fini(&asked.url);
    strbuf_fini(&asked.form);
    return outcome;
}

int clickhouse_ask_rows(struct clickhouse *server, struct strbuf *sql, struct row_reader *ret_rows, struct failure *failure) {
    struct clickhouse_answer answer;
    int result = sql->failed                                                       ? failure_out_of_memory(failure)
                 : clickhouse_ask(server, strbuf_text(sql), &answer, failure) != 0 ? -1
                                                                                   : 0;
    strbuf_fini(sql);
    if (!result) *ret_rows = row_reader_of(answer.bytes, answer.count);
    return result;
}

/* A read-only user may not set this either. */
static enum clickhouse_outcome ask_readonly(struct clickhouse *server, bool *ret_readonly, struct failure *failure) {
    struct clickhouse_answer answer;
    enum clickhouse_outcome outcome =
        clickhouse_ask(server, "SELECT value FROM system.settings WHERE name = 'readonly' FORMAT TSV", &answer, failure);
    if (!outcome) *ret_readonly = answer.count && answer.bytes[0] != '0';
    return outcome;
}

enum clickhouse_outcome clickhouse_select(struct clickhouse *server, const char *sql, const char *format,
                                          struct clickhouse_answer *ret_answer, struct failure *failure) {
    const struct http_body body = {.bytes = sql, .count = strlen(sql), .type = "text/plain; charset=UTF-8"};
    struct http_answer answer;
    bool readonly;
    enum clickhouse_outcome outcome = ask_readonly(server, &readonly, failure);
    if (outcome) return outcome;
    strbuf_clear(&server->url);
    strbuf_printf(&server->url, "%s/?wait_end_of_query=1&database=%s&default_format=%s%s", server->address, server->database,
                  format, readonly ? "" : "&readonly=1");
    if (server->url.failed) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    http_post(server->http, strbuf_text(&server->url), &body, &answer);
    *ret_answer = (struct clickhouse_answer){answer.text, answer.text_bytes, error_of(&answer), answer.retry_after_s};
    switch (ret_answer->code) {
    case CODE_READONLY:
        failure_set(failure, EXIT_USAGE, "the statement would change something, and inspector sql only reads: %s", answer.reason);
        return CLICKHOUSE_REFUSED;
    case 0:
    case CODE_ALL_CONNECTION_TRIES_FAILED:
    case CODE_DATABASE_ACCESS_DENIED:
    case CODE_ACCESS_DENIED: return explain(server, &answer, ret_answer->code, failure);
    default: failure_set(failure, EXIT_USAGE, "ClickHouse refuses the statement: %s", answer.reason); return CLICKHOUSE_REFUSED;
    }
}

enum clickhouse_outcome clickhouse_insert(struct clickhouse *server, const char *table, const char *columns,
                                          const struct row_writer *rows, struct clickhouse_how how,
                                          struct clickhouse_answer *ret_answer, struct failure *failure) {
    const struct http_body body = {rows->bytes, rows->count, "application/octet-stream", how.gzip, how.once};
    struct strbuf sql = {0};
    strbuf_printf(&sql, "INSERT INTO `%s`.`%s` (%s) FORMAT RowBinary", server->database, table, columns);
    char *escaped = malloc(3 * sql.bytes + 1);
    strbuf_clear(&server->url);
    if (escaped) http_escape(escaped, strbuf_text(&sql));
    strbuf_printf(&server->url, "%s/?query=%s", server->address, escaped ? escaped : "");
    if (!escaped || sql.failed) server->url.failed = true;
    free(escaped);
    strbuf_fini(&sql);
    enum clickhouse_outcome outcome = post(server, &body, ret_answer, failure);
    server->url.failed = false;
    if (!outcome && ret_answer->count) return clickhouse_refuse_other(server, "it did more than to take rows", failure);
    return outcome;
}
