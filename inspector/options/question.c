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

/* The param of the socket that an option becomes.  Of several options with one param, the first that was given. */
static const struct {
    enum option option;
    const char *param;
} params[] = {{OPTION_KIND, "kind"},     {OPTION_PEER, "peer_id"}, {OPTION_NODE, "node_id"},   {OPTION_TRACE, "trace_id"},
              {OPTION_WHERE, "filter"},  {OPTION_SINCE, "from"},   {OPTION_UNTIL, "to"},       {OPTION_KIND, "kinds"},
              {OPTION_SAMPLE, "sample"}, {OPTION_BY, "group_by"},  {OPTION_HIST, "histogram"}, {OPTION_HIST, "value"},
              {OPTION_VALUE, "value"},   {OPTION_LIMIT, "limit"},  {OPTION_RECENT, "recent"},  {OPTION_ORDER, "order"},
              {OPTION_APP, "app"}};
#define FILTERS 7U /* the first of these are the params of every filter */

enum option question_option(const struct options *options, const char *param) {
    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        if (!strcmp(params[i].param, param) && option_given(options, params[i].option)) return params[i].option;
    return OPTION_COUNT_;
}

json_t *question_filter_new(const struct options *options, uint64_t now_ns) {
    json_t *filter = json_object();
    int failed = !filter;
    for (size_t i = 0; i < FILTERS; i++) {
        const char *text = options->texts[params[i].option];
        enum value_type type = option_table[params[i].option].type;
        if (!text) continue;
        failed |=
            json_object_set_new(filter, params[i].param,
                                type == VALUE_KINDS  ? question_list_new(text)
                                : type == VALUE_TIME ? time_param_new(text, option_given(options, OPTION_UTC), now_ns / 1000)
                                                     : json_string(text));
    }
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
