/* SPDX-License-Identifier: MIT
 *
 * Requests by command, node or time: how many there were, how many failed, how long they took. */
#include "commands.h"

#include "json_get.h"
#include "request_list.h"

#define ROWS_DEFAULT 20

/* The params of `requests`.  NULL when out of memory. */
static json_t *params_new(const struct session *session) {
    const struct options *options = session->options;
    const char *by = options->texts[OPTION_BY], *app = options->texts[OPTION_APP];
    json_t *params = session_filter_new(session);
    int failed = !params;
    if (by) failed |= json_object_set_new(params, "group_by", question_list_new(by));
    if (app) failed |= json_object_set_new(params, "app", json_string(app));
    failed |= json_object_set_new(params, "limit", json_integer((json_int_t)option_number(options, OPTION_LIMIT, ROWS_DEFAULT)));
    if (!failed) return params;
    json_decref(params);
    return NULL;
}

/* What no row contains: a last line, if there is any. */
static int show_rest(struct session *session, const json_t *answer) {
    uint64_t rootless = json_get_count(answer, "rootless"), ungrouped = json_get_count(answer, "ungrouped");
    uint64_t lost = json_get_count(answer, "lost"), stepped = json_get_count(answer, "took_stepped");
    if (!rootless && !ungrouped && !lost && !stepped) return 0;
    json_t *line = json_pack("{s:I,s:I,s:I,s:I}", "rootless", (json_int_t)rootless, "ungrouped", (json_int_t)ungrouped, "lost",
                             (json_int_t)lost, "took_stepped", (json_int_t)stepped);
    int result = line ? output_json(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}

/* The rows as a table; or as data, for --format csv or tsv, and for --fields. */
static int show_rows(struct session *session, const json_t *answer) {
    struct request_list list;
    bool data = options_want_data(session->options), none = !json_array_size(json_get_array(answer, "rows"));
    request_list_init(&list, answer);
    int result = session_use_list(session, &list.list);
    if (!result && data) result = output_json_lines(&session->output, json_get_array(answer, "rows"));
    if (!result && !data && none) session_report_nothing(session, "request");
    if (!result && !data) render_requests(&session->output.text, &session->view, answer);
    if (!result) records_end(&session->output.records, &session->output.text);
    session->list = NULL;
    return result;
}

int run_requests(struct session *session) {
    bool data = options_want_data(session->options);
    bool whole = data && session->output.records.format == RECORD_JSON && !session->view.fields;
    json_t *answer, *params = params_new(session);
    if (!params) return session_out_of_memory(session);
    if (!whole && session_learn_names(session)) {
        json_decref(params);
        return -1;
    }
    if (session_ask(session, "requests", params, &answer)) return -1;
    names_see(&session->names, answer);
    session->outcome = json_array_size(json_get_array(answer, "rows")) ? OUTCOME_FOUND : OUTCOME_NOTHING;
    int result = show_rows(session, answer);
    if (!result && whole) result = show_rest(session, answer);
    json_decref(answer);
    return result;
}
