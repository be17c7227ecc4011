/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include "json_get.h"

#include <string.h>

int pages_init(struct pages *pages, struct inquiry *inquiry, json_t *params_new, uint64_t events_max) {
    *pages = (struct pages){.inquiry = inquiry, .params = params_new, .left = events_max, .done = events_max == 0};
    json_int_t limit = (json_int_t)(events_max < PAGE_EVENTS ? events_max : PAGE_EVENTS);
    /* With `total`, each page says how many events left the history since the last one. */
    bool failed = !params_new || (events_max > PAGE_EVENTS && json_object_set_new(params_new, "total", json_true())) ||
                  json_object_set_new(params_new, "limit", json_integer(limit)) ||
                  (inquiry->explain && json_object_set_new(params_new, "explain", json_true()));
    return failed ? failure_out_of_memory(inquiry->failure) : 0;
}

void pages_fini(struct pages *pages) { json_decref(pages->params); }

/* Drops events beyond `wanted`, and sets a cursor to show that there were more.  All pages have the same limit, because a cursor
 * is valid only with the same params (docs/protocol.md), so the last page can be too long.  Returns how many remain. */
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
    struct inquiry *inquiry = pages->inquiry;
    struct source_apart apart = {"events", pages->text};
    if (source_ask(inquiry->source, "query", json_deep_copy(pages->params), pages->text ? &apart : NULL, &answer,
                   inquiry->failure))
        return -1;
    inquiry_note(inquiry, answer);
    inquiry->evicted += json_get_count(answer, "evicted");
    uint64_t count = cut(answer, pages->left);
    json_t *cursor = json_object_get(answer, "cursor");
    pages->left = count < pages->left ? pages->left - count : 0;
    /* A page can be empty because its events were evicted, and still have a successor; but not one at the same cursor. */
    bool stuck = !count && json_equal(cursor, json_object_get(pages->params, "cursor"));
    pages->done = !json_is_string(cursor) || stuck || !pages->left;
    if (!pages->done && json_object_set(pages->params, "cursor", cursor)) {
        json_decref(answer);
        return failure_out_of_memory(inquiry->failure);
    }
    *ret_answer = answer;
    return 0;
}

int pages_collect(struct inquiry *inquiry, json_t *params_new, uint64_t events_max, json_t **ret_answer) {
    struct pages pages;
    json_t *answer = NULL, *page, *all = json_pack("{s:[],s:[]}", "events", "gaps");
    int result = pages_init(&pages, inquiry, params_new, events_max);
    if (!result && !all) result = failure_out_of_memory(inquiry->failure);
    while (!result && !(result = pages_next(&pages, &page)) && page) {
        json_t *events = json_object_get(page, "events"), *gaps = json_object_get(page, "gaps");
        int failed = json_is_array(events) && json_array_extend(json_object_get(all, "events"), events);
        failed |= json_is_array(gaps) && json_array_extend(json_object_get(all, "gaps"), gaps);
        failed |= json_object_set_new(all, "more", json_boolean(json_is_string(json_object_get(page, "cursor"))));
        json_decref(page);
        if (failed) result = failure_out_of_memory(inquiry->failure);
    }
    if (!result) answer = json_incref(all);
    json_decref(all);
    pages_fini(&pages);
    if (!result) *ret_answer = answer;
    return result;
}

static int reverse_events(json_t *answer) {
    const json_t *events = json_object_get(answer, "events");
    json_t *reversed = json_array();
    for (size_t i = json_array_size(events); reversed && i-- > 0;) json_array_append(reversed, json_array_get(events, i));
    return json_object_set_new(answer, "events", reversed);
}

int pages_newest(struct inquiry *inquiry, json_t *params_new, uint64_t events_max, json_t **ret_answer) {
    if (!params_new || json_object_set_new(params_new, "order", json_string("desc"))) {
        json_decref(params_new);
        return failure_out_of_memory(inquiry->failure);
    }
    if (pages_collect(inquiry, params_new, events_max, ret_answer)) return -1;
    if (!reverse_events(*ret_answer)) return 0;
    json_decref(*ret_answer);
    return failure_out_of_memory(inquiry->failure);
}
