/* SPDX-License-Identifier: MIT
 *
 * Traces that stay longer than others, because a test says so (`traced --keep`).
 *
 * A trace is judged when the first of its events is about to leave the history.  If the test wants it, all of its events stay:
 * they move behind the newest event, as those of a share do (history_create_shared).  The trace is judged again when they are
 * about to leave once more.  A trace that has already lost events is not taken up.
 *
 * Together these traces have an eighth of the history.  When they need more, the nodes that began them get equal parts of it, and
 * what one does not need, the others get; of each node the traces that ended first are given up.  A small trace counts as
 * 1 / HISTORY_KEEP_TRACES_MAX of that eighth, and one that needs more than a quarter of it is given up at once.
 *
 * Judging takes time, so another thread does it, and the ingest thread never waits for it.  If it is late, what was judged before
 * holds; traces that were not are evicted like any other, and counted. */
#ifndef STORE_HISTORY_KEEP_H
#define STORE_HISTORY_KEEP_H

#include <store/history.h>

/* Traces that can be kept at a time. */
#define HISTORY_KEEP_TRACES_MAX 8192

/* Begins to keep traces; before the first event, and for a history with shares.  due: called on the ingest thread, at most about
 * once for each segment, when history_keep_judge has work to do; it must not block.  Takes history_keep_bytes() of memory, which
 * history_destroy frees.  Returns 0, -EINVAL without shares, or -ENOMEM. */
int history_keep_begin(struct history *history, void (*due)(void *arg), void *arg);
size_t history_keep_bytes(const struct history *history);

/* What history_keep_judge takes besides, for the largest trace that may stay. */
size_t history_keep_judge_bytes(const struct history *history);

/* Judges the traces of the segments that go next.  One thread, which RCU knows; not inside rcu_read_lock().  work: what the test
 * adds to; `max` and `done` are set here, and `abandoned` ends it.  Returns 0, or -ECANCELED. */
int history_keep_judge(struct history *history, const struct history_trace_test *test, struct history_work *work);

struct history_keep_stats {
    uint64_t traces, events; /* kept now: counted when each was last judged */
    uint64_t events_max;     /* that all of them may have */
    uint64_t given_up;       /* traces that the test wanted and that had no room, ever */
    uint64_t unjudged;       /* traces of segments that went before they were judged, ever; one counts in each such segment */
    uint64_t events_lost;    /* events of kept traces that went all the same, ever: their node has died long ago */
};

/* Any thread.  Returns false when no traces are kept. */
bool history_keep_stats(const struct history *history, struct history_keep_stats *ret_stats);

#endif
