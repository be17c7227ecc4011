/* SPDX-License-Identifier: MIT
 *
 * The critical path of a request: who the request waited for, at each moment.  Pure.  The views of a trace, its graph,
 * and the analysis of requests all use it to show where the time went.
 *
 * A span waits for the spans that it caused.  If several are open, it waits for the one that answers last; the others cause
 * no delay.  While none is open, the time is the span's own.  A span does not wait for one that outlives it, unless it
 * failed, did not end, or did nothing until it asked somebody else.
 *
 * On the way from one node to another, the time is the link's: from the first stream bytes or packet sent to the last received.
 * Without transport events, the way counts as the asker's own time, unless the asking span names the node it asks: such a span
 * does nothing else.  A node that reads nothing from its socket for long while others send to it is stopped or busy; that time
 * is the node's.  A peer without a span here counts as waited for from the first packet sent to it until it answered.  If nothing
 * of a question arrived at a node that went on, the time is the link's.
 *
 * The time of a span that caused another one, whose clock cannot be compared with its own, is untimed, unless transport events
 * show when it waited.
 *
 * Where events are missing, a node may have waited for another: that time is untimed (path_hidden.h).  A peer whose spans are
 * not here waited for the spans that name it as their asker.
 *
 * If a clock step lies in a wait, the parts on both sides count and the time between them does not.  If a conclusion depends on
 * a duration that a step lies in, the whole wait is untimed. */
#ifndef INSPECTOR_CRITICAL_PATH_H
#define INSPECTOR_CRITICAL_PATH_H

#include "path_doubts.h"
#include "path_losses.h"
#include "path_sums.h"
#include "path_unsent.h"

struct critical_path {
    struct spans spans;
    struct messages messages;
    size_t root;               /* a span; NO_POSITION: no span began here, and everything else is 0 */
    uint64_t start_ns, end_ns; /* of the root; without an end, the last event */
    uint64_t reach_ns;         /* the last known moment of anything it caused: end_ns, or later */
    size_t reach;              /* the span that ends there */
    struct wait *waits;        /* in time order, without gaps, from start_ns to reach_ns */
    size_t count;
    size_t within;       /* how many waits are before end_ns */
    struct spent *spent; /* sums of the waits within that are timed, the longest first */
    size_t spent_count;
    uint64_t timed_ns;        /* their sum: from start_ns to end_ns, unless a step of the clock lies between them */
    uint64_t hidden_ns;       /* of the rest: events are missing, so what it waited for is unknown */
    uint64_t vain_ns;         /* of the rest: it may have waited for a node that had ended */
    struct loss_wait *losses; /* within, then those after the end; the longest first */
    size_t loss_count;
    struct doubts doubts;
    size_t *unsent; /* spans that ended well and sent no answer, and whose askers failed */
    size_t unsent_count;
    struct ignored *ignored; /* questions that nodes received and did not answer */
    size_t ignored_count;
};

/* Returns 0 or -ENOMEM. */
int critical_path_init(struct critical_path *path, const struct trace_events *events);
void critical_path_fini(struct critical_path *path);

/* What shares of the time are of: all of it within, without that across a step of the clock. */
uint64_t critical_path_whole_ns(const struct critical_path *path);

#endif
