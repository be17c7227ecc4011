/* SPDX-License-Identifier: MIT
 *
 * How many events, by fields. */
#include "commands.h"
#include "count_list.h"
#include "json_get.h"

#define GROUPS_DEFAULT 20

/* The params of `count`.  NULL when out of memory. */
static json_t *params_new(const struct session *session) {
    const struct options *options = session->options;
    const char *by = options->texts[OPTION_BY], *value = options->texts[OPTION_VALUE], *hist = options->texts[OPTION_HIST];
    json_t *params = session_filter_new(session);
    int failed = !params;
    if (by) failed |= json_object_set_new(params, "group_by", question_list_new(by));
    if (value || hist) failed |= json_object_set_new(params, "value", json_string(hist ? hist : value));
    if (hist) failed |= json_object_set_new(params, "histogram", json_true());
    failed |=
        json_object_set_new(params, "limit", json_integer((json_int_t)option_number(options, OPTION_LIMIT, GROUPS_DEFAULT)));
    if (option_given(options, OPTION_EXPLAIN)) failed |= json_object_set_new(params, "explain", json_true());
    if (!failed) return params;
    json_decref(params);
    return NULL;
}

/* The groups as rows, for --format csv or tsv, and for --fields. */
static int show_rows(struct session *session, const json_t *answer) {
    struct count_list list;
    if (count_list_init(&list, answer)) return session_out_of_memory(session);
    session->view.answer = answer;
    int result = session_use_list(session, &list.list);
    if (!result && options_want_data(session->options))
        result = output_json_lines(&session->output, json_get_array(answer, "rows"));
    bool text = !options_want_data(session->options), none = !json_get_count(answer, "events");
    if (!result && text && none) session_report_nothing(session, "event");
    if (!result && text) render_count(&session->output.text, &session->view, answer);
    if (!result) records_end(&session->output.records, &session->output.text);
    session->list = NULL;
    session->view.answer = NULL;
    return result;
}

int run_count(struct session *session) {
    const struct options *options = session->options;
    bool whole = options_want_data(options) && session->output.records.format == RECORD_JSON && !session->view.fields;
    json_t *answer;
    if (option_given(options, OPTION_VALUE) && option_given(options, OPTION_HIST))
        return failure_set(&session->failure, EXIT_USAGE, "--hist FIELD draws what --value FIELD prints: give one of them");
    json_t *params = params_new(session);
    if (!params) return session_out_of_memory(session);
    if (!whole && session_learn_names(session)) {
        json_decref(params);
        return -1;
    }
    if (session_ask(session, "count", params, &answer)) return -1;
    inquiry_note(&session->inquiry, answer);
    names_see(&session->names, answer);
    session->outcome = json_get_count(answer, "events") ? OUTCOME_FOUND
                       : json_get_count(answer, "lost") ? OUTCOME_UNJUDGED
                                                        : OUTCOME_NOTHING;
    int result = whole ? output_json(&session->output, answer) : show_rows(session, answer);
    json_decref(answer);
    return result;
}
