/* SPDX-License-Identifier: MIT
 *
 * One trace, collected along its chains; and a set of ids.  Internal to the summaries: only the files of store/history include
 * this. */
#ifndef TRACED_HISTORY_TRACE_H
#define TRACED_HISTORY_TRACE_H

#include "history_internal.h"

#define HISTORY_APP_KINDS \
    (UINT64_C(1) << TRACE_KIND_APP_COMMAND | UINT64_C(1) << TRACE_KIND_APP_START | UINT64_C(1) << TRACE_KIND_APP_END)

/* Is it an app event of that application? */
bool history__app_is(const struct trace_event *event, const char app_id[4]);

/* Ids, numbered from 0 in order of arrival. */
struct history__seen {
    struct trace_node_id *ids;
    uint32_t *slots; /* number + 1; 0: empty */
    uint32_t count, slot_count;
};

/* The number of an id, new or not.  Returns 0 or -ENOMEM. */
int history__seen_add(const struct history *history, struct history__seen *seen, const struct trace_node_id *id,
                      uint32_t *ret_index);
void history__seen_fini(struct history__seen *seen);

/* The part of the span from an entry's first segment to its last: most traces are in one or two of a hundred. */
struct history_span history__entry_span(const struct entry *entry, const struct history_span *span);

/* Segment n and how many of its events lie in the span, or NULL.  Under the RCU read lock. */
const struct segment *history__span_segment(const struct history *history, const struct history_span *span, uint64_t number,
                                            uint32_t *ret_behind);

/* Everything about a trace but `truncated`; events is 0 when there are none.  test: NULL, or sees all of them.  who, work: or
 * NULL. Returns 0, -E2BIG, -ECANCELED or -ENOMEM. */
int history__trace_gather(const struct history *history, const struct history_span *span, const struct trace_id *id,
                          const struct history_trace_test *test, const struct history_who *who, struct history_work *work,
                          struct history_trace *ret_trace);

#endif
