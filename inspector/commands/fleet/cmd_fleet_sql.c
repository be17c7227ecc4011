/* SPDX-License-Identifier: MIT
 *
 * `inspector --fleet URL sql`: statements in ClickHouse's own dialect.  The server runs them, and lets them change nothing. */
#include "commands.h"

#include "clickhouse.h"

#include <string.h>

/* The server's name for the format that --format chose. */
static const char *format_of(const struct options *options) {
    static const struct {
        const char *word, *format;
    } formats[] = {{"csv", "CSVWithNames"}, {"tsv", "TabSeparatedWithNames"}, {"json", "JSONEachRow"}};
    const char *word = options->texts[OPTION_FORMAT];
    if (option_given(options, OPTION_JSON)) return "JSONEachRow";
    for (size_t i = 0; word && i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(formats[i].word, word)) return formats[i].format;
    return "PrettyCompactNoEscapes";
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
    if (!result && clickhouse_select(server, strbuf_text(&sql), format_of(options), &answer, &session->failure)) result = -1;
    if (!result) strbuf_add(&session->output.text, answer.bytes, answer.count);
    strbuf_fini(&sql);
    clickhouse_close(server);
    return result;
}
