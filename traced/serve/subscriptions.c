/* SPDX-License-Identifier: MIT
 *
 * See subscriptions.h. */
#include "subscriptions.h"

static void release(struct subscriptions *subscriptions, size_t bytes) {
    subscriptions->held_bytes -= bytes;
    subscriptions->clients->held_bytes -= bytes;
}

void subscriptions_add(struct subscriptions *subscriptions, struct subscription *subscription) {
    struct subscription **last = &subscriptions->first;
    while (*last) last = &(*last)->next;
    *last = subscription;
    subscription->number = ++subscriptions->last_number;
    subscriptions->count++;
    subscriptions->clients->subscription_count++;
    subscriptions->held_bytes += subscription_held(subscription);
    subscriptions->clients->held_bytes += subscription_held(subscription);
}

bool subscriptions_remove(struct subscriptions *subscriptions, int64_t number) {
    struct subscription **at = &subscriptions->first, *found;
    while (*at && (*at)->number != number) at = &(*at)->next;
    found = *at;
    if (!found) return false;
    *at = found->next;
    subscriptions->count--;
    subscriptions->clients->subscription_count--;
    release(subscriptions, subscription_held(found));
    subscription_destroy(found);
    return true;
}

void subscriptions_announce(struct subscriptions *subscriptions) {
    for (struct subscription *s = subscriptions->first; s; s = s->next) s->announced = true;
}

void subscriptions_rotate(struct subscriptions *subscriptions) {
    struct subscription *first = subscriptions->first, *last = first;
    if (!first || !first->next) return;
    while (last->next) last = last->next;
    subscriptions->first = first->next;
    first->next = NULL;
    last->next = first;
}

void subscriptions_release_recent(struct subscriptions *subscriptions, struct subscription *subscription) {
    release(subscriptions, subscription_forget_recent(subscription));
}

void subscriptions_close(struct subscriptions *subscriptions) {
    for (struct subscription *s = subscriptions->first; s; s = s->next) subscriptions_release_recent(subscriptions, s);
    subscriptions->clients->subscription_count -= subscriptions->count;
    subscriptions->count = 0;
}

void subscriptions_fini(struct subscriptions *subscriptions) {
    for (struct subscription *s; (s = subscriptions->first);) {
        subscriptions->first = s->next;
        subscription_destroy(s);
    }
}
