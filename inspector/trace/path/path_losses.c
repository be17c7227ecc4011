/* SPDX-License-Identifier: MIT */
#include "path_losses.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

struct waits {
    const struct wait *items;
    size_t count;
    size_t *untimed; /* how many of those before each are untimed */
    size_t *by_link; /* those for links and peers, by link, in time order */
    size_t link_count;
};

/* A wait for a link; or for a peer without events, which includes the link to it. */
static bool is_for_link(const struct wait *wait) { return wait->kind == WAIT_LINK || wait->kind == WAIT_PEER; }

static int compare_link(const struct wait *wait, unsigned from, unsigned to) {
    int order = compare_numbers(wait->node, from);
    return order ? order : compare_numbers(wait->peer, to);
}

static int compare_by_link(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct wait *waits = items;
    int order = compare_link(&waits[i], waits[j].node, waits[j].peer);
    return order ? order : compare_numbers(i, j);
}

static int waits_init(struct waits *waits, const struct wait *items, size_t count) {
    *waits = (struct waits){.items = items,
                            .count = count,
                            .untimed = calloc(count + 1, sizeof *waits->untimed),
                            .by_link = calloc(count + 1, sizeof *waits->by_link)};
    if (!waits->untimed || !waits->by_link) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        waits->untimed[i + 1] = waits->untimed[i] + items[i].untimed;
        if (is_for_link(&items[i])) waits->by_link[waits->link_count++] = i;
    }
    qsort_r(waits->by_link, waits->link_count, sizeof *waits->by_link, compare_by_link, (void *)items);
    return 0;
}

static void waits_fini(struct waits *waits) {
    free(waits->untimed);
    free(waits->by_link);
}

/* The first wait that ends at or after a time. */
static size_t first_until(const struct waits *waits, uint64_t time_ns) {
    size_t low = 0, high = waits->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (waits->items[middle].to_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The place in by_link of the first wait for a link that ends at or after a time; it may be one of another link. */
static size_t first_of_link(const struct waits *waits, unsigned from, unsigned to, uint64_t time_ns) {
    size_t low = 0, high = waits->link_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct wait *wait = &waits->items[waits->by_link[middle]];
        int order = compare_link(wait, from, to);
        if (order < 0 || (!order && wait->to_ns < time_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The wait at a place in by_link; NULL if it is for another link. */
static const struct wait *wait_of_link(const struct waits *waits, size_t place, unsigned from, unsigned to) {
    const struct wait *wait = place < waits->link_count ? &waits->items[waits->by_link[place]] : NULL;
    return wait && !compare_link(wait, from, to) ? wait : NULL;
}

/* Does anything in that time depend on a step of the clock? */
static bool is_timed(const struct waits *waits, const struct facts *facts, uint64_t from_ns, uint64_t to_ns) {
    size_t first = first_until(waits, from_ns), end = first_until(waits, to_ns);
    while (end < waits->count && waits->items[end].from_ns <= to_ns) end++;
    return facts_steady(facts, from_ns, to_ns) && waits->untimed[end] == waits->untimed[first];
}

/* Is it known of all packets of its link and space which of them repeat it? */
static bool repeats_known(const struct messages *messages, const struct message *of) {
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        if (message->repeats_unknown && message->from == of->from && message->to == of->to && message->space == of->space)
            return false;
    }
    return true;
}

/* When the wait for a link that was going on at a moment ended; that moment if there was no such wait. */
static uint64_t waited_until(const struct waits *waits, unsigned from, unsigned to, uint64_t at_ns) {
    const struct wait *wait = wait_of_link(waits, first_of_link(waits, from, to, at_ns + 1), from, to);
    return wait && wait->from_ns <= at_ns ? wait->to_ns : at_ns;
}

/* How long the request waited for the link between two times.  Only waits that lasted until the packet was sent again count:
 * one that ended before was not due to the loss. */
static uint64_t waited_on_link(const struct waits *waits, unsigned from, unsigned to, uint64_t from_ns, uint64_t again_ns,
                               uint64_t to_ns) {
    uint64_t ns = 0;
    const struct wait *wait;
    for (size_t i = first_of_link(waits, from, to, again_ns); (wait = wait_of_link(waits, i, from, to)) && wait->from_ns < to_ns;
         i++) {
        uint64_t begin_ns = greatest(wait->from_ns, from_ns), end_ns = least(wait->to_ns, to_ns);
        if (begin_ns < end_ns) ns += end_ns - begin_ns;
    }
    return ns;
}

static int compare_losses(const void *left, const void *right) {
    const struct loss_wait *a = left, *b = right;
    if (a->ns != b->ns) return a->ns > b->ns ? -1 : 1;
    return compare_numbers(a->first_lost, b->first_lost);
}

int path_losses_find(struct loss_wait **ret_losses, size_t *ret_count, const struct wait *waits_of, size_t wait_count,
                     const struct messages *messages, const struct trace_events *events) {
    struct waits waits;
    size_t *repeated_by = calloc(messages->count + 1, sizeof *repeated_by), count = 0;
    struct loss_wait *losses = *ret_losses = calloc(messages->count + 1, sizeof *losses);
    bool all_known = true;
    if (waits_init(&waits, waits_of, wait_count) || !repeated_by || !losses) {
        waits_fini(&waits);
        free(repeated_by);
        return -ENOMEM;
    }
    for (size_t i = 0; i < messages->count; i++) {
        all_known &= !messages->items[i].repeats_unknown;
        if (messages->items[i].replaces != NO_EVENT) repeated_by[messages->items[i].replaces] = i + 1;
    }
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *first = &messages->items[i], *last = first;
        if (first->kind != MESSAGE_PACKET || !repeated_by[i] || first->replaces != NO_EVENT) continue;
        struct loss_wait loss = {.from = first->from,
                                 .to = first->to,
                                 .space = first->space,
                                 .first_number = first->number,
                                 .first_lost = first->send};
        for (size_t at = i; repeated_by[at] && loss.lost_count < messages->count; loss.lost_count++)
            at = repeated_by[at] - 1, last = &messages->items[at];
        uint64_t again_ns = trace_event_at(events, last->send)->time_ns, end_ns;
        loss.repeat_number = last->number;
        loss.gone = last->lost != NO_EVENT && last->receive == NO_EVENT;
        loss.lost_count += loss.gone;
        end_ns = last->receive != NO_EVENT ? trace_event_at(events, last->receive)->time_ns
                 : loss.gone               ? waited_until(&waits, loss.from, loss.to, again_ns)
                                           : again_ns;
        uint64_t from_ns = trace_event_at(events, first->send)->time_ns;
        if (!is_timed(&waits, events->facts, from_ns, end_ns) || !(all_known || repeats_known(messages, first))) continue;
        loss.ns = waited_on_link(&waits, loss.from, loss.to, from_ns, again_ns, end_ns);
        if (loss.ns) losses[count++] = loss;
    }
    qsort(losses, count, sizeof *losses, compare_losses);
    waits_fini(&waits);
    free(repeated_by);
    *ret_count = count;
    return 0;
}
