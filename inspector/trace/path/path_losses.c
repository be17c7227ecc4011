/* SPDX-License-Identifier: MIT */
#include "path_losses.h"

#include "numbers.h"

#include <errno.h>
#include <p2ptrace/event.h>
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

/* By the request first, then by what it caused; the longest first. */
static int compare_losses(const void *left, const void *right) {
    const struct loss_wait *a = left, *b = right;
    int order = compare_numbers(a->after, b->after);
    if (!order) order = compare_numbers(b->ns, a->ns);
    return order ? order : compare_numbers(a->first_lost, b->first_lost);
}

/* The losses found so far. */
struct losses {
    struct loss_wait *items;
    size_t count;
    const struct waits *waits; /* within the request, or after it */
    bool after;
    const struct messages *messages;
    const struct trace_events *events;
};

/* Adds a loss if the request waited because of it. */
static void add_loss(struct losses *losses, struct loss_wait loss, uint64_t from_ns, uint64_t again_ns, uint64_t end_ns) {
    if (!is_timed(losses->waits, losses->events->facts, from_ns, end_ns)) return;
    loss.ns = waited_on_link(losses->waits, loss.from, loss.to, from_ns, again_ns, end_ns);
    loss.after = losses->after;
    if (loss.ns) losses->items[losses->count++] = loss;
}

/* ---- packets that were declared lost ---- */

static int add_declared(struct losses *losses) {
    const struct messages *messages = losses->messages;
    const struct trace_events *events = losses->events;
    size_t *repeated_by = calloc(messages->count + 1, sizeof *repeated_by);
    bool all_known = true;
    if (!repeated_by) return -ENOMEM;
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
                 : loss.gone               ? waited_until(losses->waits, loss.from, loss.to, again_ns)
                                           : again_ns;
        if (all_known || repeats_known(messages, first))
            add_loss(losses, loss, trace_event_at(events, first->send)->time_ns, again_ns, end_ns);
    }
    free(repeated_by);
    return 0;
}

/* ---- messages, and packets that keep their number, that were sent again ---- */

#define CHAINS_MAX 32U /* sent on one way, and not arrived */

/* One end of a message. */
struct end {
    const struct message *message;
    size_t position;
    bool sent;
};

/* A message and its copies, which has not arrived. */
struct chain {
    struct loss_wait loss;
    unsigned command;
    uint64_t from_ns, again_ns;
};

static int compare_ends(const void *left, const void *right) {
    const struct end *a = left, *b = right;
    int order = compare_numbers(a->message->from, b->message->from);
    if (!order) order = compare_numbers(a->message->to, b->message->to);
    if (!order) order = compare_numbers(a->message->space, b->message->space);
    return order ? order : compare_numbers(a->position, b->position);
}

static size_t list_ends(struct end *ends, const struct losses *losses) {
    size_t count = 0;
    for (size_t i = 0; i < losses->messages->count; i++) {
        const struct message *message = &losses->messages->items[i];
        if (!message_has_number(message) || message->space <= TRACE_SPACE_1RTT || message->state == MESSAGE_DUPLICATE) continue;
        if (!node_clocks_comparable(&losses->events->facts->clocks, message->from, message->to, NULL)) continue;
        if (message->send != NO_EVENT) ends[count++] = (struct end){message, message->send, true};
        if (message->receive != NO_EVENT) ends[count++] = (struct end){message, message->receive, false};
    }
    qsort(ends, count, sizeof *ends, compare_ends);
    return count;
}

/* The newest chain with that number; or else, of messages, with that type: a copy may have a new id. */
static size_t find_chain(const struct chain *chains, size_t count, const struct message *message, unsigned command) {
    for (size_t i = count; i-- > 0;)
        if (chains[i].loss.first_number == message->number || chains[i].loss.repeat_number == message->number) return i;
    for (size_t i = count; i-- > 0 && message->kind == MESSAGE_OWN && command != NO_NUMBER;)
        if (chains[i].command == command) return i;
    return count;
}

