/* SPDX-License-Identifier: MIT
 *
 * How many events, by what. */
#include "commands.h"

#include <string.h>

#define GROUPS_DEFAULT 20

/* The params of `count`, NULL without memory. */
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

int run_count(struct session *session) {
    if (option_given(session->options, OPTION_VALUE) && option_given(session->options, OPTION_HIST))
        return failure_set(&session->failure, EXIT_USAGE, "--hist FIELD draws what --value FIELD tells: give one of them");
    if (option_given(session->options, OPTION_BY) &&
        !session->options->texts[OPTION_BY][strspn(session->options->texts[OPTION_BY], ",")])
        return failure_set(&session->failure, EXIT_USAGE, "--by takes fields, like kind or peer,kind");
    json_t *params = params_new(session);
    return params ? run_ask_and_show(session, "count", params, NULL, render_count) : session_out_of_memory(session);
}
