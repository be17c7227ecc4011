/* SPDX-License-Identifier: MIT */
#include "path_idle.h"

#include "allocation.h"
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

#define MARK_EVERY 64U /* sendings on one link */
#define IDLE_NS_MIN UINT64_C(1000000)
#define AT_ONCE_PART 10 /* of an idle time: a packet sent within 1/N of it after an arrival is a reaction to it */

/* Takes the stream bytes that arrived by that time. */
static void receive_until(struct idle_walk *walk, uint64_t time_ns) {
    for (unsigned i = 0; i < 2; i++) {
        struct idle_direction *direction = &walk->directions[i];
        while (direction->next_received < direction->received_count &&
               direction->received[direction->next_received].time_ns <= time_ns) {
            const struct transport *received = &direction->received[direction->next_received++];
            if (!received->stream) continue;
            direction->stream_received += received->bytes;
            if (walk->busy_until_ns != UINT64_MAX) walk->busy_until_ns = greatest(walk->busy_until_ns, received->time_ns);
        }
    }
}

/* The next sending of both directions; NULL at the end. */
static const struct transport *next_sent(struct idle_walk *walk, struct idle_direction **ret_direction) {
    struct idle_direction *first = NULL;
    for (unsigned i = 0; i < 2; i++) {
        struct idle_direction *direction = &walk->directions[i];
        if (direction->next_sent == direction->sent_count) continue;
        if (!first || direction->sent[direction->next_sent].position < first->sent[first->next_sent].position) first = direction;
    }
    *ret_direction = first;
    return first ? &first->sent[first->next_sent++] : NULL;
}

static bool is_under_way(const struct idle_walk *walk) {
    bool under_way = walk->busy_until_ns == UINT64_MAX;
    for (unsigned i = 0; i < 2; i++)
        under_way |= walk->directions[i].missing || walk->directions[i].stream_sent > walk->directions[i].stream_received;
    return under_way;
}

/* A packet that arrived acknowledges what had come the other way before it was sent. */
static void take_acknowledgement(struct idle_walk *walk, const struct idle_direction *direction, const struct transport *sent) {
    struct idle_direction *back = &walk->directions[direction == walk->directions];
    if (sent->stream || sent->other_ns == UINT64_MAX) return;
    if (back->acked_ns == UINT64_MAX && sent->time_ns >= back->arrived_ns) back->acked_ns = sent->other_ns;
}

static void take_sent(struct idle_walk *walk, struct idle_direction *direction, const struct transport *sent) {
    if (sent->stream) {
        direction->stream_sent += sent->bytes;
        return;
    }
    bool arrived = sent->other_ns != UINT64_MAX;
    if (sent->repeat && direction->missing) direction->missing--;
    direction->missing += !arrived;
    direction->last_ns = sent->time_ns;
    direction->acked_ns = UINT64_MAX;
    if (!arrived) return;
    direction->arrived_ns = greatest(direction->arrived_ns, sent->other_ns);
    walk->busy_until_ns = walk->busy_until_ns == UINT64_MAX ? sent->other_ns : greatest(walk->busy_until_ns, sent->other_ns);
    walk->signal.node = NO_NUMBER;
}

/* Who ended the idle time before this was sent?  If the sender had just received a signal, the other node did; but not if that
 * signal was the acknowledgement of what had been sent before. */
static struct idle idle_before(const struct idle_walk *walk, const struct idle_direction *direction,
                               const struct transport *sent) {
    const struct idle_signal *signal = &walk->signal;
    struct idle idle = {.from_ns = greatest(walk->busy_until_ns, walk->from_ns),
                        .to_ns = least(sent->time_ns, walk->to_ns),
                        .node = sent->node,
                        .sender = sent->node,
                        .last_ns = direction->last_ns,
                        .acked_ns = direction->acked_ns};
    bool answers = signal->node == sent->peer && signal->received_ns != direction->acked_ns && sent->time_ns > idle.from_ns &&
                   signal->received_ns <= sent->time_ns &&
                   sent->time_ns - signal->received_ns <= (sent->time_ns - idle.from_ns) / AT_ONCE_PART;
    if (answers) {
        idle.node = signal->node;
        idle.to_ns = least(signal->sent_ns, walk->to_ns);
    }
    return idle;
}

/* Takes the next sending.  Returns whether an idle time ended before it. */
static bool walk_on(struct idle_walk *walk, struct idle_direction *direction, const struct transport *sent,
                    struct idle *ret_idle) {
    receive_until(walk, sent->time_ns);
    take_acknowledgement(walk, direction, sent);
    if (!sent->stream && sent->other_ns != UINT64_MAX)
        direction->all_arrived_ns = greatest(direction->all_arrived_ns, sent->other_ns);
    direction->open |= !sent->stream && sent->other_ns == UINT64_MAX && !sent->lost;
    if (transport_is_small(sent, UINT64_MAX)) {
        if (sent->other_ns != UINT64_MAX) walk->signal = (struct idle_signal){sent->node, sent->time_ns, sent->other_ns};
        return false;
    }
    bool idled = !is_under_way(walk);
    if (idled) *ret_idle = idle_before(walk, direction, sent);
    take_sent(walk, direction, sent);
    return idled && ret_idle->to_ns >= ret_idle->from_ns + IDLE_NS_MIN;
}

