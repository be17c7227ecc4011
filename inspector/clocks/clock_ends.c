/* SPDX-License-Identifier: MIT */
#include "clock_ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FIRST_CAPACITY 4096

/* ---- samples ---- */

/* The finalizer of MurmurHash3 (public domain), as ClickHouse's intHash64 uses it: then `fleet migrate` can compute it there. */
static uint64_t mix(uint64_t number) {
    number ^= UINT64_C(0x4cf2d2baae6da887);
    number ^= number >> 33;
    number *= UINT64_C(0xff51afd7ed558ccd);
    number ^= number >> 33;
    number *= UINT64_C(0xc4ceb9fe1a85ec53);
    number ^= number >> 33;
    return number;
}

#define MESSAGE 256 /* added to its transport */

/* What tells packets apart besides their ends.  A message's trace may not be sent with it, so one end may not know it. */
struct number {
    uint64_t number;
    uint64_t space; /* of a packet; of a message its transport + MESSAGE */
};

static bool read_number(const struct trace_event *event, struct number *ret_number) {
    const union trace_event_data *data = &event->data;
    switch (event->kind) {
    case TRACE_KIND_PACKET_SENT:
        *ret_number = (struct number){data->packet_sent.packet_num, data->packet_sent.space};
        return true;
    case TRACE_KIND_PACKET_RECEIVED:
        *ret_number = (struct number){data->packet_received.packet_num, data->packet_received.space};
        return true;
    case TRACE_KIND_MESSAGE_SENT:
        *ret_number = (struct number){data->message_sent.message_id, data->message_sent.transport + MESSAGE};
        return true;
    case TRACE_KIND_MESSAGE_RECEIVED:
        *ret_number = (struct number){data->message_received.message_id, data->message_received.transport + MESSAGE};
        return true;
    default: return false;
    }
}

/* In the byte order of ClickHouse's reinterpretAsUInt64. */
static uint64_t read_le64(const uint8_t *bytes) {
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) number |= (uint64_t)bytes[i] << (8 * i);
    return number;
}

bool clock_end_sample(const struct trace_event *event, uint64_t *ret_sample, bool *ret_sent) {
    struct number number;
    if (!(event->flags & TRACE_FLAG_HAS_PEER) || !read_number(event, &number)) return false;
    bool message = number.space >= MESSAGE;
    uint64_t sample = mix(number.space);
    sample = mix((message ? 0 : read_le64(event->trace_id.bytes)) ^ sample);
    sample = mix((message ? 0 : read_le64(event->trace_id.bytes + 8)) ^ sample);
    *ret_sample = mix(number.number ^ sample);
    *ret_sent = event->kind == TRACE_KIND_PACKET_SENT || event->kind == TRACE_KIND_MESSAGE_SENT;
    return true;
}

#define IS_MESSAGE_SQL "kind IN ('message_sent','message_received')"
#define HALF_SQL(from) "if(" IS_MESSAGE_SQL ",toUInt64(0),reinterpretAsUInt64(substring(trace_id," #from ",8)))"

const char clock_end_sample_sql[] = "intHash64(bitXor(if(" IS_MESSAGE_SQL ",message_id,packet_num),intHash64(bitXor(" HALF_SQL(
    9) ",intHash64(bitXor(" HALF_SQL(1) ",intHash64(if(" IS_MESSAGE_SQL ",toUInt64(transport)+256,toUInt64(space)))))))))";

_Static_assert(MESSAGE == 256 && TRACE_ID_BYTES == 16, "clock_end_sample_sql");

uint64_t clock_end_key(uint64_t sample, bool sent, const struct trace_node_id *node_id, const struct trace_node_id *peer_id) {
    struct {
        struct trace_node_id from, to;
        uint64_t sample;
    } key = {sent ? *node_id : *peer_id, sent ? *peer_id : *node_id, sample};
    return XXH3_64bits(&key, sizeof key);
}

/* ---- ends ---- */

static int compare_samples(const void *left, const void *right) {
    const struct clock_end *a = left, *b = right;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

void clock_ends_cut(struct clock_ends *ends, uint64_t below) {
    size_t kept = 0;
    ends->below = below;
    ends->is_cut = true;
    for (size_t i = 0; i < ends->count; i++)
        if (ends->items[i].sample < below) ends->items[kept++] = ends->items[i];
    ends->count = kept;
}

void clock_ends_pick(struct clock_ends *ends) {
    if (ends->count <= ends->max) return;
    qsort(ends->items, ends->count, sizeof *ends->items, compare_samples);
    clock_ends_cut(ends, ends->items[ends->max].sample);
}

/* With room for twice as many as are kept, an end is sorted once or twice. */
int clock_ends_add(struct clock_ends *ends, const struct clock_end *end) {
    if (ends->count >= 2 * ends->max) clock_ends_pick(ends);
    if (ends->is_cut && end->sample >= ends->below) return 0;
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

static int compare_keys(const void *left, const void *right) {
    const struct clock_end *a = left, *b = right;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return (int)b->sent - (int)a->sent; /* sends first */
}

int clock_ends_match(struct clock_ends *ends, struct clocks_packet **ret_packets, size_t *ret_count) {
    clock_ends_pick(ends);
    struct clocks_packet *packets = calloc(ends->count / 2 + 1, sizeof *packets);
    size_t count = 0;
    if (!packets) return -ENOMEM;
    if (ends->count) qsort(ends->items, ends->count, sizeof *ends->items, compare_keys);
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

void clock_ends_clear(struct clock_ends *ends) {
    ends->count = 0;
    ends->is_cut = false;
}

void clock_ends_fini(struct clock_ends *ends) {
    free(ends->items);
    *ends = (struct clock_ends){0};
}
