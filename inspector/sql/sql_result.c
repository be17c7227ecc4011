/* SPDX-License-Identifier: MIT */
#include "sql_result.h"

#include "json_put.h"
#include "limits.h"

#include <ctype.h>
#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES 65536U
#define FLUSH_MS 100U /* when the next row comes, rows that have waited this long are written */

/* ---- rows as JSON ---- */

void sql_put_text(struct strbuf *out, const char *text, size_t bytes) {
    struct strbuf harmless = {0};
    json_t *value = json_stringn(text, bytes);
    if (!value) {
        text_untrusted(&harmless, text, bytes, SQL_CELL_COLUMNS_MAX);
        value = json_string(strbuf_text(&harmless));
    }
    if (!value || json_put(out, value, 0)) out->failed = true;
    json_decref(value);
    strbuf_fini(&harmless);
}

void sql_put_real(struct strbuf *out, double value) {
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

/* Keys of an object must differ: the second "kind" becomes "kind:1".  With quotes and colon. */
static char *key_new(char *const *titles, size_t column) {
    struct strbuf key = {0}, json = {0};
    int same = 0;
    for (size_t i = 0; i < column; i++) same += !strcmp(titles[i], titles[column]);
    strbuf_puts(&key, titles[column]);
    if (same) strbuf_printf(&key, ":%d", same);
    sql_put_text(&json, strbuf_text(&key), key.bytes);
    strbuf_puts(&json, ":");
    bool failed = key.failed || json.failed;
    strbuf_fini(&key);
    if (!failed) return json.text;
    strbuf_fini(&json);
    return NULL;
}

static void put_json(struct strbuf *out, const struct sql_result *result, const struct sql_cell *cells) {
    for (size_t i = 0; i < result->count; i++) {
        strbuf_puts(out, i ? "," : "{");
        strbuf_puts(out, result->keys[i]);
        switch (cells[i].type) {
        case SQL_CELL_NULL: strbuf_puts(out, "null"); break;
        case SQL_CELL_TEXT: sql_put_text(out, cells[i].text, cells[i].bytes); break;
        case SQL_CELL_JSON:
        case SQL_CELL_NUMBER: strbuf_add(out, cells[i].text, cells[i].bytes); break;
        }
    }
    strbuf_puts(out, "}\n");
}

/* ---- rows as csv ---- */

/* Values are as in JSON. */
static void put_csv(struct strbuf *out, const struct sql_result *result, const struct sql_cell *cells) {
    const struct records *records = &result->session->output.records;
    size_t begin = out->bytes;
    for (size_t i = 0; i < result->count; i++) {
        bool null = cells[i].type == SQL_CELL_NULL;
        record_cell(out, records->format, records->harmless, !i, null ? "" : cells[i].text, null ? 0 : cells[i].bytes);
    }
    record_line_end(out, records->format, begin);
}

static void put_csv_titles(struct strbuf *out, const struct records *records, char *const *titles, size_t count) {
    for (size_t i = 0; i < count; i++) record_cell(out, records->format, records->harmless, !i, titles[i], strlen(titles[i]));
    strbuf_puts(out, "\n");
}

/* ---- rows for people ---- */

static void add_cells(struct sql_result *result, const struct sql_cell *cells) {
    for (size_t i = 0; i < result->count; i++) {
        if (cells[i].type == SQL_CELL_NULL)
            table_cell_text(&result->table, NULL, 0);
        else if (cells[i].type == SQL_CELL_NUMBER)
            table_cell_number(&result->table, cells[i].text);
        else
            table_cell_text(&result->table, cells[i].text, cells[i].bytes);
    }
}

/* ---- life ---- */

void sql_result_fini(struct sql_result *result) {
    table_fini(&result->table);
    for (size_t i = 0; result->columns && i < result->count; i++) free((char *)result->columns[i].title);
    free(result->columns);
    for (size_t i = 0; result->titles && i < result->count; i++) free(result->titles[i]);
    for (size_t i = 0; result->keys && i < result->count; i++) free(result->keys[i]);
    free(result->titles);
    free(result->keys);
}

/* A column's title: its name in the statement, or its expression, on one line. */
static char *title_new(const char *name) {
    struct strbuf title = {0};
    for (; *name; name++) {
        bool space = isspace((unsigned char)*name);
        if (space && (!title.bytes || title.text[title.bytes - 1] == ' ')) continue;
        strbuf_add(&title, space ? " " : name, 1);
    }
    if (!title.failed) return title.text ? title.text : strdup("");
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

int sql_result_init(struct sql_result *result, struct session *session, const char *const *titles, size_t count) {
    const struct records *records = &session->output.records;
    const struct table_style how = {.header = session->view.header,
                                    .color = session->view.color,
                                    .columns = session->view.columns,
                                    .measured_rows = SQL_MEASURED_ROWS,
                                    .hint = "--format csv has all"};
    *result = (struct sql_result){.session = session, .count = count, .data = options_want_data(session->options)};
    result->flushed_ms = trace_now_monotonic_ms();
    result->titles = calloc(count, sizeof *result->titles);
    result->keys = calloc(count, sizeof *result->keys);
    result->columns = calloc(count, sizeof *result->columns);
    bool failed = !result->titles || !result->keys || !result->columns;
    for (size_t i = 0; i < count && !failed; i++) {
        struct table_column *column = &result->columns[i];
        result->titles[i] = title_new(titles[i]);
        result->keys[i] = result->titles[i] && result->data ? key_new(result->titles, i) : NULL;
        *column = (struct table_column){.align = TABLE_AUTO, .rank = (unsigned char)(i < 200 ? i : 200), .least = 12};
        column->title = result->titles[i] ? harmless_new(result->titles[i]) : NULL;
        failed = !column->title || (result->data && !result->keys[i]);
    }
    if (failed) return session_out_of_memory(session);
    table_init(&result->table, (unsigned)count, result->columns, &how);
    if (result->data && records->header && records->format != RECORD_JSON)
        put_csv_titles(&session->output.text, records, result->titles, count);
    return 0;
}

/* ---- rows ---- */

/* Appends a row to the output, or to the buffered table. */
static void put_row(struct sql_result *result, const struct sql_cell *cells) {
    struct output *output = &result->session->output;
    if (!result->data)
        add_cells(result, cells);
    else if (output->records.format == RECORD_JSON)
        put_json(&output->text, result, cells);
    else
        put_csv(&output->text, result, cells);
}

int sql_result_row(struct sql_result *result, const struct sql_cell *cells) {
    struct session *session = result->session;
    uint64_t now_ms = trace_now_monotonic_ms();
    /* Grouped or sorted rows come all at once, however long that took: make columns wide enough for all of them. */
    if (!result->row_count++ && !result->data) result->flushed_ms = now_ms;
    put_row(result, cells);
    bool late = now_ms - result->flushed_ms >= FLUSH_MS;
    if (!result->data) table_put(&result->table, &session->output.text, late);
    if (!late && session->output.text.bytes < FLUSH_BYTES) return 0;
    result->flushed_ms = now_ms;
    return output_flush(&session->output);
}

int sql_result_end(struct sql_result *result, bool done) {
    struct session *session = result->session;
    if (!result->data && (done || result->row_count)) table_end(&result->table, &session->output.text);
    if (!result->data && done && session->view.header && !result->row_count) strbuf_puts(&session->output.text, "no rows\n");
    return output_flush(&session->output);
}
