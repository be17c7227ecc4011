/* SPDX-License-Identifier: MIT
 *
 * Commands that ask one method and show its whole answer. */
#include "commands.h"

#include "json_get.h"

#include <string.h>

/* Of methods that answer with all rows --limit keeps the first.  Returns whether there were more. */
static bool cut_rows(const struct session *session, json_t *rows) {
    uint64_t limit = option_number(session->options, OPTION_LIMIT, UINT64_MAX);
    bool more = json_array_size(rows) > limit;
    while (json_array_size(rows) > limit) json_array_remove(rows, json_array_size(rows) - 1);
    return more;
}

int run_ask_and_show(struct session *session, const char *method, json_t *params_new, const char *member,
                     void (*render)(struct strbuf *out, const struct view *view, const json_t *answer)) {
    json_t *answer;
    bool json = options_want_data(session->options);
    if ((!json || session->view.fields) && session_learn_names(session)) {
        json_decref(params_new);
        return -1;
    }
    if (session_ask(session, method, params_new, &answer)) return -1;
    inquiry_note(&session->inquiry, answer);
    bool more = member && cut_rows(session, json_object_get(answer, member));
    int result = 0;
    if (json && member) {
        result = output_json_lines(&session->output, json_get_array(answer, member));
    } else if (json) {
        result = output_json(&session->output, answer);
    } else {
        names_see(&session->names, answer);
        render(&session->output.text, &session->view, answer);
        if (more && session->view.header) strbuf_puts(&session->output.text, "there are more; a greater --limit shows them\n");
    }
    json_decref(answer);
    return result;
}

int run_nodes(struct session *session) { return run_ask_and_show(session, "nodes", NULL, "nodes", render_nodes); }
int run_stats(struct session *session) { return run_ask_and_show(session, "stats", NULL, NULL, render_stats); }
int run_apps(struct session *session) { return run_ask_and_show(session, "apps", NULL, "apps", render_apps); }

int run_peers(struct session *session) {
    json_t *params = session_filter_new(session);
    return params ? run_ask_and_show(session, "peers", params, "peers", render_peers) : session_out_of_memory(session);
}

int run_traces(struct session *session) {
    const struct options *options = session->options;
    const char *app = options->texts[OPTION_APP];
    json_t *params = session_filter_new(session);
    int failed = !params;
    if (app) failed |= json_object_set_new(params, "app", json_string(app));
    if (options->texts[OPTION_ORDER]) failed |= json_object_set_new(params, "order", json_string(options->texts[OPTION_ORDER]));
    const char *kind = options->texts[OPTION_KIND];
    failed |= json_object_set_new(params, "kind", json_string(kind ? kind : "request"));
    if (option_given(options, OPTION_LIMIT))
        failed |= json_object_set_new(params, "limit", json_integer((json_int_t)options->numbers[OPTION_LIMIT]));
    if (failed) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    return run_ask_and_show(session, "traces", params, "traces", render_traces);
}
