/* SPDX-License-Identifier: MIT
 *
 * Traces that stay longer than others because they pass a test (`traced --keep`).
 *
 * A trace is judged when the first of its events is about to be evicted.  If it passes, all its events stay: they move after
 * the newest event, as those of a share do (history_create_shared).  The trace is judged again when they are next about to be
 * evicted.  A trace that has already lost events is not kept.
 *
 * Together these traces have an eighth of the history.  If they need more, the nodes that began them get equal parts, and what
 * one does not need, the others get; each node gives up the traces that ended first.  A small trace counts as 1 /
 * HISTORY_KEEP_TRACES_MAX of that eighth; one that needs more than a quarter of it is given up at once.
 *
 * Judging takes time, so another thread does it, and the ingest thread never waits for it.  If it is late, earlier decisions
 * stand; traces not yet judged are evicted like any other, and counted. */
#ifndef STORE_HISTORY_KEEP_H
#define STORE_HISTORY_KEEP_H

#include <store/history.h>

/* Traces that can be kept at a time. */
#define HISTORY_KEEP_TRACES_MAX 8192

/* Begins to keep traces; before the first event, and for a history with shares.  due: called on the ingest thread, at most
 * about once for each segment, when history_keep_judge has work to do; it must not block.  Allocates history_keep_bytes() of
 * memory, which history_destroy frees.  Returns 0, -EINVAL without shares, or -ENOMEM. */
int history_keep_begin(struct history *history, void (*due)(void *arg), void *arg);
size_t history_keep_bytes(const struct history *history);

/* The further memory of history_keep_judge, for the largest trace that may stay. */
size_t history_keep_judge_bytes(const struct history *history);

/* Judges the traces of the segments that will be retired next.  One registered RCU thread; not inside rcu_read_lock().  work:
 * the test adds to it; `max` and `done` are set here, and `abandoned` ends the call.  Returns 0, or -ECANCELED. */
int history_keep_judge(struct history *history, const struct history_trace_test *test, struct history_work *work);

struct history_keep_stats {
    uint64_t traces, events; /* kept now: counted when each was last judged */
    uint64_t events_max;     /* the most that all of them may have */
    uint64_t given_up;       /* traces that passed the test but had no room, ever */
    uint64_t unjudged;       /* traces of segments retired before they were judged, ever; counted once per such segment */
    uint64_t events_lost;    /* events of kept traces that were evicted after all, ever: their node died long ago */
};

/* Any thread.  Returns false when no traces are kept. */
bool history_keep_stats(const struct history *history, struct history_keep_stats *ret_stats);

#endif
