/* SPDX-License-Identifier: MIT */
#include "question.h"

#include "times.h"

#include <proto/untrusted.h>
#include <string.h>

json_t *question_list_new(const char *text) {
    json_t *list = json_array();
    while (list && *text) {
        size_t bytes = strcspn(text, ",");
        if (bytes && json_array_append_new(list, json_stringn(text, bytes))) {
            json_decref(list);
            return NULL;
        }
        text += bytes + (text[bytes] == ',');
    }
    return list;
}

json_t *question_filter_of_new(const struct options *options, uint64_t now_ns, const char *param, const char *value) {
    json_t *filter = question_filter_new(options, now_ns);
    if (!filter || !json_object_set_new(filter, param, json_string(value))) return filter;
    json_decref(filter);
    return NULL;
}

json_t *question_filter_new(const struct options *options, uint64_t now_ns) {
    static const struct {
        enum option option;
        const char *param;
    } texts[] = {{OPTION_PEER, "peer_id"}, {OPTION_NODE, "node_id"}, {OPTION_TRACE, "trace_id"}, {OPTION_WHERE, "filter"}},
      times[] = {{OPTION_SINCE, "from"}, {OPTION_UNTIL, "to"}};
    const char *kind = options->texts[OPTION_KIND], *text;
    bool utc = option_given(options, OPTION_UTC);
    json_t *filter = json_object();
    int failed = !filter;
    if (kind) failed |= json_object_set_new(filter, "kind", question_list_new(kind));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if ((text = options->texts[texts[i].option])) failed |= json_object_set_new(filter, texts[i].param, json_string(text));
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if ((text = options->texts[times[i].option]))
            failed |= json_object_set_new(filter, times[i].param, time_param_new(text, utc, now_ns / 1000));
    if (!failed) return filter;
    json_decref(filter);
    return NULL;
}

bool question_describe(struct strbuf *out, const struct options *options) {
    static const enum option filters[] = {OPTION_KIND,  OPTION_NODE,  OPTION_PEER,  OPTION_TRACE,
                                          OPTION_WHERE, OPTION_SINCE, OPTION_UNTIL, OPTION_APP};
    bool any = false;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const char *value = options->texts[filters[i]];
        char quoted[1024];
        if (!value) continue;
        any = true;
        const char *word = trace_shell_word(quoted, sizeof quoted, value) ? quoted : "...";
        strbuf_printf(out, " --%s%s%s", option_table[filters[i]].spelling, *word == '-' ? "=" : " ", word);
    }
    return any;
}
