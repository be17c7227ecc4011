/* SPDX-License-Identifier: MIT
 *
 * A subscription: a position in the history and a filter, so that a slow one costs the others nothing.
 *
 * Events are sent in the order of the history.  Those that are evicted before the subscription reaches them are counted, in
 * `lost` of its next notification and in `stats`.  What a subscription takes is counted as work (struct history_work), and the
 * caller says how much it may take now: with a filter that costs more than its share it falls behind, and loses events; no other
 * does. */
#ifndef TRACED_SUBSCRIPTION_H
#define TRACED_SUBSCRIPTION_H

#include "lanes.h"
#include <proto/text.h>
#include <store/event_filter.h>

struct subscription {
    struct subscription *next; /* the owner's */
    int64_t number;            /* unique within its connection */
    struct event_filter filter;
    struct history_work work; /* all that it has taken */
    bool with_log;            /* each event has its log */
    uint64_t position;        /* the next event to look at */
    uint64_t live;            /* from this position on, events that the history only keeps are no news */
    uint64_t kept_before;     /* how many of those are before `position`, or before `live` while that is greater */
    uint64_t lost;            /* missed and not yet reported */
    bool announced;           /* its answer was sent: notifications may follow */
    uint64_t *recent;         /* positions of the events to send first; NULL once they are sent */
    size_t recent_count, recent_next;
    struct alias_picture *aliases;        /* who is who, as of the last notification */
    struct subscription_renewal *renewal; /* under way: until it is done nothing is looked at */
};

/* Its filter, `position`, `live` and number are for the caller to set.  NULL: out of memory. */
struct subscription *subscription_create(bool with_log);
void subscription_destroy(struct subscription *subscription);

/* Finds the newest `count` matching events before the position where the stream goes on: nothing missing between the two, and
 * nothing twice.  Only their places are kept: a client that does not read holds no more than that of 10,000 events.  Any thread.
 * Returns 0 or a negative errno, as history_select. */
int subscription_find_recent(struct subscription *subscription, struct store *store, size_t count);

/* Moves to where a stream from a time on begins: the first event in the order of the stream that is not older.  Any thread.
 * Returns 0 or a negative errno, as history_work_check. */
int subscription_begin_at(struct subscription *subscription, const struct store *store, uint64_t from_ns);

/* Bytes that it holds beside itself. */
size_t subscription_held(const struct subscription *subscription);

/* What became of a look at the history. */
struct subscription_news {
    uint32_t events;  /* written */
    uint64_t dropped; /* evicted before they were looked at */
    bool caught_up;   /* there is nothing more now */
};

/* Looks at events until it has taken `work_max` (or a little more, for what has begun) or a notification is full.  Makes *out
 * that notification, a whole line, when there is something to say; empty otherwise.  The loop's thread. */
void subscription_collect(struct subscription *subscription, struct store *store, uint64_t work_max, struct trace_text *out,
                          struct subscription_news *ret_news);

/* The events to send first are all sent: frees what was kept of them.  Returns how many bytes. */
size_t subscription_forget_recent(struct subscription *subscription);

/* When nodes have come that names in the filter may mean, the filter is made anew: at once if that is quick, else on the pool.
 * Then `renewed(arg)` is called when it is done; if the subscription is destroyed before, it is not.  At most *under_way of all
 * are on the pool at a time: one that must wait tries again at its next turn.  Returns whether events may be looked at now. */
bool subscription_renew(struct subscription *subscription, struct lanes *lanes, unsigned *under_way, void (*renewed)(void *arg),
                        void *arg);

#endif
