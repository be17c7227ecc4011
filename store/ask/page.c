/* SPDX-License-Identifier: MIT
 *
 * See page.h. */
#include "page.h"

#include <store/grace.h>

static uint64_t end_now(const struct history *history) {
    grace_read_lock();
    uint64_t end = history_end_position(history);
    grace_read_unlock();
    return end;
}

/* Counts the events after the place.  `begin` is read first, so that anything evicted meanwhile, counted or not, makes the
 * next page count again. */
static void count_left(struct history *history, const struct history_query *query, bool newest_first, struct page_place *place) {
    place->begin = history_begin_position(history);
    place->left = history_count(history, query, 0, place->end, newest_first, &place->after);
}

/* Called before the search for the next page: what it finds is among what was counted here. */
static void count_gone(struct history *history, const struct history_query *query, bool newest_first, struct page *page) {
    struct page_place *place = &page->place;
    uint64_t left = place->left;

    if (history_begin_position(history) == place->begin) return;
    if (left == PAGE_UNKNOWN) {
        page->gone = PAGE_UNKNOWN;
        place->begin = history_begin_position(history);
        return;
    }
    count_left(history, query, newest_first, place);
    page->gone = left - place->left;
}

int page_find(struct history *history, const struct history_query *query, size_t limit, bool newest_first, bool count,
              const struct page_place *from, struct page *ret_page) {
    struct page page = {.gone = 0};
    struct page_place *place = &page.place;
    struct history_answer *answer = &page.answer;
    int error;

    *place = from ? *from : (struct page_place){.end = end_now(history), .left = PAGE_UNKNOWN, .total = PAGE_UNKNOWN};
    if (from)
        count_gone(history, query, newest_first, &page);
    else
        place->begin = history_begin_position(history);
    error = history_work_check(query->work);
    if (error) return error;
    error = history_select(history, query, 0, place->end, limit, newest_first, from ? &from->after : NULL, answer);
    if (error) return error;
    if (answer->count) place->after = answer->hits[answer->count - 1];
    if (!from && !answer->more) {
        place->left = 0;
        place->total = answer->count;
    } else if (!from && (count || history_counts_by_index(query))) {
        count_left(history, query, newest_first, place);
        place->total = answer->count + place->left;
    } else if (from && place->left != PAGE_UNKNOWN) {
        place->left -= answer->count;
        if (!answer->more) page.gone += place->left; /* evicted while this page was made */
    }
    error = history_work_check(query->work); /* the count is part of the work */
    if (error) {
        history_answer_fini(answer);
        return error;
    }
    *ret_page = page;
    return 0;
}

void page_given(struct page *page, size_t given) {
    if (page->gone != PAGE_UNKNOWN) page->gone += page->answer.count - given;
}
