/* SPDX-License-Identifier: MIT
 *
 * The node table as it was at a time in the past, as far as the history still tells: an entry's counters, less what the history
 * has of it from then on. */
#ifndef STORE_NODES_PAST_H
#define STORE_NODES_PAST_H

#include <store/history.h>
#include <store/nodes.h>

/* The words of an entry that change, as they were. */
struct node_then {
    uint32_t state; /* enum node_state */
    uint64_t emitted, indexed, unfinished;
    uint64_t lost[TRACE_LOSS_COUNT];
    uint64_t last_unix_ns; /* 0: none yet */
    uint64_t ended_after_ns, ended_by_ns;
};

/* What the table says now. */
void node_now(const struct node *node, struct node_then *ret_then);

struct nodes_past;

/* at_ns: events before it count.  Returns 0, -ENOMEM, -E2BIG or -ECANCELED (work, which may be NULL). */
int nodes_past_create(struct nodes_past **ret_past, const struct nodes *nodes, struct history *history, uint64_t at_ns,
                      struct history_work *work);
void nodes_past_destroy(struct nodes_past *past); /* NULL is allowed */

/* How the entry at this index was.  Returns false if there was no such log yet. */
bool nodes_past_at(const struct nodes_past *past, uint32_t index, const struct node *node, struct node_then *ret_then);

#endif