bool idle_walk_next(struct idle_walk *walk, struct idle *ret_idle) {
    struct idle_direction *direction;
    const struct transport *sent;
    while ((sent = next_sent(walk, &direction))) {
        if (!walk_on(walk, direction, sent, ret_idle)) continue;
        walk->from_ns = ret_idle->to_ns; /* where stream bytes are missing, the next one could overlap */
        return true;
    }
    return false;
}

uint64_t idle_walk_end(struct idle_walk *walk) {
    const struct idle_direction *there = &walk->directions[0];
    receive_until(walk, walk->to_ns);
    if (is_under_way(walk) || there->open) return walk->to_ns;
    uint64_t arrived_ns = greatest(greatest(walk->from_ns, walk->busy_until_ns), there->all_arrived_ns);
    return arrived_ns + IDLE_NS_MIN <= walk->to_ns ? arrived_ns : walk->to_ns;
}

/* ---- where walks begin ---- */

/* All that two nodes sent each other up to a time. */
static void list_sent(struct idle_walk *walk, const struct transports *transports, unsigned from, unsigned to, uint64_t to_ns) {
    for (unsigned i = 0; i < 2; i++) {
        struct idle_direction *direction = &walk->directions[i];
        unsigned sender = i ? to : from, receiver = i ? from : to;
        direction->sent = transports_of_link(transports, sender, receiver, false, 0, to_ns, &direction->sent_count);
        direction->received = transports_of_link(transports, receiver, sender, true, 0, to_ns, &direction->received_count);
    }
}

static int mark_link(struct idle_marks *marks, unsigned from, unsigned to) {
    struct idle_walk walk = {.to_ns = UINT64_MAX, .busy_until_ns = UINT64_MAX, .signal.node = NO_NUMBER};
    struct idle_direction *direction;
    const struct transport *sent;
    struct idle idle;
    size_t count = 0;
    list_sent(&walk, marks->transports, from, to, UINT64_MAX);
    while ((sent = next_sent(&walk, &direction))) {
        (void)walk_on(&walk, direction, sent, &idle);
        if (++count % MARK_EVERY) continue;
        struct idle_mark *items = memory_room(marks->items, marks->count, &marks->capacity, sizeof *items);
        if (!items) return -ENOMEM;
        marks->items = items;
        marks->items[marks->count++] = (struct idle_mark){{from, to}, sent->time_ns, walk};
    }
    return 0;
}

static int compare_marks(const struct idle_mark *a, const struct idle_mark *b) {
    int order = compare_numbers(a->nodes[0], b->nodes[0]);
    if (!order) order = compare_numbers(a->nodes[1], b->nodes[1]);
    return order ? order : compare_numbers(a->time_ns, b->time_ns);
}

static int compare_any_marks(const void *left, const void *right) { return compare_marks(left, right); }

static bool has_link(const struct transports *transports, unsigned node, unsigned peer) {
    size_t sent, received;
    transports_of_link(transports, node, peer, false, 0, UINT64_MAX, &sent);
    transports_of_link(transports, node, peer, true, 0, UINT64_MAX, &received);
    return sent || received;
}

int idle_marks_init(struct idle_marks *marks, const struct transports *transports) {
    const struct transport *items = transports->by_link;
    *marks = (struct idle_marks){.transports = transports};
    for (size_t begin = 0, end; begin < transports->count; begin = end) {
        unsigned node = items[begin].node, peer = items[begin].peer;
        for (end = begin; end < transports->count && items[end].node == node && items[end].peer == peer;) end++;
        bool other_way = node > peer && !has_link(transports, peer, node); /* otherwise it was marked there */
        if (peer != NO_NUMBER && (node < peer || other_way) &&
            mark_link(marks, node < peer ? node : peer, node < peer ? peer : node))
            return -ENOMEM;
    }
    if (marks->count) qsort(marks->items, marks->count, sizeof *marks->items, compare_any_marks);
    return 0;
}

void idle_marks_fini(struct idle_marks *marks) {
    free(marks->items);
    *marks = (struct idle_marks){0};
}

/* The last mark of a link up to that time; NULL if there is none. */
static const struct idle_mark *last_mark(const struct idle_marks *marks, unsigned from, unsigned to, uint64_t time_ns) {
    const struct idle_mark key = {.nodes = {from < to ? from : to, from < to ? to : from}, .time_ns = time_ns};
    size_t low = 0, high = marks->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_marks(&marks->items[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct idle_mark *mark = low ? &marks->items[low - 1] : NULL;
    return mark && mark->nodes[0] == key.nodes[0] && mark->nodes[1] == key.nodes[1] ? mark : NULL;
}

void idle_walk_init(struct idle_walk *walk, const struct idle_marks *marks, unsigned from, unsigned to, uint64_t from_ns,
                    uint64_t to_ns) {
    const struct idle_mark *mark = last_mark(marks, from, to, from_ns);
    *walk = (struct idle_walk){.busy_until_ns = UINT64_MAX, .signal.node = NO_NUMBER};
    if (to_ns >= from_ns + IDLE_NS_MIN) {
        if (mark) *walk = mark->walk;
        if (mark && from > to) {
            walk->directions[0] = mark->walk.directions[1];
            walk->directions[1] = mark->walk.directions[0];
        }
        list_sent(walk, marks->transports, from, to, to_ns);
    }
    walk->from_ns = from_ns;
    walk->to_ns = to_ns;
}
