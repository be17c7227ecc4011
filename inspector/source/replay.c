/* SPDX-License-Identifier: MIT */
#include "replay.h"

#include "event_list.h"
#include "json_get.h"

#include <string.h>

static json_t *batch_new(const json_t *answer) {
    return events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
}

int replay_init(struct replay *replay, struct source *source, json_t *params_new, struct failure *failure) {
    uint64_t recent = json_get_count(params_new, "recent");
    json_t *answer;
    int result;
    *replay = (struct replay){.inquiry = {.source = source, .failure = failure}};
    json_object_del(params_new, "recent");
    json_object_del(params_new, "log");
    if (!recent) {
        replay->open = true;
        return pages_init(&replay->pages, &replay->inquiry, params_new, PAGES_ALL);
    }
    replay->ended = true;
    if (pages_newest(&replay->inquiry, params_new, recent, &answer)) return -1;
    replay->batch = batch_new(answer);
    result = replay->batch ? 0 : failure_out_of_memory(failure);
    json_decref(answer);
    return result;
}

void replay_fini(struct replay *replay) {
    if (replay->open) pages_fini(&replay->pages);
    json_decref(replay->batch);
}

static int next_page(struct replay *replay) {
    json_t *answer;
    if (pages_next(&replay->pages, &answer)) return -1;
    replay->ended = !answer;
    if (!answer) return 0;
    replay->batch = batch_new(answer);
    json_decref(answer);
    return replay->batch ? 0 : failure_out_of_memory(replay->inquiry.failure);
}

enum source_event replay_next(struct replay *replay, struct source_news *ret_news, struct failure *failure) {
    replay->inquiry.failure = failure;
    if (!replay->batch && !replay->ended && next_page(replay)) return SOURCE_FAILED;
    if (replay->inquiry.evicted) {
        ret_news->count = replay->inquiry.evicted;
        ret_news->why = GAP_GONE;
        replay->inquiry.evicted = 0;
        return SOURCE_GAP;
    }
    if (!replay->batch) return SOURCE_ENDED;
    ret_news->value = replay->batch;
    replay->batch = NULL;
    return SOURCE_EVENTS;
}
