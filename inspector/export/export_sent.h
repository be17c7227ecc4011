/* SPDX-License-Identifier: MIT
 *
 * What was sent and not yet received: the newest SENT_MAX packets and messages, so that a receive finds its send.
 *
 * A packet is known on both ends by its connection's trace, its sender's role, its space and number; without a connection, of
 * transports other than QUIC, by sender, receiver, space and number; a program's message by sender, receiver, transport and
 * id.  A message's trace does not matter: it need not be on the wire.
 *
 * Something that is sent again under its key, before anything was received, does not replace the first: a receive came after the
 * first in any case.  Which of them it was is not known then, and the item is `repeated`. */
#ifndef INSPECTOR_EXPORT_SENT_H
#define INSPECTOR_EXPORT_SENT_H

#include "export_connections.h"
#include "export_map.h"

#define SENT_MAX 65536

struct sent_item {
    bool repeated; /* other bytes were sent under the same key; a retransmission is not */
    void *own;     /* the format's */
};

struct sent {
    struct map items;
    struct map_key *order; /* of items, the oldest first: a ring of SENT_MAX */
    uint64_t order_count;
    void (*free_own)(void *own); /* NULL: nothing to free */
};

/* {0} is valid for sent_fini.  Returns 0, or -1 without memory. */
int sent_init(struct sent *sent, void (*free_own)(void *own));
void sent_fini(struct sent *sent);

/* The key of what the event sent or received; false when the two ends could not agree on one, or it did neither. */
bool sent_key(const struct export_event *event, const struct connection *connection, struct map_key *ret_key);

/* Did the event send something? */
bool is_sending(const struct export_event *event);

/* Remembers what the event sent.  own is taken over; of something sent before, it is freed at once.  Returns 0, or -1 without
 * memory (own is freed). */
int sent_remember(struct sent *sent, const struct map_key *key, const struct export_event *event, void *own);

/* Takes out what was sent.  False when it is not known: it was not exported, or received before, or long ago.  ret_item->own
 * is the caller's. */
bool sent_take(struct sent *sent, const struct map_key *key, struct sent_item *ret_item);

#endif
