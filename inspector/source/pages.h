/* SPDX-License-Identifier: MIT
 *
 * `query`, page by page. */
#ifndef INSPECTOR_PAGES_H
#define INSPECTOR_PAGES_H

#include "inquiry.h"

struct pages {
    struct inquiry *inquiry;
    json_t *params;      /* with the newest cursor */
    uint64_t left;       /* events still wanted */
    struct strbuf *text; /* for the events of a page as they came; NULL: they are in the answer.  All are wanted then. */
    bool done;
};

#define PAGES_ALL UINT64_MAX

/* params_new are those of `query` without limit and cursor; NULL is a failure: no memory.  Returns 0 or -1; pages_fini in both
 * cases. */
int pages_init(struct pages *pages, struct inquiry *inquiry, json_t *params_new, uint64_t events_max);
void pages_fini(struct pages *pages);

/* Fetches the next page: an answer to `query`, the caller's; NULL at the end.  Returns 0 or -1. */
int pages_next(struct pages *pages, json_t **ret_answer);

/* Fetches all pages into one: {"events", "gaps"}, and "more": true when there are more events than wanted.  Steals params_new. */
int pages_collect(struct inquiry *inquiry, json_t *params_new, uint64_t events_max, json_t **ret_answer);

/* The newest events that params_new ask for, the oldest of them first; else like pages_collect. */
int pages_newest(struct inquiry *inquiry, json_t *params_new, uint64_t events_max, json_t **ret_answer);

#endif
