/* SPDX-License-Identifier: MIT
 *
 * What was sent and not yet received: the newest SENT_MAX packets and messages, so that a receive can find its send.
 *
 * Both ends identify a packet by its connection's trace, its sender's role, its space and number; without a connection, in
 * transports other than QUIC, by sender, receiver, space and number; and a program's message by sender, receiver, transport and
 * id.  A message's trace does not matter, because it may not be on the wire.
 *
 * If something is sent again under the same key before anything was received, the first stays: any receive came after it.  We
 * then do not know which send was received, and the item is `repeated`. */
#ifndef INSPECTOR_EXPORT_SENT_H
#define INSPECTOR_EXPORT_SENT_H

#include "export_connections.h"
#include "export_map.h"

#define SENT_MAX 65536

struct sent_item {
    bool repeated; /* other bytes were sent under the same key; a retransmission is not */
    void *own;     /* belongs to the format */
};

struct sent {
    struct map items;
    struct map_key *order; /* of items, the oldest first: a ring of SENT_MAX */
    uint64_t order_count;
    void (*free_own)(void *own); /* NULL: nothing to free */
};

/* {0} is valid for sent_fini.  Returns 0, or -1 when out of memory. */
int sent_init(struct sent *sent, void (*free_own)(void *own));
void sent_fini(struct sent *sent);

/* The key of what the event sent or received.  Returns false if the two ends could not agree on one, or it did neither. */
bool sent_key(const struct export_event *event, const struct connection *connection, struct map_key *ret_key);

/* Did the event send something? */
bool is_sending(const struct export_event *event);

/* Remembers what the event sent.  Takes over own, and frees it at once if this was sent before.  Returns 0, or -1 when out of
 * memory (own is freed). */
int sent_remember(struct sent *sent, const struct map_key *key, const struct export_event *event, void *own);

/* Removes what was sent.  Returns false if it is not known: not exported, already received, or too long ago.  The caller owns
 * ret_item->own. */
bool sent_take(struct sent *sent, const struct map_key *key, struct sent_item *ret_item);

#endif
