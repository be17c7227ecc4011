/* SPDX-License-Identifier: MIT */
#include "path_losses.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

struct waits {
    const struct wait *items;
    size_t count;
};

/* A wait for a link; or for a peer without events, which includes the link to it. */
static bool is_on_link(const struct wait *wait, unsigned from, unsigned to) {
    return (wait->kind == WAIT_LINK || wait->kind == WAIT_PEER) && wait->node == from && wait->peer == to;
}

/* Does anything in that time depend on a step of the clock? */
static bool is_timed(const struct waits *waits, const struct facts *facts, uint64_t from_ns, uint64_t to_ns) {
    bool timed = facts_steady(facts, from_ns, to_ns);
    for (size_t i = 0; i < waits->count && timed; i++) {
        const struct wait *wait = &waits->items[i];
        timed = !wait->untimed || wait->to_ns < from_ns || wait->from_ns > to_ns;
    }
    return timed;
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
    for (size_t i = 0; i < waits->count; i++) {
        const struct wait *wait = &waits->items[i];
        if (is_on_link(wait, from, to) && wait->from_ns <= at_ns && at_ns < wait->to_ns) return wait->to_ns;
    }
    return at_ns;
}

/* How long the request waited for the link between two times.  Only waits that lasted until the packet was sent again count:
 * one that ended before was not due to the loss. */
static uint64_t waited_on_link(const struct waits *waits, unsigned from, unsigned to, uint64_t from_ns, uint64_t again_ns,
                               uint64_t to_ns) {
    uint64_t ns = 0;
    for (size_t i = 0; i < waits->count; i++) {
        const struct wait *wait = &waits->items[i];
        uint64_t begin_ns = greatest(wait->from_ns, from_ns), end_ns = least(wait->to_ns, to_ns);
        if (is_on_link(wait, from, to) && wait->to_ns >= again_ns && begin_ns < end_ns) ns += end_ns - begin_ns;
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
    const struct waits waits = {waits_of, wait_count};
    size_t *repeated_by = calloc(messages->count + 1, sizeof *repeated_by), count = 0;
    struct loss_wait *losses = *ret_losses = calloc(messages->count + 1, sizeof *losses);
    if (!repeated_by || !losses) {
        free(repeated_by);
        return -ENOMEM;
    }
    for (size_t i = 0; i < messages->count; i++)
        if (messages->items[i].replaces != NO_EVENT) repeated_by[messages->items[i].replaces] = i + 1;
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
        if (!is_timed(&waits, events->facts, from_ns, end_ns) || !repeats_known(messages, first)) continue;
        loss.ns = waited_on_link(&waits, loss.from, loss.to, from_ns, again_ns, end_ns);
        if (loss.ns) losses[count++] = loss;
    }
    qsort(losses, count, sizeof *losses, compare_losses);
    free(repeated_by);
    *ret_count = count;
    return 0;
}
