/* SPDX-License-Identifier: MIT
 *
 * The cursor of `query`: all that a next page needs, as text that the client keeps for us.
 *
 * It carries what the first call resolved (ids, times), so that a prefix that became ambiguous or a relative time does not
 * change the question between two pages, and where the page before ended.  It comes back from a client, so it is checked like
 * anything else that does: length, a checksum that also knows this traced and the other params, and ranges.  Whoever forges
 * one asks a question of their own history, no more.  Pure. */
#ifndef STORE_PAGE_CURSOR_H
#define STORE_PAGE_CURSOR_H

#include "page.h"
#include <jansson.h>

struct page_cursor {
    uint64_t now_ns;                 /* of the first call: what relative times in `filter` count back from */
    uint64_t from_ns, to_ns;         /* resolved; 0: not given */
    bool by_trace, by_peer, by_node; /* the ids that are meant */
    struct trace_id trace_id;
    struct trace_node_id peer_id, node_id;
    uint64_t names; /* what names in `filter` meant: trace_filter_names_hash; 0 without `filter` */
    struct page_place place;
};

/* Digits of the text form. */
#define PAGE_CURSOR_BYTES 180
#define PAGE_CURSOR_DIGITS (2 * PAGE_CURSOR_BYTES)

/* What a cursor is bound to: the traced that made it, and the params but for the cursor itself. */
uint64_t page_cursor_binding(uint64_t instance, const json_t *params);

void page_cursor_encode(const struct page_cursor *cursor, uint64_t binding, char out[PAGE_CURSOR_DIGITS + 1]);

/* Returns 0, or -EINVAL for text that this binding did not make. */
int page_cursor_decode(struct page_cursor *ret_cursor, uint64_t binding, const char *text);

#endif
