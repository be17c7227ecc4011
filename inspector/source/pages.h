/* SPDX-License-Identifier: MIT
 *
 * `query`, page by page. */
#ifndef INSPECTOR_PAGES_H
#define INSPECTOR_PAGES_H

#include "inquiry.h"

struct pages {
    struct inquiry *inquiry;
    json_t *params;      /* with the newest cursor */
    uint64_t left;       /* events still to fetch */
    struct strbuf *text; /* receives the events of each page as JSON text; then fetch all events.  NULL: they are in the answer */
    bool done;
};

#define PAGES_ALL UINT64_MAX

/* params_new: those of `query`, without limit and cursor; NULL counts as out of memory.  Returns 0 or -1; call pages_fini in
 * both cases. */
int pages_init(struct pages *pages, struct inquiry *inquiry, json_t *params_new, uint64_t events_max);
void pages_fini(struct pages *pages);

/* Fetches the next page: an answer to `query`, which the caller owns, or NULL at the end.  Returns 0 or -1. */
int pages_next(struct pages *pages, json_t **ret_answer);

/* Fetches all pages into one answer: {"events", "gaps", "more"}; `more` is true when more than events_max match.  Steals
 * params_new. */
int pages_collect(struct inquiry *inquiry, json_t *params_new, uint64_t events_max, json_t **ret_answer);

/* Like pages_collect, but fetches the newest matching events; the oldest of them comes first. */
int pages_newest(struct inquiry *inquiry, json_t *params_new, uint64_t events_max, json_t **ret_answer);

#endif
