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

bool fact_says_something(const struct fact *fact) { return fact_is_traffic(fact) && !fact_is_small(fact); }

const struct fact *facts_first_said(const struct facts *facts, unsigned node, unsigned peer, bool sent, uint64_t from_ns,
                                    uint64_t to_ns) {
    struct fact_walk walk = facts_walk(facts, from_ns, to_ns);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk)))
        if (fact->node == node && fact->peer == peer && fact_sends(fact) == sent && fact_says_something(fact)) return fact;
    return NULL;
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

/* The sendings of one link and space, and where to search in them: from N on, the first that may repeat a lost one; the same of
 * those that are no small packets beside any other; and the next of the same size. */
struct search {
    struct sending *items;
    size_t count;
    size_t *free, *large, *alike;
    size_t *by_size;      /* room */
    size_t last_received; /* behind the last one that arrived */
    bool bytes_known;
};

static bool is_candidate(const struct sending *sending) {
    return sending->message != NO_EVENT && !sending->fresh && !sending->taken;
}

/* Of unknown size, or too large to be small beside another. */
static bool is_large(const struct sending *sending) { return !sending->bytes || sending->bytes > SMALL_BYTES_MAX; }

/* Follows and shortens the links of places that are none any more. */
static size_t first_from(const struct search *search, size_t *next, size_t from, bool large) {
    size_t found = from, step;
    while (found < search->count && !(is_candidate(&search->items[found]) && (!large || is_large(&search->items[found]))))
        found = next[found];
    for (; from < found; from = step) {
        step = next[from];
        next[from] = found;
    }
    return found;
}

static int compare_sizes(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct sending *a = (struct sending *)items + i, *b = (struct sending *)items + j;
    int order = compare_numbers(a->bytes, b->bytes);
    return order ? order : compare_numbers(i, j);
}

static void search_begin(struct search *search, const struct messages *messages) {
    search->last_received = 0;
    for (size_t i = 0; i < search->count; i++) {
        search->free[i] = search->large[i] = i + 1;
        search->by_size[i] = i;
        size_t message = search->items[i].message;
        if (message != NO_EVENT && messages->items[message].receive != NO_EVENT) search->last_received = i + 1;
    }
    qsort_r(search->by_size, search->count, sizeof *search->by_size, compare_sizes, search->items);
    for (size_t i = 0; i < search->count; i++) {
        size_t next = i + 1 < search->count ? search->by_size[i + 1] : search->count;
        bool same = next < search->count && search->items[next].bytes == search->items[search->by_size[i]].bytes;
        search->alike[search->by_size[i]] = same ? next : search->count;
    }
}

enum repeats { REPEATS_NO, REPEATS_YES, REPEATS_UNKNOWN };

/* May a packet of the same size, sent before the loss was declared, repeat it? */
static enum repeats probe_could_repeat(const struct search *search, const struct facts *facts, const struct sending *sending,
                                       const struct sending *lost) {
    if (lost->space >= TRACE_SPACE_1RTT) return search->bytes_known ? REPEATS_YES : REPEATS_NO;
    if (sending->time_ns > lost->time_ns + FLIGHT_NS_MAX) return REPEATS_YES;
    return facts_steady(facts, lost->time_ns, sending->time_ns) ? REPEATS_NO : REPEATS_UNKNOWN;
}

/* Was the packet lost?  Its sender declared it lost; or, because handshake keys are soon dropped and nothing is declared
 * after that, it never arrived but a later packet of its space did. */
static bool is_lost(const struct search *search, const struct messages *messages, size_t i) {
    const struct message *message = &messages->items[search->items[i].message];
    if (message->receive != NO_EVENT) return false;
    if (message->lost != NO_EVENT || message->space == TRACE_SPACE_1RTT || message->state != MESSAGE_UNRECEIVED)
        return message->lost != NO_EVENT;
    return search->last_received > i + 1;
}

/* The first one sent after an event. */
static size_t first_behind(const struct search *search, size_t event) {
    size_t low = 0, high = search->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (search->items[middle].event <= event)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first that repeats a lost one, or of which that is unknown. */
static size_t find_repeat(const struct search *search, const struct facts *facts, size_t i, size_t declared,
                          enum repeats *ret_repeats) {
    const struct sending *lost = &search->items[i];
    size_t behind = greatest(first_behind(search, declared), i + 1), next = search->count;
    bool probes = lost->bytes && (lost->space < TRACE_SPACE_1RTT || search->bytes_known);
    *ret_repeats = REPEATS_NO;
    if (probes) next = first_from(search, search->alike, search->alike[i], false);
    for (; next < behind; next = first_from(search, search->alike, search->alike[next], false)) {
        if (packet_is_small(search->items[next].bytes, lost->bytes)) break; /* so are all of its size */
        *ret_repeats = probe_could_repeat(search, facts, &search->items[next], lost);
        if (*ret_repeats) return next;
    }
    bool large = packet_is_small(SMALL_BYTES_MAX, lost->bytes); /* any small packet is small beside it */
    next = first_from(search, large ? search->large : search->free, behind, large);
    while (next < search->count && packet_is_small(search->items[next].bytes, lost->bytes))
        next = first_from(search, search->free, next + 1, false);
    *ret_repeats = next < search->count ? REPEATS_YES : REPEATS_NO;
    return next;
}

static void mark_repeated(struct messages *messages, const struct facts *facts, struct search *search) {
    search_begin(search, messages);
    for (size_t i = 0; i < search->count; i++) {
        enum repeats repeats;
        if (search->items[i].message == NO_EVENT || !is_lost(search, messages, i)) continue;
        struct message *lost = &messages->items[search->items[i].message];
        size_t next = find_repeat(search, facts, i, lost->lost, &repeats);
        lost->repeats_unknown = repeats == REPEATS_UNKNOWN;
        if (repeats != REPEATS_YES) continue;
        search->items[next].taken = true;
        messages->items[search->items[next].message].replaces = search->items[i].message;
    }
}

int messages_find_repeats(struct messages *messages, const struct trace_events *events) {
    size_t room = messages->count + events->count + 1;
    struct sending *sendings = calloc(room, sizeof *sendings);
    size_t *places = calloc(4 * room, sizeof *places);
    if (!sendings || !places) {
        free(sendings);
        free(places);
        return -ENOMEM;
    }
    size_t count = list_sendings(events, messages, sendings);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && sendings[end].from == sendings[begin].from && sendings[end].to == sendings[begin].to &&
                          sendings[end].space == sendings[begin].space;)
            end++;
        struct search search = {.items = sendings + begin,
                                .count = end - begin,
                                .free = places,
                                .large = places + room,
                                .alike = places + 2 * room,
                                .by_size = places + 3 * room,
                                .bytes_known = mark_fresh(sendings + begin, end - begin)};
        mark_repeated(messages, events->facts, &search);
    }
    free(sendings);
    free(places);
    return 0;
}
