/* SPDX-License-Identifier: MIT
 *
 * The cursor of `query`: all that the next page needs, as text that the client holds for us.
 *
 * It carries what the first call resolved (ids, times), so that neither a prefix that became ambiguous nor a relative time
 * changes the question between two pages; and where the previous page ended.  It comes from a client, so its length, checksum
 * and ranges are checked.  The checksum covers this traced and the other params.  A forged cursor merely asks another question,
 * which its client could ask anyway.  Pure. */
#ifndef STORE_PAGE_CURSOR_H
#define STORE_PAGE_CURSOR_H

#include "page.h"
#include <jansson.h>

struct page_cursor {
    uint64_t now_ns;                 /* of the first call: what relative times in `filter` count back from */
    uint64_t from_ns, to_ns;         /* resolved; 0: not given */
    bool by_trace, by_peer, by_node; /* the resolved ids */
    bool by_peer_name, by_node_name; /* or that the param is a name of several */
    struct trace_id trace_id;
    struct trace_node_id peer_id, node_id;
    uint64_t names; /* what names in `filter` meant: trace_filter_names_hash; 0 without `filter` */
    struct page_place place;
};

/* Digits of the text form. */
#define PAGE_CURSOR_BYTES 180
#define PAGE_CURSOR_DIGITS (2 * PAGE_CURSOR_BYTES)

/* What a cursor is bound to: the traced that made it, and the params except the cursor itself. */
uint64_t page_cursor_binding(uint64_t instance, const json_t *params);

void page_cursor_encode(const struct page_cursor *cursor, uint64_t binding, char out[PAGE_CURSOR_DIGITS + 1]);

/* Returns 0, or -EINVAL for text that was not made with this binding. */
int page_cursor_decode(struct page_cursor *ret_cursor, uint64_t binding, const char *text);

#endif
