/* SPDX-License-Identifier: MIT
 *
 * Subscriptions: each is a position in the history and a filter, so a slow one costs the others nothing.
 *
 * Events are sent in the order of the history.  What was evicted before the subscription got there is counted: in `lost` of its
 * next notification, and in `stats`. */
#ifndef TRACED_SUBSCRIBE_H
#define TRACED_SUBSCRIBE_H

#include <store/event_filter.h>

struct connection;

struct subscription {
    struct subscription *next;
    int64_t number;
    struct event_filter filter;
    bool with_log;     /* events tell their log */
    uint64_t position; /* the next event to look at */
    uint64_t lost;     /* missed and not yet told */
    bool announced;    /* its answer was sent: notifications may be */
    uint64_t *recent;  /* positions of the events that come first; NULL once they were sent */
    size_t recent_count, recent_next;
};

void subscription_destroy(struct subscription *subscription);

/* Bytes that it holds besides itself. */
size_t subscription_held(const struct subscription *subscription);

/* Tells what there is to tell, as far as the client takes it and both budgets last.  Returns true when there is more to look at. */
bool subscription_pump(struct subscription *subscription, struct connection *connection, uint32_t *budget);

#endif
