/* SPDX-License-Identifier: MIT
 *
 * Subscriptions: each is a position in the history and a filter, so that a slow one costs the others nothing.
 *
 * Events are sent in the order of the history.  Those that are evicted before the subscription reaches them are counted, in
 * `lost` of its next notification and in `stats`. */
#ifndef TRACED_SUBSCRIBE_H
#define TRACED_SUBSCRIBE_H

#include <store/event_filter.h>

struct connection;

struct subscription {
    struct subscription *next;
    int64_t number;
    struct event_filter filter;
    bool with_log;     /* each event has its log */
    uint64_t position; /* the next event to look at */
    uint64_t lost;     /* missed and not yet reported */
    bool announced;    /* its answer was sent: notifications may follow */
    uint64_t *recent;  /* positions of the events to send first; NULL once they are sent */
    size_t recent_count, recent_next;
};

void subscription_destroy(struct subscription *subscription);

/* Bytes that it holds beside itself. */
size_t subscription_held(const struct subscription *subscription);

/* Sends what it can, as far as the client takes it and both budgets last.  Returns true when there is more to look at. */
bool subscription_pump(struct subscription *subscription, struct connection *connection, uint32_t *budget);

#endif
