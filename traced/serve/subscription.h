/* SPDX-License-Identifier: MIT
 *
 * A subscription: a position in the history and a filter, so a slow one does not affect the others.
 *
 * Events are sent in the order of the history.  Those that are evicted before the subscription reaches them are counted, in
 * `lost` of its next notification and in `stats`.  Its cost is counted as work (struct history_work), and the caller limits the
 * work of each call.  A subscription whose filter costs more than its share falls behind and loses events; no other does. */
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
    uint64_t position;        /* the next event to examine */
    uint64_t until;       /* the filter knows the nodes and aliases that came before this position: no later one is examined */
    uint64_t live;        /* from this position on, copies of kept events are skipped */
    uint64_t kept_before; /* how many copies are before `position`, or before `live` if that is greater */
    uint64_t lost;        /* missed and not yet reported */
    bool announced;       /* its answer was sent: notifications may follow */
    uint64_t *recent;     /* positions of the events to send first; NULL once they are sent */
    size_t recent_count, recent_next;
    struct alias_picture *aliases;        /* the aliases that came before `until` */
    struct subscription_renewal *renewal; /* under way: no event is examined until it is done */
    bool renewed;                         /* by one that is done, and not yet used */
};

/* Its filter, `position`, `live` and number are for the caller to set.  NULL: out of memory. */
struct subscription *subscription_create(bool with_log);
void subscription_destroy(struct subscription *subscription);

/* Finds the newest `count` matching events before the position where the stream continues, without a gap or an overlap.  Only
 * their positions are stored: a client that does not read holds at most 10,000 of them.  Any thread.  Returns 0 or a negative
 * errno, as history_select. */
int subscription_find_recent(struct subscription *subscription, struct store *store, size_t count);

/* Moves to the start of a stream from a given time: the first event in stream order that is not older.  Any thread.  Returns 0
 * or a negative errno, as history_work_check. */
int subscription_begin_at(struct subscription *subscription, const struct store *store, uint64_t from_ns);

/* Bytes that it holds besides itself. */
size_t subscription_held(const struct subscription *subscription);

/* The result of subscription_collect. */
struct subscription_news {
    uint32_t events;  /* written */
    uint64_t dropped; /* evicted before they were examined */
    bool caught_up;   /* all until `until` is examined */
};

/* Examines events before `until`, and stops when it has done `work_max` (or a little more, to finish what has begun) or a
 * notification is full.  *out becomes that notification, a whole line, or empty if there is nothing to report.  The loop's
 * thread. */
void subscription_collect(struct subscription *subscription, struct store *store, uint64_t work_max, struct trace_text *out,
                          struct subscription_news *ret_news);

/* All `recent` events are sent: frees their positions.  Returns the number of bytes. */
size_t subscription_forget_recent(struct subscription *subscription);

/* Moves `until` to the end of the history.  When nodes or aliases have come that names in the filter may mean, the filter is
 * compiled again before that: at once if that is quick, otherwise on the pool.  Then `renewed(arg)` is called when it is done,
 * unless the subscription is destroyed before.  *under_way counts all renewals on the pool; one that must wait tries again at its
 * next turn, and so does one without memory for who is who: without it, each id would stand for itself.  Events that leave the
 * history meanwhile are missed.  Returns whether events may be examined now. */
bool subscription_renew(struct subscription *subscription, const struct store *store, struct lanes *lanes, unsigned *under_way,
                        void (*renewed)(void *arg), void *arg);

#endif
