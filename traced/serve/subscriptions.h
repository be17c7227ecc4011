/* SPDX-License-Identifier: MIT
 *
 * The subscriptions of one connection, in the order in which they take turns.  Loop's thread only. */
#ifndef TRACED_SUBSCRIPTIONS_H
#define TRACED_SUBSCRIPTIONS_H

#include "clients.h"
#include "subscription.h"

struct subscriptions {
    struct clients *clients;
    struct subscription *first;
    unsigned count;
    int64_t last_number; /* the newest subscription's */
    size_t held_bytes;   /* a part of clients->held_bytes */
};

/* Takes ownership, and gives the subscription its number.  The caller checks LIMIT_SUBSCRIPTIONS. */
void subscriptions_add(struct subscriptions *subscriptions, struct subscription *subscription);

/* Destroys the subscription of that number.  Returns false if there is none. */
bool subscriptions_remove(struct subscriptions *subscriptions, int64_t number);

/* From now on they may send notifications: the answers with their numbers are on their way. */
void subscriptions_announce(struct subscriptions *subscriptions);

/* The first becomes the last, so that it is not always the same one that uses up a share. */
void subscriptions_rotate(struct subscriptions *subscriptions);

/* Frees the positions of a subscription's `recent` events once all are sent. */
void subscriptions_release_recent(struct subscriptions *subscriptions, struct subscription *subscription);

/* The connection closes: they no longer count, and hold no memory that counts.  They stay valid until subscriptions_fini,
 * because the failed notification may be one of theirs. */
void subscriptions_close(struct subscriptions *subscriptions);
void subscriptions_fini(struct subscriptions *subscriptions);

#endif
