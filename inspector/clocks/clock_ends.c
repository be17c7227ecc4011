/* SPDX-License-Identifier: MIT */
#include "clock_ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FIRST_CAPACITY 4096

/* ---- keys ---- */

/* A message's trace may not be sent with it, so one end may not know it. */
struct key {
    struct trace_node_id from, to;
    struct trace_id trace;
    uint64_t number;
    uint64_t space; /* of a message: its transport */
    uint64_t is_message;
};

static bool read_number(const struct trace_event *event, struct key *key, bool *ret_sent) {
    const union trace_event_data *data = &event->data;
    *ret_sent = event->kind == TRACE_KIND_PACKET_SENT || event->kind == TRACE_KIND_MESSAGE_SENT;
    key->is_message = event->kind == TRACE_KIND_MESSAGE_SENT || event->kind == TRACE_KIND_MESSAGE_RECEIVED;
    switch (event->kind) {
    case TRACE_KIND_PACKET_SENT: key->number = data->packet_sent.packet_num, key->space = data->packet_sent.space; break;
    case TRACE_KIND_PACKET_RECEIVED:
        key->number = data->packet_received.packet_num, key->space = data->packet_received.space;
        break;
    case TRACE_KIND_MESSAGE_SENT: key->number = data->message_sent.message_id, key->space = data->message_sent.transport; break;
    case TRACE_KIND_MESSAGE_RECEIVED:
        key->number = data->message_received.message_id, key->space = data->message_received.transport;
        break;
    default: return false;
    }
    return true;
}

bool clock_end_key(const struct trace_event *event, const struct trace_node_id *node_id, uint64_t *ret_key, bool *ret_sent) {
    struct key key;
    memset(&key, 0, sizeof key);
    if (!(event->flags & TRACE_FLAG_HAS_PEER) || !read_number(event, &key, ret_sent)) return false;
    key.from = *ret_sent ? *node_id : event->peer_id;
    key.to = *ret_sent ? event->peer_id : *node_id;
    if (!key.is_message) key.trace = event->trace_id;
    *ret_key = XXH3_64bits(&key, sizeof key);
    return true;
}

/* ---- ends ---- */

static bool is_kept(const struct clock_ends *ends, uint64_t key) { return !ends->thinned || !(key >> (64 - ends->thinned)); }

/* Keeps only half of the packets that are kept now. */
static void thin(struct clock_ends *ends) {
    size_t kept = 0;
    ends->thinned++;
    for (size_t i = 0; i < ends->count; i++)
        if (is_kept(ends, ends->items[i].key)) ends->items[kept++] = ends->items[i];
    ends->count = kept;
}

int clock_ends_add(struct clock_ends *ends, const struct clock_end *end) {
    while (ends->count == CLOCK_ENDS_MAX && ends->thinned < 32) thin(ends);
    if (!is_kept(ends, end->key)) return 0;
    if (ends->count == ends->capacity) {
        size_t capacity = ends->capacity ? 2 * ends->capacity : FIRST_CAPACITY;
        struct clock_end *items = realloc(ends->items, capacity * sizeof *items);
        if (!items) return -ENOMEM;
        ends->items = items;
        ends->capacity = capacity;
    }
    ends->items[ends->count++] = *end;
    return 0;
}

static int compare_ends(const void *left, const void *right) {
    const struct clock_end *a = left, *b = right;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return (int)b->sent - (int)a->sent; /* sends first */
}

int clock_ends_match(struct clock_ends *ends, struct clocks_packet **ret_packets, size_t *ret_count) {
    struct clocks_packet *packets = calloc(ends->count / 2 + 1, sizeof *packets);
    size_t count = 0;
    if (!packets) return -ENOMEM;
    if (ends->count) qsort(ends->items, ends->count, sizeof *ends->items, compare_ends);
    for (size_t begin = 0, end; begin < ends->count; begin = end) {
        const struct clock_end *sent = &ends->items[begin], *received = sent + 1;
        for (end = begin + 1; end < ends->count && ends->items[end].key == sent->key;) end++;
        if (end - begin != 2 || !sent->sent || received->sent || sent->machine == received->machine) continue;
        packets[count++] = (struct clocks_packet){.from = sent->machine,
                                                  .to = received->machine,
                                                  .sent_ns = sent->time_ns,
                                                  .received_ns = received->time_ns,
                                                  .sent_order = sent->order,
                                                  .received_order = received->order};
    }
    *ret_packets = packets;
    *ret_count = count;
    return 0;
}

void clock_ends_fini(struct clock_ends *ends) {
    free(ends->items);
    *ends = (struct clock_ends){0};
}
