/* SPDX-License-Identifier: MIT */
#include "session.h"

int session_out_of_memory(struct session *session) { return failure_out_of_memory(&session->failure); }

int session_init(struct session *session, const struct options *options, source_opener *opener) {
    *session = (struct session){.options = options, .opener = opener};
    session->inquiry = (struct inquiry){.failure = &session->failure, .explain = option_given(options, OPTION_EXPLAIN)};
    output_init(&session->output, option_given(options, OPTION_JSON), &session->failure);
    if (names_init(&session->names)) return session_out_of_memory(session);
    session->view = (struct view){.names = &session->names,
                                  .color = output_wants_color(&session->output, options->texts[OPTION_COLOR]),
                                  .utc = option_given(options, OPTION_UTC),
                                  .header = !option_given(options, OPTION_NO_HEADER),
                                  .all = option_given(options, OPTION_ALL),
                                  .utf8 = output_speaks_utf8()};
    return 0;
}

void session_fini(struct session *session) {
    source_close(session->inquiry.source);
    names_fini(&session->names);
    output_fini(&session->output);
}

int session_open(struct session *session, uint64_t call_timeout_ms) {
    return session->opener(&session->inquiry.source, session->options, call_timeout_ms, &session->failure);
}

json_t *session_filter_new(const struct session *session) {
    return question_filter_new(session->options, source_now_ns(session->inquiry.source));
}

json_t *session_filter_of_new(const struct session *session, const char *param, const char *value) {
    return question_filter_of_new(session->options, source_now_ns(session->inquiry.source), param, value);
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
    int result = line ? output_json(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}
