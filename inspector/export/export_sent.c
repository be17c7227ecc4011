/* SPDX-License-Identifier: MIT */
#include "export_sent.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int sent_init(struct sent *sent, void (*free_own)(void *own)) {
    *sent = (struct sent){.free_own = free_own, .order = calloc(SENT_MAX, sizeof *sent->order)};
    return sent->order ? 0 : -1;
}

static void drop(const struct sent *sent, struct sent_item *item) {
    if (!item) return;
    if (sent->free_own) sent->free_own(item->own);
    free(item);
}

void sent_fini(struct sent *sent) {
    for (size_t i = 0; i < sent->items.slot_count; i++)
        for (const struct map_entry *entry = sent->items.slots[i]; entry; entry = entry->next) drop(sent, entry->value);
    map_fini(&sent->items, NULL);
    free(sent->order);
}

bool is_sending(const struct export_event *event) {
    return event->event->kind == TRACE_KIND_PACKET_SENT || event->event->kind == TRACE_KIND_MESSAGE_SENT;
}

/* Parts of a key, so that packets of either role, packets on links, and messages never share a key. */
enum { PART_BY_SERVER = 1, PART_BY_CLIENT, PART_PACKET, PART_MESSAGE };

/* Two ids do not fit into a key: a hash of both does.  128 bits do not collide by chance. */
static bool key_by_ends(const struct export_event *event, bool received, uint32_t part, uint32_t carrier, uint64_t number,
                        struct map_key *ret_key) {
    struct trace_node_id ends[2] = {event->node->id, event->event->peer_id};
    if (!event_has_peer(event)) return false;
    if (received) {
        ends[0] = event->event->peer_id;
        ends[1] = event->node->id;
    }
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(ends, sizeof ends));
    *ret_key = map_key(part, carrier, hash.digest, sizeof hash.digest);
    memcpy(ret_key->id + sizeof hash.digest, &number, sizeof number);
    return true;
}

static bool packet_key(const struct export_event *event, const struct connection *connection, bool received,
                       struct map_key *ret_key) {
    const struct trace_packet_sent *packet = &event->event->data.packet_sent; /* packet_received is the same */
    if (!connection && packet->space > TRACE_SPACE_1RTT)
        return key_by_ends(event, received, PART_PACKET, packet->space, packet->packet_num, ret_key);
    if (!connection || !connection->knows_role || trace_id_is_zero(&connection->trace_id)) return false;
    bool by_client = connection->dialled != received;
    *ret_key = map_key(by_client ? PART_BY_CLIENT : PART_BY_SERVER, packet->space, connection->trace_id.bytes,
                       sizeof connection->trace_id.bytes);
    memcpy(ret_key->id + sizeof connection->trace_id.bytes, &packet->packet_num, sizeof packet->packet_num);
    return true;
}

static bool message_key(const struct export_event *event, bool received, struct map_key *ret_key) {
    const struct trace_message_sent *message = &event->event->data.message_sent; /* message_received is the same */
    return key_by_ends(event, received, PART_MESSAGE, message->transport, message->message_id, ret_key);
}

bool sent_key(const struct export_event *event, const struct connection *connection, struct map_key *ret_key) {
    switch (event->event->kind) {
    case TRACE_KIND_PACKET_SENT: return packet_key(event, connection, false, ret_key);
    case TRACE_KIND_PACKET_RECEIVED: return packet_key(event, connection, true, ret_key);
    case TRACE_KIND_MESSAGE_SENT: return message_key(event, false, ret_key);
    case TRACE_KIND_MESSAGE_RECEIVED: return message_key(event, true, ret_key);
    default: return false;
    }
}

int sent_remember(struct sent *sent, const struct map_key *key, const struct export_event *event, void *own) {
    struct sent_item *known = map_get(&sent->items, key), *item;
    if (known) {
        if (!(event->event->flags & TRACE_FLAG_RETRANSMISSION)) known->repeated = true;
        if (sent->free_own) sent->free_own(own);
        return 0;
    }
    struct map_key *place = &sent->order[sent->order_count % SENT_MAX];
    if (sent->order_count >= SENT_MAX) drop(sent, map_remove(&sent->items, place));
    void **at = map_at(&sent->items, key);
    *place = *key;
    sent->order_count++;
    item = at ? malloc(sizeof *item) : NULL;
    if (!item) {
        if (sent->free_own) sent->free_own(own);
        return -1;
    }
    *item = (struct sent_item){.own = own};
    *at = item;
    return 0;
}

bool sent_take(struct sent *sent, const struct map_key *key, struct sent_item *ret_item) {
    struct sent_item *item = map_remove(&sent->items, key);
    if (!item) return false;
    *ret_item = *item;
    free(item);
    return true;
}
