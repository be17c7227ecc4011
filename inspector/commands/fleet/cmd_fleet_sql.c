/* SPDX-License-Identifier: MIT
 *
 * `inspector --fleet URL sql`: statements in ClickHouse's own dialect.  The server runs them, and lets them change nothing.
 *
 * What it answers is untrusted: nodes wrote the texts in it, and their peers some of those.  So the rows are printed as those of
 * every other source (sql_result.h).  Only a statement that names a format itself is answered as the server wrote it, escaped
 * where it goes to a terminal. */
#include "commands.h"

#include "clickhouse.h"
#include "sql_result.h"
#include "tab_rows.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OUR_FORMAT "TabSeparatedWithNamesAndTypes"

/* ---- statements ----------------------------------------------------------------------------------------------------------- */

/* Behind a quoted word or a comment that begins at text; text if none does. */
static const char *skip_quoted(const char *text) {
    const char *end = NULL;
    char quote = *text;
    if (!strncmp(text, "--", 2) || quote == '#') return text + strcspn(text, "\n");
    if (!strncmp(text, "/*", 2)) return (end = strstr(text + 2, "*/")) ? end + 2 : text + strlen(text);
    if (!strchr("'\"`", quote)) return text;
    for (text++; *text && *text != quote; text++)
        if (*text == '\\' && text[1]) text++;
    return *text ? text + 1 : text;
}

static const char *skip_blank(const char *text) {
    for (const char *next = text;; text = next) {
        while (isspace((unsigned char)*next)) next++;
        if (!strncmp(next, "--", 2) || !strncmp(next, "/*", 2)) next = skip_quoted(next);
        if (next == text) return text;
    }
}

static size_t word_bytes(const char *text) {
    size_t bytes = 0;
    while (isalnum((unsigned char)text[bytes]) || text[bytes] == '_') bytes++;
    return bytes;
}

static bool is_word(const char *text, size_t bytes, const char *word) {
    return bytes == strlen(word) && !strncasecmp(text, word, bytes);
}

