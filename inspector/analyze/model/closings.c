/* SPDX-License-Identifier: MIT */
#include "closings.h"

#include "analyze_thresholds.h"
#include "node_states.h"
#include "numbers.h"

#include <errno.h>
#include <p2ptrace/event.h>
#include <stdlib.h>

#define AT_ONCE_PART 10 /* of a silence: what is received up to 1/N of it after its end was read at its end */

static int compare_places(const struct closing *a, const struct closing *b) {
    int order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    return order ? order : compare_numbers(a->time_ns, b->time_ns);
}

static int compare_closings(const void *left, const void *right) { return compare_places(left, right); }

/* The number of closings that sort up to these. */
static size_t rank_of(const struct closings *closings, unsigned node, unsigned peer, uint64_t time_ns) {
    const struct closing key = {.node = node, .peer = peer, .time_ns = time_ns};
    size_t low = 0, high = closings->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_places(&closings->items[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last time up to which a node closed a connection with a peer; NULL if it did not. */
static struct closing *last_closing(const struct closings *closings, unsigned node, unsigned peer, uint64_t time_ns) {
    size_t rank = rank_of(closings, node, peer, time_ns);
    struct closing *closing = rank ? &closings->items[rank - 1] : NULL;
    return closing && closing->node == node && closing->peer == peer ? closing : NULL;
}

/* Did a node close a connection with a peer after the one time, and up to the other? */
static bool was_closed(const struct closings *closings, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    const struct closing *last = last_closing(closings, node, peer, to_ns);
    return last && last->time_ns > from_ns;
}

/* The first time after that at which a node closed a connection with a peer; NULL if it did not. */
static struct closing *next_closing(const struct closings *closings, unsigned node, unsigned peer, uint64_t time_ns) {
    size_t rank = rank_of(closings, node, peer, time_ns);
    struct closing *closing = rank < closings->count ? &closings->items[rank] : NULL;
    return closing && closing->node == node && closing->peer == peer ? closing : NULL;
}

static void add_heard(const struct closings *closings, const struct fact *fact) {
    struct closing *before = last_closing(closings, fact->node, fact->peer, fact->time_ns);
    struct closing *after = next_closing(closings, fact->node, fact->peer, fact->time_ns);
    if (before) before->again_ns = least(before->again_ns, fact->time_ns);
    if (after) after->heard_ns = fact->time_ns;
}

/* Something that the other end did.  It has a new connection if it says so, sends an Initial packet, or numbers its packets
 * anew. */
static void add_peers(const struct closings *closings, const struct fact *fact) {
    struct closing *before = last_closing(closings, fact->peer, fact->node, fact->time_ns);
    struct closing *after = next_closing(closings, fact->peer, fact->node, fact->time_ns);
    bool numbered = fact->kind == FACT_PACKET_SENT && fact->space == TRACE_SPACE_1RTT;
    bool opens = numbered ? before && fact->number <= before->number
                          : fact->kind != FACT_PACKET_SENT || fact->space == TRACE_SPACE_INITIAL;
    if (before && opens) before->again_ns = least(before->again_ns, fact->time_ns);
    if (before && numbered) before->number = fact->number;
    if (after && numbered) after->number = fact->number;
}

static void list_closings(struct closings *closings, const struct facts *facts) {
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_CONN_CLOSED && fact->peer != NO_NUMBER)
            closings->items[closings->count++] = (struct closing){.node = fact->node,
                                                                  .peer = fact->peer,
                                                                  .time_ns = fact->time_ns,
                                                                  .by_peer = fact->by_peer,
                                                                  .again_ns = UINT64_MAX};
    }
    if (closings->count) qsort(closings->items, closings->count, sizeof *closings->items, compare_closings);
    for (size_t i = 0; i < facts->count && closings->count; i++) {
        const struct fact *fact = &facts->items[i];
        bool opened = fact->kind == FACT_CONN_INIT || fact->kind == FACT_CONN_ESTABLISHED;
        if ((fact_is_traffic(fact) && !fact_sends(fact)) || fact->kind == FACT_CONN_ESTABLISHED) add_heard(closings, fact);
        if (fact->kind == FACT_PACKET_SENT || opened) add_peers(closings, fact);
    }
}

/* Counting sort: facts are in time order. */
static void list_events(struct closings *closings, const struct facts *facts, unsigned nodes) {
    for (size_t i = 0; i < facts->count; i++) closings->begins[facts->items[i].node + 1]++;
    for (unsigned i = 0; i < nodes; i++) closings->begins[i + 1] += closings->begins[i];
    for (size_t i = facts->count; i-- > 0;) closings->events[--closings->begins[facts->items[i].node + 1]] = i;
    for (unsigned i = 0; i < nodes; i++) closings->begins[i] = closings->begins[i + 1];
    closings->begins[nodes] = facts->count;
}

int closings_init(struct closings *closings, const struct facts *facts) {
    unsigned nodes = intern_count(&facts->nodes);
    size_t count = 0;
    for (size_t i = 0; i < facts->count; i++) count += facts->items[i].kind == FACT_CONN_CLOSED;
    *closings = (struct closings){.facts = facts,
                                  .items = calloc(count + 1, sizeof *closings->items),
                                  .events = calloc(facts->count + 1, sizeof *closings->events),
                                  .begins = calloc(nodes + 2, sizeof *closings->begins)};
    if (!closings->items || !closings->events || !closings->begins) return -ENOMEM;
    list_closings(closings, facts);
    list_events(closings, facts, nodes);
    return 0;
}

void closings_fini(struct closings *closings) {
    free(closings->items);
    free(closings->events);
    free(closings->begins);
    *closings = (struct closings){0};
}

static uint64_t event_ns(const struct closings *closings, size_t place) {
    return closings->facts->items[closings->events[place]].time_ns;
}

/* The time without events of a node in which that time lies: from its last event up to that time to its next one; UINT64_MAX: it
 * has none.  False: it has no event before. */
static bool find_silence(const struct closings *closings, unsigned node, uint64_t time_ns, uint64_t *ret_from_ns,
                         uint64_t *ret_to_ns) {
    size_t low = closings->begins[node], high = closings->begins[node + 1], begin = low, end = high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (event_ns(closings, middle) <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == begin) return false;
    *ret_from_ns = event_ns(closings, low - 1);
    *ret_to_ns = low < end ? event_ns(closings, low) : UINT64_MAX;
    return true;
}

/* Did a node close a connection with a peer, to which the peer may still send?  If the peer closed it as well, what it sends
 * after that is of a new one.  The last that the node heard may have been the close itself. */
static bool is_closed(const struct closings *closings, unsigned node, unsigned peer, uint64_t sent_ns) {
    const struct closing *closing = last_closing(closings, node, peer, sent_ns);
    if (!closing || closing->again_ns <= sent_ns) return false;
    uint64_t since_ns = closing->heard_ns - (closing->by_peer ? least(closing->heard_ns, UNDER_WAY_NS_MAX) : 0);
    return !was_closed(closings, peer, node, since_ns, sent_ns);
}

bool closings_before(const struct closings *closings, unsigned from, unsigned to, uint64_t sent_ns) {
    return is_closed(closings, to, from, sent_ns);
}

/* Did the receiver no longer have the connection when it went on after a silence?  If it had, it would have read what had come
 * meanwhile; and it reports that it closes one, as it reports packets, unless events of it are missing. */
static bool had_lost_it(const struct closings *closings, unsigned from, unsigned to, uint64_t sent_ns, uint64_t silent_from_ns,
                        uint64_t silent_to_ns) {
    uint64_t edge_ns = silent_to_ns == UINT64_MAX ? 0 : (silent_to_ns - silent_from_ns) / AT_ONCE_PART;
    if (was_closed(closings, to, from, sent_ns, silent_to_ns + edge_ns)) return true;
    bool hidden = silent_to_ns == UINT64_MAX || facts_gap(closings->facts, to, silent_from_ns, silent_to_ns + edge_ns);
    return hidden && was_closed(closings, from, to, sent_ns, silent_to_ns);
}

bool closings_explain(const struct closings *closings, unsigned from, unsigned to, uint64_t sent_ns) {
    uint64_t from_ns, to_ns;
    if (closings_before(closings, from, to, sent_ns)) return true;
    if (!closings->count || !find_silence(closings, to, sent_ns, &from_ns, &to_ns) || to_ns - from_ns < STALL_NS_MIN)
        return false;
    return had_lost_it(closings, from, to, sent_ns, from_ns, to_ns);
}

bool closings_read_late(const struct closings *closings, unsigned to, uint64_t sent_ns, uint64_t received_ns) {
    uint64_t from_ns, to_ns;
    if (!find_silence(closings, to, sent_ns, &from_ns, &to_ns) || to_ns - from_ns < STALL_NS_MIN) return false;
    return received_ns >= to_ns && received_ns - to_ns <= (to_ns - from_ns) / AT_ONCE_PART;
}