static size_t drop_chain(struct chain *chains, size_t count, size_t which) {
    for (size_t i = which; i + 1 < count; i++) chains[i] = chains[i + 1];
    return count - 1;
}

static size_t take_sent(struct chain *chains, size_t count, const struct end *end, const struct fact *fact) {
    const struct message *message = end->message;
    size_t found = find_chain(chains, count, message, fact->again ? fact->command : NO_NUMBER);
    if (fact->again && found < count) {
        chains[found].loss.lost_count++;
        chains[found].loss.repeat_number = message->number;
        chains[found].again_ns = fact->time_ns;
        return count;
    }
    if (fact->again) return count; /* we do not have the first one */
    if (found < count) count = drop_chain(chains, count, found);
    if (count == CHAINS_MAX) count = drop_chain(chains, count, 0);
    chains[count] = (struct chain){.loss = {.from = message->from,
                                            .to = message->to,
                                            .space = message->space,
                                            .first_number = message->number,
                                            .repeat_number = message->number,
                                            .first_lost = end->position,
                                            .again = true},
                                   .command = fact->command,
                                   .from_ns = fact->time_ns};
    return count + 1;
}

/* Did packets show a loss on that way?  They carry the messages. */
static bool has_declared(const struct losses *losses, const struct message *message) {
    for (size_t i = 0; i < losses->count; i++)
        if (!losses->items[i].again && losses->items[i].from == message->from && losses->items[i].to == message->to) return true;
    return false;
}

/* Of one way and transport.  Nobody declares these lost: if a copy arrives only after it was sent again, the first one was lost,
 * or is that late. */
static void add_again(struct losses *losses, const struct end *ends, size_t count) {
    struct chain chains[CHAINS_MAX];
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fact *fact = trace_event_at(losses->events, ends[i].position);
        if (ends[i].sent) {
            open = take_sent(chains, open, &ends[i], fact);
            continue;
        }
        size_t found = find_chain(chains, open, ends[i].message, NO_NUMBER);
        if (found == open) continue;
        const struct chain *chain = &chains[found];
        if (chain->loss.lost_count && !has_declared(losses, ends[i].message))
            add_loss(losses, chain->loss, chain->from_ns, chain->again_ns, fact->time_ns);
        open = drop_chain(chains, open, found);
    }
}

static int add_sent_again(struct losses *losses) {
    struct end *ends = calloc(2 * losses->messages->count + 1, sizeof *ends);
    if (!ends) return -ENOMEM;
    size_t count = list_ends(ends, losses);
    for (size_t begin = 0, end; begin < count; begin = end) {
        const struct message *first = ends[begin].message;
        for (end = begin; end < count && ends[end].message->from == first->from && ends[end].message->to == first->to &&
                          ends[end].message->space == first->space;)
            end++;
        add_again(losses, ends + begin, end - begin);
    }
    free(ends);
    return 0;
}

/* ---- all ---- */

static int find_within(struct losses *losses, const struct wait *items, size_t count) {
    struct waits waits;
    int result = waits_init(&waits, items, count);
    losses->waits = &waits;
    if (!result) result = add_declared(losses) || add_sent_again(losses) ? -ENOMEM : 0;
    waits_fini(&waits);
    return result;
}

int path_losses_find(struct loss_wait **ret_losses, size_t *ret_count, const struct wait *waits, size_t within, size_t count,
                     const struct messages *messages, const struct trace_events *events) {
    struct losses losses = {
        .items = calloc(4 * messages->count + 1, sizeof *losses.items), .messages = messages, .events = events};
    *ret_losses = losses.items;
    if (!losses.items || find_within(&losses, waits, within)) return -ENOMEM;
    losses.after = true;
    if (count > within && find_within(&losses, waits + within, count - within)) return -ENOMEM;
    qsort(losses.items, losses.count, sizeof *losses.items, compare_losses);
    *ret_count = losses.count;
    return 0;
}