/* Does the statement end with "FORMAT name"?  SETTINGS may follow. */
static bool names_format(const char *text) {
    bool after_format = false;
    for (text = skip_blank(text); *text; text = skip_blank(text)) {
        size_t bytes = word_bytes(text);
        const char *behind = skip_blank(text + bytes), *quoted = bytes ? text : skip_quoted(text);
        if (bytes && after_format && (!*behind || is_word(behind, word_bytes(behind), "SETTINGS"))) return true;
        after_format = is_word(text, bytes, "FORMAT");
        text = bytes ? text + bytes : quoted > text ? quoted : text + 1;
    }
    return false;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------- */

struct printing {
    struct session *session;
    struct sql_result result;
    struct sql_cell *cells;
    struct strbuf text; /* of cells that are written in another way */
};

/* Where cells are data: as in JSON. */
static struct sql_cell data_cell(struct printing *printing, const struct tab_cell *cell) {
    struct sql_cell made = {SQL_CELL_TEXT, cell->text, cell->bytes};
    struct strbuf *out = &printing->text;
    bool json = printing->session->output.records.format == RECORD_JSON;
    size_t begin = out->bytes;
    if (cell->type == TAB_INTEGER || cell->type == TAB_BOOL) made.type = SQL_CELL_NUMBER;
    if (cell->type == TAB_REAL) {
        made.type = SQL_CELL_NUMBER;
        sql_put_real(out, strtod(cell->text, NULL));
    } else if (cell->type == TAB_LIST && json) {
        if (tab_put_list(out, cell)) made.type = SQL_CELL_JSON;
        if (made.type == SQL_CELL_TEXT && !out->failed) out->text[out->bytes = begin] = 0;
    }
    if (out->bytes == begin) return made;
    made.text = NULL; /* it may still move */
    made.bytes = out->bytes - begin;
    strbuf_add(out, "", 1);
    return made;
}

static int put_row(struct printing *printing, const struct tab_rows *rows) {
    size_t at = 0;
    strbuf_clear(&printing->text);
    for (size_t i = 0; i < rows->count; i++) {
        const struct tab_cell *cell = &rows->cells[i];
        bool number = cell->type == TAB_INTEGER || cell->type == TAB_REAL;
        if (cell->null)
            printing->cells[i] = (struct sql_cell){.type = SQL_CELL_NULL};
        else if (printing->result.data)
            printing->cells[i] = data_cell(printing, cell);
        else
            printing->cells[i] = (struct sql_cell){number ? SQL_CELL_NUMBER : SQL_CELL_TEXT, cell->text, cell->bytes};
    }
    if (printing->text.failed) return session_out_of_memory(printing->session);
    for (size_t i = 0; i < rows->count; i++) {
        struct sql_cell *cell = &printing->cells[i];
        if (cell->text || cell->type == SQL_CELL_NULL) continue;
        cell->text = strbuf_text(&printing->text) + at;
        at += cell->bytes + 1;
    }
    return sql_result_row(&printing->result, printing->cells);
}

/* Totals and extremes are no rows: where rows are data, there are only those. */
static int put_rows(struct printing *printing, struct tab_rows *rows) {
    int result = 0;
    while (!result && tab_rows_next(rows)) {
        if (rows->totals && printing->result.data) break;
        if (rows->totals) result = sql_result_end(&printing->result, true);
        if (rows->totals) strbuf_puts(&printing->session->output.text, "\n");
        if (!result) result = put_row(printing, rows);
    }
    if (rows->failed) return session_out_of_memory(printing->session);
    return result ? result : sql_result_end(&printing->result, !rows->broken);
}

/* Returns 1 if these are no such rows. */
static int print_rows(struct session *session, const struct clickhouse_answer *answer) {
    struct printing printing = {.session = session};
    struct tab_rows rows;
    int result = tab_rows_begin(&rows, answer->bytes, answer->count) ? 0 : rows.failed ? session_out_of_memory(session) : 1;
    if (!result) result = sql_result_init(&printing.result, session, rows.titles, rows.count);
    if (!result && !(printing.cells = calloc(rows.count, sizeof *printing.cells))) result = session_out_of_memory(session);
    if (!result) result = put_rows(&printing, &rows);
    if (!result && rows.broken)
        result = failure_set(&session->failure, EXIT_FAILED, "the fleet's answer has rows that this inspector cannot read");
    free(printing.cells);
    strbuf_fini(&printing.text);
    sql_result_fini(&printing.result);
    tab_rows_fini(&rows);
    return result;
}

/* ---- the command ---------------------------------------------------------------------------------------------------------- */

static int print(struct session *session, const struct clickhouse_answer *answer, bool as_it_is) {
    struct output *output = &session->output;
    int result = as_it_is ? 1 : print_rows(session, answer);
    if (result <= 0) return result;
    if (output->terminal || !as_it_is)
        text_untrusted_lines(&output->text, answer->bytes, answer->count);
    else
        strbuf_add(&output->text, answer->bytes, answer->count);
    return 0;
}

int run_fleet_sql(struct session *session, const char *statement) {
    const struct options *options = session->options;
    const struct clickhouse_settings settings = {.login_file = options->texts[OPTION_LOGIN],
                                                 .ca_file = options->texts[OPTION_CA]};
    struct clickhouse *server;
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    if (clickhouse_open(&server, options->texts[OPTION_FLEET], &settings, &session->failure)) return -1;
    strbuf_puts(&sql, statement);
    while (sql.bytes && strchr("; \t\r\n", sql.text[sql.bytes - 1])) sql.text[--sql.bytes] = 0;
    int result = sql.failed ? failure_out_of_memory(&session->failure) : 0;
    if (!result && clickhouse_select(server, strbuf_text(&sql), OUR_FORMAT, &answer, &session->failure)) result = -1;
    if (!result) result = print(session, &answer, names_format(strbuf_text(&sql)));
    strbuf_fini(&sql);
    clickhouse_close(server);
    return result;
}
