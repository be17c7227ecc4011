/* SPDX-License-Identifier: MIT */
#include "session.h"

#include "nearest.h"
#include "times.h"

#include <proto/clock.h>
#include <proto/quantity.h>
#include <proto/untrusted.h>
#include <string.h>
#include <unistd.h>

int session_out_of_memory(struct session *session) { return failure_out_of_memory(&session->failure); }

static void put_option(struct strbuf *out, enum option option, const char *value) {
    char quoted[1024];
    bool fits = trace_shell_word(quoted, sizeof quoted, value);
    strbuf_printf(out, " --%s%c%s", option_table[option].spelling, *value == '-' ? '=' : ' ', fits ? quoted : "...");
}

/* The options that choose the source, for commands to paste. */
static void put_source(struct strbuf *out, const struct options *options) {
    static const enum option single[] = {OPTION_FLEET, OPTION_LOGIN, OPTION_CA, OPTION_PID, OPTION_SOCKET};
    for (size_t i = 0; i < options->read_count; i++) put_option(out, OPTION_READ, options->reads[i]);
    for (size_t i = 0; !options->read_count && i < sizeof single / sizeof *single; i++)
        if (options->texts[single[i]]) put_option(out, single[i], options->texts[single[i]]);
}

int session_init(struct session *session, const struct options *options, source_opener *opener) {
    *session = (struct session){.options = options, .opener = opener};
    session->inquiry = (struct inquiry){.failure = &session->failure, .explain = option_given(options, OPTION_EXPLAIN)};
    output_init(&session->output, options_want_data(options), &session->failure);
    if (names_init(&session->names)) return session_out_of_memory(session);
    put_source(&session->source, options);
    session->view = (struct view){.names = &session->names,
                                  .color = output_wants_color(&session->output, options->texts[OPTION_COLOR]),
                                  .utc = option_given(options, OPTION_UTC),
                                  .header = !option_given(options, OPTION_NO_HEADER),
                                  .all = option_given(options, OPTION_ALL),
                                  .utf8 = output_speaks_utf8(),
                                  .columns = output_columns(&session->output),
                                  .source = strbuf_text(&session->source)};
    session->output.records.header = session->view.header;
    session->output.records.harmless = session->output.terminal;
    return 0;
}

/* ---- rows as data ---- */

static int read_format(struct session *session, const char *word) {
    struct nearest nearest = nearest_to(word);
    if (!strcmp(word, "ndjson")) word = "json"; /* one object a line, as export calls it */
    for (unsigned i = 0; format_words[i]; i++) {
        if (!strcmp(format_words[i], word)) {
            session->output.records.format = !strcmp(word, "csv") ? RECORD_CSV : !strcmp(word, "tsv") ? RECORD_TSV : RECORD_JSON;
            return 0;
        }
        nearest_look(&nearest, format_words[i]);
    }
    failure_set(&session->failure, EXIT_USAGE, "--format %s: table, csv, tsv, json or ndjson is expected", word);
    return failure_suggest(&session->failure, nearest.word);
}

static json_t *compute(const void *context, const char *name, const json_t *row) {
    const struct session *session = context;
    return session->list ? list_value_new(session->list, &session->view, name, row) : NULL;
}

static bool is_time(const void *context, const char *name) {
    const struct session *session = context;
    return session->list && list_is_time(session->list, name);
}

int session_use_list(struct session *session, const struct list *list) {
    const char *format = session->options->texts[OPTION_FORMAT], *fields = session->options->texts[OPTION_FIELDS];
    struct records *records = &session->output.records;
    session->list = list;
    records->compute = compute;
    records->is_time = is_time;
    records->context = session;
    if (format && option_given(session->options, OPTION_JSON) && strcmp(format, "json") != 0)
        return failure_set(&session->failure, EXIT_USAGE, "either --json or --format %s", format);
    if (format && read_format(session, format)) return -1;
    if (!fields) {
        if (list) list_usual(list, &records->names);
        return 0;
    }
    if (field_names_parse(&session->fields, fields))
        return failure_set(&session->failure, EXIT_USAGE, "--fields: at most %u, of at most %u letters", RECORD_FIELDS_MAX,
                           RECORD_NAME_BYTES - 1);
    if (list && list_check(list, &session->fields, &session->failure)) return -1;
    session->view.fields = &session->fields;
    records->names = session->fields;
    records->chosen = true;
    return 0;
}

void session_fini(struct session *session) {
    source_close(session->inquiry.source);
    names_fini(&session->names);
    strbuf_fini(&session->source);
    output_fini(&session->output);
}

int session_open(struct session *session, uint64_t call_timeout_ms) {
    call_timeout_ms = option_number(session->options, OPTION_TIMEOUT, call_timeout_ms);
    if (session->opener(&session->inquiry.source, session->options, call_timeout_ms, &session->failure)) return -1;
    struct source *source = session->inquiry.source;
    if (option_given(session->options, OPTION_FOR))
        source_end_calls(source, trace_now_monotonic_ms() + session->options->numbers[OPTION_FOR]);
    session->view.now_ns = source_now_ns(source);
    return 0;
}

json_t *session_filter_new(const struct session *session) {
    return question_filter_new(session->options, source_now_ns(session->inquiry.source));
}

json_t *session_filter_of_new(const struct session *session, const char *param, const char *value) {
    return question_filter_of_new(session->options, source_now_ns(session->inquiry.source), param, value);
}

bool session_time(const struct session *session, enum option option, uint64_t *ret_ns) {
    const char *text = session->options->texts[option], *reason;
    json_t *param = text ? time_param_new(text, option_given(session->options, OPTION_UTC), session->view.now_ns / 1000) : NULL;
    bool given = json_is_integer(param);
    if (given)
        *ret_ns = (uint64_t)json_integer_value(param) * 1000;
    else if (json_is_string(param))
        given = !trace_time_parse(json_string_value(param), session->view.now_ns, ret_ns, &reason);
    json_decref(param);
    return given;
}

bool session_has_filter(const struct session *session) {
    static const enum option filters[] = {OPTION_KIND, OPTION_NODE, OPTION_PEER, OPTION_WHERE, OPTION_APP};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (option_given(session->options, filters[i])) return true;
    return false;
}

bool session_is_filtered(const struct session *session) {
    uint64_t until_ns;
    if (session_has_filter(session)) return true;
    return session_time(session, OPTION_UNTIL, &until_ns) && until_ns < session->view.now_ns;
}

int session_ask(struct session *session, const char *method, json_t *params_new, json_t **ret_result) {
    return inquiry_ask(&session->inquiry, method, params_new, ret_result);
}

int session_learn_names(struct session *session) {
    json_t *nodes;
    if (session_ask(session, "nodes", NULL, &nodes)) return -1;
    names_learn(&session->names, nodes);
    json_decref(nodes);
    return 0;
}

int session_json_evicted(struct session *session) {
    if (!session->inquiry.evicted) return 0;
    json_t *line = json_pack("{s:I}", "evicted", (json_int_t)session->inquiry.evicted);
    int result = line ? output_aside(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}
