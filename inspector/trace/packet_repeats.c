/* SPDX-License-Identifier: MIT
 *
 * Which packet was sent again after a loss. */
#include "packet_pairs.h"

#include "numbers.h"

#include <errno.h>
#include <p2ptrace/event.h>
#include <stdlib.h>

#define FLIGHT_NS_MAX UINT64_C(1000000) /* the packets of one flight of a handshake are sent within this time */
#define SMALL_BYTES_MAX 64              /* header, acknowledgement and tag need about 40 */

bool packet_is_small(uint64_t bytes, uint64_t beside_bytes) {
    return bytes && bytes <= SMALL_BYTES_MAX && 2 * bytes <= beside_bytes;
}

bool fact_is_small(const struct fact *fact) {
    bool packet = fact->kind == FACT_PACKET_SENT || fact->kind == FACT_PACKET_RECEIVED;
    return packet && packet_is_small(fact->bytes, UINT64_MAX);
}

/* A packet sent over a link, or new stream bytes for it. */
struct sending {
    unsigned from, to;
    unsigned space; /* of stream bytes: 1-RTT */
    size_t event;
    uint64_t time_ns;
    size_t message; /* NO_EVENT: stream bytes */
    uint64_t bytes;
    bool fresh; /* a packet with new stream bytes */
    bool taken; /* it repeats a lost packet */
};

static int compare_sendings(const void *left, const void *right) {
    const struct sending *a = left, *b = right;
    int order = compare_numbers(a->from, b->from);
    if (!order) order = compare_numbers(a->to, b->to);
    if (!order) order = compare_numbers(a->space, b->space);
    return order ? order : compare_numbers(a->event, b->event);
}

static size_t list_sendings(const struct trace_events *events, const struct messages *messages, struct sending *sendings) {
    size_t count = 0;
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        if (message->kind != MESSAGE_PACKET || message->state == MESSAGE_DUPLICATE || message->send == NO_EVENT ||
            message->space > TRACE_SPACE_1RTT)
            continue;
        sendings[count++] = (struct sending){.from = message->from,
                                             .to = message->to,
                                             .space = message->space,
                                             .event = message->send,
                                             .time_ns = trace_event_at(events, message->send)->time_ns,
                                             .message = i,
                                             .bytes = trace_event_at(events, message->send)->bytes};
    }
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->kind == FACT_STREAM_DATA && fact->sent)
            sendings[count++] = (struct sending){.from = fact->node,
                                                 .to = fact->peer,
                                                 .space = TRACE_SPACE_1RTT,
                                                 .event = i,
                                                 .time_ns = fact->time_ns,
                                                 .message = NO_EVENT};
    }
    qsort(sendings, count, sizeof *sendings, compare_sendings);
    return count;
}

/* Stream bytes belong to the packet before them, or to the next one if that one already has some: programs report them in either
 * order.  Returns whether there were any. */
static bool mark_fresh(struct sending *sendings, size_t count) {
    struct sending *last = NULL;
    bool any = false, pending = false;
    for (size_t i = 0; i < count; i++) {
        if (sendings[i].message != NO_EVENT) {
            last = &sendings[i];
            last->fresh = pending;
            pending = false;
        } else {
            pending = !last || last->fresh;
            if (last) last->fresh = true;
            any = true;
        }
    }
    return any;
}

enum repeats { REPEATS_NO, REPEATS_YES, REPEATS_UNKNOWN };

static enum repeats could_repeat(const struct facts *facts, const struct sending *sending, const struct sending *lost,
                                 size_t declared, bool bytes_known) {
    bool same = sending->bytes && sending->bytes == lost->bytes;
    if (sending->message == NO_EVENT || sending->fresh || sending->taken || packet_is_small(sending->bytes, lost->bytes))
        return REPEATS_NO;
    if (sending->event > declared || !same) return sending->event > declared ? REPEATS_YES : REPEATS_NO;
    if (lost->space >= TRACE_SPACE_1RTT) return bytes_known ? REPEATS_YES : REPEATS_NO;
    if (sending->time_ns > lost->time_ns + FLIGHT_NS_MAX) return REPEATS_YES;
    return facts_steady(facts, lost->time_ns, sending->time_ns) ? REPEATS_NO : REPEATS_UNKNOWN;
}

/* Was the packet lost?  Its sender declared it lost; or, because handshake keys are soon dropped and nothing is declared
 * after that, it never arrived but a later packet of its space did. */
static bool is_lost(const struct messages *messages, const struct sending *sendings, size_t i, size_t count) {
    const struct message *message = &messages->items[sendings[i].message];
    if (message->receive != NO_EVENT) return false;
    if (message->lost != NO_EVENT || message->space == TRACE_SPACE_1RTT || message->state != MESSAGE_UNRECEIVED)
        return message->lost != NO_EVENT;
    for (size_t k = i + 1; k < count; k++)
        if (messages->items[sendings[k].message].receive != NO_EVENT) return true;
    return false;
}

static void mark_repeated(struct messages *messages, const struct facts *facts, struct sending *sendings, size_t count,
                          bool bytes_known) {
    size_t behind = 0; /* search from here: everything before is taken or fresh */
    for (size_t i = 0; i < count; i++) {
        if (sendings[i].message == NO_EVENT) continue;
        const struct message *lost = &messages->items[sendings[i].message];
        if (!is_lost(messages, sendings, i, count)) continue;
        if (behind <= i) behind = i + 1;
        while (behind < count && (sendings[behind].message == NO_EVENT || sendings[behind].fresh || sendings[behind].taken))
            behind++;
        size_t next = behind;
        enum repeats repeats = REPEATS_NO;
        while (next < count && !(repeats = could_repeat(facts, &sendings[next], &sendings[i], lost->lost, bytes_known))) next++;
        messages->items[sendings[i].message].repeats_unknown = repeats == REPEATS_UNKNOWN;
        if (repeats != REPEATS_YES) continue;
        sendings[next].taken = true;
        messages->items[sendings[next].message].replaces = sendings[i].message;
    }
}

int messages_find_repeats(struct messages *messages, const struct trace_events *events) {
    struct sending *sendings = calloc(messages->count + events->count + 1, sizeof *sendings);
    if (!sendings) return -ENOMEM;
    size_t count = list_sendings(events, messages, sendings);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && sendings[end].from == sendings[begin].from && sendings[end].to == sendings[begin].to &&
                          sendings[end].space == sendings[begin].space;)
            end++;
        bool bytes_known = mark_fresh(sendings + begin, end - begin);
        mark_repeated(messages, events->facts, sendings + begin, end - begin, bytes_known);
    }
    free(sendings);
    return 0;
}
