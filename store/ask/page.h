/* SPDX-License-Identifier: MIT
 *
 * One page of a query, and what went out of the history between two pages.
 *
 * The first page fixes which events the query is about: those that match and lie before `end`.  Each of them is given once, on
 * one of the pages, or it is evicted before a page can give it.  To tell how many are, a place between two pages carries the
 * number of those that are behind it (`left`), counted when the history began at `begin`: what is then neither there nor given
 * is gone.  So over all pages given + gone is exactly what there was, however pages and evictions come to lie.
 *
 * Counting is free, or nearly so, where the indices tell the number.  Where they do not (history_counts_by_index) it is done
 * only for those who ask; for others `gone` is not known once the history has moved on.
 *
 * Any thread that RCU knows; not inside rcu_read_lock(). */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include <store/history.h>

#define PAGE_UNKNOWN UINT64_MAX

/* Between two pages. */
struct page_place {
    uint64_t end;             /* positions from here on came after the first page */
    uint64_t begin;           /* of the history when `left` was counted, or when the first page was made */
    uint64_t left;            /* events behind `after`, as of `begin`; PAGE_UNKNOWN: not counted */
    uint64_t total;           /* what there was; PAGE_UNKNOWN: not counted */
    struct history_hit after; /* the last one given: of its event only timestamp and sequence; source; position */
};

struct page {
    struct history_answer answer;
    struct page_place place; /* behind this page */
    uint64_t gone;           /* evicted before this page could give them; PAGE_UNKNOWN: some may be */
};

/* Finds a page's events.  from: the place behind the page before, NULL for a first page.  count: also where that means to look at
 * each event.  Returns 0, -E2BIG, -ECANCELED or -ENOMEM, as history_select; free with history_answer_fini(&page->answer). */
int page_find(struct history *history, const struct history_query *query, size_t limit, bool newest_first, bool count,
              const struct page_place *from, struct page *ret_page);

/* Only `given` of the events found were still there when they were to be written. */
void page_given(struct page *page, size_t given);

#endif
