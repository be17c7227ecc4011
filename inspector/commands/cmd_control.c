/* SPDX-License-Identifier: MIT
 *
 * The command that changes what nodes emit. */
#include "commands.h"

#include <string.h>

static json_t *change_new(const struct options *options) {
    const char *node = options->texts[OPTION_NODE], *kinds = options->texts[OPTION_KIND], *sample = options->texts[OPTION_SAMPLE];
    json_t *params = json_object();
    int failed = !params;
    if (node) failed |= json_object_set_new(params, "node_id", json_string(node));
    if (kinds) {
        bool word = !strcmp(kinds, "all") || !strcmp(kinds, "none");
        failed |= json_object_set_new(params, "kinds", word ? json_string(kinds) : question_list_new(kinds));
    }
    if (sample) {
        double share = 0;
        (void)parse_share(sample, &share); /* options_parse has checked it */
        failed |= json_object_set_new(params, "sample", json_real(share));
    }
    if (option_given(options, OPTION_RESET)) failed |= json_object_set_new(params, "reset", json_true());
    if (!failed) return params;
    json_decref(params);
    return NULL;
}

int run_control(struct session *session) {
    json_t *params = change_new(session->options);
    return params ? run_ask_and_show(session, "control", params, "nodes", render_control) : session_out_of_memory(session);
}
