/* SPDX-License-Identifier: MIT
 *
 * One page of a query, and how many events were evicted between two pages.
 *
 * The first page fixes the events of the query: those that match and lie before `end`.  Each of them is either returned once,
 * on one of the pages, or evicted before a page can return it.  To count the evicted ones, a place between two pages carries
 * the number of events after it (`left`), counted when the history began at `begin`.  Those that are later neither present nor
 * returned are gone.  So over all pages, returned + gone is exactly the number of matches, whatever the order of pages and
 * evictions.
 *
 * Counting is almost free if the indices know the number.  If they do not (history_counts_by_index), we count only on request;
 * otherwise `gone` is unknown once the history has moved on.
 *
 * Any registered RCU thread; not inside rcu_read_lock(). */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include <store/history.h>

#define PAGE_UNKNOWN UINT64_MAX

/* Between two pages. */
struct page_place {
    uint64_t end;             /* positions from here on came after the first page */
    uint64_t begin;           /* of the history when `left` was counted, or when the first page was made */
    uint64_t left;            /* events after `after`, as of `begin`; PAGE_UNKNOWN: not counted */
    uint64_t total;           /* all matches; PAGE_UNKNOWN: not counted */
    struct history_hit after; /* the last one returned: of its event only timestamp and sequence; source; position */
};

struct page {
    struct history_answer answer;
    struct page_place place; /* after this page */
    uint64_t gone;           /* evicted before this page could return them; PAGE_UNKNOWN: some may be */
};

/* Finds a page's events.  from: the place after the previous page, NULL for the first.  count: count even if every event must
 * be examined.  Returns 0, -E2BIG, -ECANCELED or -ENOMEM, as history_select; free with history_answer_fini(&page->answer). */
int page_find(struct history *history, const struct history_query *query, size_t limit, bool newest_first, bool count,
              const struct page_place *from, struct page *ret_page);

/* Only `given` of the events found were still in the history when they were written. */
void page_given(struct page *page, size_t given);

#endif
