/* SPDX-License-Identifier: MIT
 *
 * The functions behind the table of ask.h, by file, and what they share. */
#ifndef STORE_ASK_METHODS_H
#define STORE_ASK_METHODS_H

#include <store/ask.h>
#include <store/history.h>

int ask_nodes(struct ask *ask); /* ask_nodes.c */
bool ask_nodes_is_long(const struct ask *ask);
int ask_apps(struct ask *ask);
int ask_who(struct ask *ask);   /* ask_aliases.c */
int ask_peers(struct ask *ask); /* ask_summaries.c */
int ask_traces(struct ask *ask);
bool ask_traces_is_long(const struct ask *ask);
int ask_requests(struct ask *ask); /* ask_requests.c */
int ask_query(struct ask *ask);    /* ask_query.c */
int ask_query_small(struct ask *ask);
bool ask_query_is_long(const struct ask *ask);
int ask_count(struct ask *ask); /* ask_count.c */
bool ask_always_long(const struct ask *ask);

/* The number of lost events of the query's nodes and time range, up to a position.  Returns as history_visit.  ask_count.c */
int ask_sum_lost(struct ask *ask, const struct history_query *query, uint64_t end, uint64_t *ret_lost);

/* What was counted, by its first and last time, and the bounds that were asked for (0: none). */
struct ask_period {
    uint64_t first_ns, last_ns;
    uint64_t from_ns, to_ns;
};

/* The time span of rates: from `from` to `to`, as far as it has passed and the history reaches back.  Without one of them, it
 * begins at the first or ends at the last time counted.  A `from` without a `to` means until now.  ask_count.c */
uint64_t ask_rate_ns(const struct store *store, const struct ask_period *period, uint64_t now_ns);

/* The error when memory ran out.  Returns -EINVAL. */
int ask_fail_memory(struct ask *ask);

/* What to return when the history returned `error`: -E2BIG and -ECANCELED unchanged; anything else becomes the error that
 * memory ran out. */
int ask_fail(struct ask *ask, int error);

#endif
