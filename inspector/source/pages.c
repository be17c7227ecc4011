/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include "json_get.h"

#include <string.h>

int pages_init(struct pages *pages, struct session *session, json_t *params_new, uint64_t events_max) {
    *pages = (struct pages){.session = session, .params = params_new, .left = events_max, .done = events_max == 0};
    json_int_t limit = (json_int_t)(events_max < PAGE_EVENTS ? events_max : PAGE_EVENTS);
    /* Whoever goes on to a next page wants to know what it can no longer have. */
    bool failed = !params_new || (events_max > PAGE_EVENTS && json_object_set_new(params_new, "total", json_true())) ||
                  json_object_set_new(params_new, "limit", json_integer(limit)) ||
                  (option_given(session->options, OPTION_EXPLAIN) && json_object_set_new(params_new, "explain", json_true()));
    return failed ? session_out_of_memory(session) : 0;
}

void pages_fini(struct pages *pages) { json_decref(pages->params); }

/* Drops the events behind the last that is wanted, and then says by a cursor that there are more.  Every page has the same limit
 * (docs/protocol.md asks for the same params), so the last one may bring too many.  Returns how many are left. */
static uint64_t cut(json_t *answer, uint64_t wanted) {
    json_t *events = json_object_get(answer, "events");
    if (!json_is_array(events)) return 0;
    if (json_array_size(events) > wanted) json_object_set_new(answer, "cursor", json_string("more"));
    while (json_array_size(events) > wanted) json_array_remove(events, json_array_size(events) - 1);
    return json_array_size(events);
}

int pages_next(struct pages *pages, json_t **ret_answer) {
    json_t *answer;
    *ret_answer = NULL;
    if (pages->done) return 0;
    json_t *params = json_deep_copy(pages->params);
    struct session *session = pages->session;
    if (pages->text ? client_call_apart(session->client, "query", params, "events", pages->text, &answer, &session->failure)
                    : session_call(session, "query", params, &answer))
        return -1;
    session_see_explanation(session, answer);
    session->evicted += json_get_count(answer, "evicted");
    uint64_t count = cut(answer, pages->left);
    json_t *cursor = json_object_get(answer, "cursor");
    pages->left = count < pages->left ? pages->left - count : 0;
    /* A page without events may have a next one, for what it had was evicted; but not one that begins where it began itself. */
    bool stuck = !count && json_equal(cursor, json_object_get(pages->params, "cursor"));
    pages->done = !json_is_string(cursor) || stuck || !pages->left;
    if (!pages->done && json_object_set(pages->params, "cursor", cursor)) {
        json_decref(answer);
        return session_out_of_memory(session);
    }
    *ret_answer = answer;
    return 0;
}

int pages_collect(struct session *session, json_t *params_new, uint64_t events_max, json_t **ret_answer) {
    struct pages pages;
    json_t *answer = NULL, *page, *all = json_pack("{s:[],s:[]}", "events", "gaps");
    int result = pages_init(&pages, session, params_new, events_max);
    if (!result && !all) result = session_out_of_memory(session);
    while (!result && !(result = pages_next(&pages, &page)) && page) {
        json_t *events = json_object_get(page, "events"), *gaps = json_object_get(page, "gaps");
        int failed = json_is_array(events) && json_array_extend(json_object_get(all, "events"), events);
        failed |= json_is_array(gaps) && json_array_extend(json_object_get(all, "gaps"), gaps);
        failed |= json_object_set_new(all, "more", json_boolean(json_is_string(json_object_get(page, "cursor"))));
        json_decref(page);
        if (failed) result = session_out_of_memory(session);
    }
    if (!result) answer = json_incref(all);
    json_decref(all);
    pages_fini(&pages);
    if (!result) *ret_answer = answer;
    return result;
}
