/* SPDX-License-Identifier: MIT */
#include "path_exchanges.h"

#include "node_states.h"
#include "numbers.h"
#include "path_branches.h"

#define PROBE_NS_MIN UINT64_C(1000000000) /* sending again after this long, with nothing received, is a probe */
#define RELAYS_MAX 8U                     /* one behind the other, without spans */

/* One more packet to a peer that has not answered.  A transport without an acknowledgement probes its peer, doubling the
 * interval each time (RFC 9002, 6.2), and may never declare the packets lost. */
static void send_again(struct branch *exchange, const struct transport *transport) {
    uint64_t gap_ns = transport->time_ns - exchange->last_sent_ns;
    exchange->lost |= transport->lost;
    exchange->last_sent_ns = transport->time_ns;
    if (gap_ns < GIVEN_UP_NS_MIN) return; /* of one flight */
    exchange->probed |= gap_ns >= PROBE_NS_MIN || (exchange->gap_ns && 2 * gap_ns >= 3 * exchange->gap_ns);
    exchange->gap_ns = gap_ns;
}

/* May a packet have been a question to a peer without a span for it?  To a peer that also has one, other packets may belong to
 * that one's question and answer: only a loss tells. */
static bool may_ask(const struct branches *branches, const struct transport *sent) {
    return !branches_reach(branches, sent->peer) || (sent->lost && !transport_is_small(sent, UINT64_MAX));
}

/* Was it more than an acknowledgement, to a node that had ended? */
static bool is_to_ended(const struct walk *walk, const struct transport *sent) {
    const struct trace_events *events = walk->events;
    return events->states && !transport_is_small(sent, UINT64_MAX) &&
           node_states_ended(events->states, events->facts, sent->peer, sent->time_ns, sent->time_ns);
}

size_t exchanges_list(const struct walk *walk, size_t index, const struct branches *branches, uint64_t from_ns, uint64_t to_ns,
                      struct branch *first) {
    const struct span *span = &walk->spans->items[index];
    const struct transports *transports = &walk->transports;
    size_t count = 0;
    unsigned asker = walk->spans->items[index].asker;
    for (size_t i = transports_of_node(transports, span->node, from_ns); i < transports->count; i++) {
        const struct transport *transport = &transports->by_link[transports->by_node[i]];
        if (transport->node != span->node || transport->time_ns > to_ns) break;
        size_t open = count;
        while (open > 0 && !(first[open - 1].peer == transport->peer && first[open - 1].until_ns == UINT64_MAX)) open--;
        struct branch *found = open ? &first[open - 1] : NULL;
        if (transport->peer == NO_NUMBER || transport->peer == asker || transport->peer == span->node) continue;
        if (!transport->receive && !found && count < EXCHANGES_MAX && may_ask(branches, transport)) {
            first[count++] = (struct branch){.from_ns = transport->time_ns,
                                             .until_ns = UINT64_MAX,
                                             .child = NO_POSITION,
                                             .peer = transport->peer,
                                             .arrived_ns = transport->other_ns,
                                             .lost = transport->lost,
                                             .again = branches_reach(branches, transport->peer),
                                             .vain = is_to_ended(walk, transport),
                                             .last_sent_ns = transport->time_ns,
                                             .sent_ns = UINT64_MAX};
        } else if (!transport->receive && found) {
            send_again(found, transport);
        } else if (transport->receive && found && transport_is_small(transport, UINT64_MAX)) {
            found->gap_ns = 0; /* the peer is alive: later packets are not probes */
            found->probed = false;
        } else if (transport->receive && found) {
            found->until_ns = transport->time_ns;
            found->sent_ns = transport->other_ns;
        }
    }
    return count;
}

/* What a node sent to another in a time, and how much of it arrived.  Acknowledgements do not count. */
struct sent {
    size_t count, arrived;
    uint64_t last_ns;
};

static struct sent count_sent(const struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    size_t count;
    uint64_t most_bytes = 0;
    struct sent sent = {.count = 0};
    const struct transport *items = transports_of_link(&walk->transports, node, peer, false, from_ns, to_ns, &count);
    for (size_t i = 0; i < count; i++)
        if (!items[i].stream) most_bytes = greatest(most_bytes, items[i].bytes);
    for (size_t i = 0; i < count; i++) {
        if (items[i].stream || transport_is_small(&items[i], most_bytes)) continue;
        sent.count++;
        sent.arrived += items[i].other_ns != UINT64_MAX;
        sent.last_ns = items[i].time_ns;
    }
    items = transports_of_link(&walk->transports, peer, node, true, from_ns, to_ns, &count);
    for (size_t i = 0; i < count; i++) sent.arrived += !transport_is_small(&items[i], most_bytes);
    return sent;
}

/* Did a node that ran at one time report traffic up to another?  If it was started again, it numbers its events anew. */
static bool lives_on(const struct walk *walk, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    struct fact_walk facts = facts_walk(walk->events->facts, from_ns, to_ns + 1);
    const struct fact *later;
    while ((later = fact_walk_next(&facts))) {
        if (later->node != node || !fact_is_traffic(later)) continue;
        const struct fact *before = facts_last_of(walk->events->facts, node, later->lane, from_ns);
        if (before) return (int32_t)(later->sequence - before->sequence) > 0;
    }
    return false;
}

/* Did a node get anything from another in that time, in whatever trace? */
static bool got_any(const struct walk *walk, unsigned node, unsigned from, uint64_t from_ns, uint64_t to_ns) {
    struct fact_walk facts = facts_walk(walk->events->facts, from_ns, to_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&facts)))
        if (fact->node == node && fact->peer == from && fact_is_traffic(fact) && !fact_sends(fact)) return true;
    return walk->events->facts->beside_cut;
}

/* Did the link lose what a node sent to another, of which nothing arrived?  The other one must report what it receives, and have
 * gone on: otherwise it may have ended, or stood still. */
static bool was_lost(const struct walk *walk, unsigned node, unsigned peer, const struct sent *sent, uint64_t from_ns,
                     uint64_t to_ns) {
    const struct facts *facts = walk->events->facts;
    size_t received;
    transports_of_link(&walk->transports, peer, node, true, 0, UINT64_MAX, &received);
    return sent->count && received && node_clocks_comparable(&facts->clocks, node, peer, NULL) &&
           walk_is_sure(walk, node, peer) && !facts_gap(facts, peer, sent->last_ns, UINT64_MAX) &&
           lives_on(walk, peer, sent->last_ns, to_ns) && !got_any(walk, peer, node, from_ns, to_ns) &&
           !got_any(walk, node, peer, from_ns, to_ns);
}

/* What a node exchanged with another than its asker: the last that it received in a time, and the first that it had sent there.
 * Returns false if there is none. */
static bool last_exchange(const struct walk *walk, unsigned node, unsigned asker, uint64_t from_ns, uint64_t to_ns,
                          const struct transport **ret_sent, const struct transport **ret_received) {
    const struct transport_wanted wanted = {.what = TRANSPORT_PACKET, .beside_bytes = UINT64_MAX};
    struct transport_range range;
    const struct transport *received = transports_last_but(&walk->transports, node, asker, true, to_ns);
    if (!received || received->time_ns <= from_ns || received->peer == NO_NUMBER) return false;
    range.items = transports_of_link(&walk->transports, node, received->peer, true, from_ns, to_ns, &range.count);
    *ret_received = transports_find(&walk->transports, range, &wanted, true);
    range.items = transports_of_link(&walk->transports, node, received->peer, false, from_ns, to_ns, &range.count);
    *ret_sent = transports_find(&walk->transports, range, &wanted, false);
    return *ret_received && *ret_sent && (*ret_sent)->time_ns < (*ret_received)->time_ns;
}

/* Did anything come from a peer in that time that is more than an acknowledgement? */
static bool has_told(const struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    const struct transport_wanted wanted = {.what = TRANSPORT_NEW, .beside_bytes = UINT64_MAX};
    struct transport_range range;
    range.items = transports_of_link(&walk->transports, node, peer, true, from_ns, to_ns, &range.count);
    return transports_find(&walk->transports, range, &wanted, false) != NULL;
}

/* The question that a node without a span passed on in that time, to one without a span, which did not answer it.  NULL if there
 * is none, or if it sent something to several that did not answer. */
static const struct transport *passed_on(const struct walk *walk, unsigned node, unsigned asker, uint64_t from_ns,
                                         uint64_t to_ns) {
    const struct transports *transports = &walk->transports;
    const struct transport *passed = NULL;
    for (size_t i = transports_of_node(transports, node, from_ns); i < transports->count; i++) {
        const struct transport *sent = &transports->by_link[transports->by_node[i]];
        if (sent->node != node || sent->time_ns > to_ns) break;
        if (sent->receive || sent->stream || transport_is_small(sent, UINT64_MAX)) continue;
        if (sent->peer == NO_NUMBER || sent->peer == asker || (passed && passed->peer != sent->peer)) return NULL;
        if (!passed) passed = sent;
    }
    if (!passed || walk->has_spans[passed->peer] || has_told(walk, node, passed->peer, passed->time_ns, to_ns)) return NULL;
    return passed;
}

/* A time at a node without a span here, which has events: it worked, or waited for another node, as its packets show. */
static void spend_without_span(struct walk *walk, size_t index, unsigned node, unsigned asker, uint64_t from_ns, uint64_t to_ns,
                               bool unanswered, unsigned depth) {
    const struct transport *sent, *received,
        *passed = unanswered && depth < RELAYS_MAX ? passed_on(walk, node, asker, from_ns, to_ns) : NULL;
    if (passed && walk->has_events[passed->peer] && passed->other_ns < to_ns) {
        spend_without_span(walk, index, passed->peer, node, passed->other_ns, to_ns, true, depth + 1);
        walk_add_link(walk, index, node, passed->peer, passed->time_ns, passed->other_ns);
        to_ns = passed->time_ns;
    } else if (passed) {
        walk_add_peer(walk, index, node, passed->peer, passed->time_ns, to_ns, true);
        to_ns = passed->time_ns;
    }
    while (depth < RELAYS_MAX && last_exchange(walk, node, asker, from_ns, to_ns, &sent, &received)) {
        unsigned other = received->peer;
        uint64_t arrived_ns = sent->other_ns, answered_ns = received->other_ns;
        walk_add_node(walk, index, node, received->time_ns, to_ns);
        if (walk->has_events[other] && arrived_ns < answered_ns && answered_ns != UINT64_MAX) {
            walk_add_link(walk, index, other, node, answered_ns, received->time_ns);
            spend_without_span(walk, index, other, node, arrived_ns, answered_ns, false, depth + 1);
            walk_add_link(walk, index, node, other, sent->time_ns, arrived_ns);
        } else {
            walk_add_peer(walk, index, node, other, sent->time_ns, received->time_ns, false);
        }
        to_ns = sent->time_ns;
    }
    walk_add_node(walk, index, node, from_ns, to_ns);
}

/* A time at a peer without a span here, which waited for nobody else.  reached: it got the question. */
static void spend_unseen(struct walk *walk, size_t index, unsigned peer, uint64_t from_ns, uint64_t to_ns, bool unanswered,
                         bool reached) {
    unsigned node = walk->spans->items[index].node;
    const struct sent sent = count_sent(walk, node, peer, from_ns, to_ns);
    if (!walk->has_events[peer])
        walk_add_peer(walk, index, node, peer, from_ns, to_ns, unanswered);
    else if (reached || !unanswered || sent.arrived)
        spend_without_span(walk, index, peer, node, from_ns, to_ns, unanswered, 0);
    else {
        walk_doubt(walk, peer, NO_NUMBER, walk->spans->items[walk->root].start_ns, to_ns);
        walk_doubt(walk, node, peer, from_ns, to_ns);
        if (was_lost(walk, node, peer, &sent, from_ns, to_ns))
            walk_add_link(walk, index, node, peer, from_ns, to_ns);
        else
            walk_add_peer(walk, index, node, peer, from_ns, to_ns, true);
    }
}

/* When a node last sent a question again, which it had declared lost, to a peer that reports nothing; 0: it did not, or the peer
 * had begun to answer. */
static uint64_t last_sent_again(const struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    const struct transport_wanted wanted = {.what = TRANSPORT_NEW, .beside_bytes = UINT64_MAX};
    struct transport_range range;
    if (walk->has_events[peer]) return 0;
    range.items = transports_of_link(&walk->transports, node, peer, false, from_ns, to_ns, &range.count);
    while (range.count > 0 && !range.items[range.count - 1].repeat) range.count--;
    if (!range.count) return 0;
    uint64_t again_ns = range.items[range.count - 1].time_ns;
    range.items = transports_of_link(&walk->transports, node, peer, true, from_ns, again_ns, &range.count);
    return transports_find(&walk->transports, range, &wanted, false) ? 0 : again_ns;
}

void exchange_spend_at_peer(struct walk *walk, size_t index, unsigned peer, uint64_t from_ns, uint64_t to_ns, bool unanswered,
                            bool reached) {
    const struct span *span = &walk->spans->items[index];
    uint64_t again_ns = unanswered ? 0 : last_sent_again(walk, span->node, peer, from_ns, to_ns);
    if (again_ns > from_ns) {
        walk_add_link(walk, index, span->node, peer, from_ns, again_ns);
        from_ns = again_ns;
    }
    if (to_ns == span->end_ns && !span->ok && from_ns < to_ns) { /* it gave up waiting */
        size_t open = hidden_open_of(&walk->hidden, span, peer, from_ns, to_ns);
        if (open != NO_POSITION) {
            reached = true;
            walk_add_task(walk, open, walk->spans->items[open].start_ns, to_ns);
            to_ns = walk->spans->items[open].start_ns;
        }
    }
    while (from_ns < to_ns) {
        size_t last = hidden_last_of(&walk->hidden, peer, from_ns, to_ns);
        const struct span *asked = last == NO_POSITION ? NULL : &walk->spans->items[last];
        uint64_t end_ns = asked ? asked->end_ns : from_ns;
        reached |= asked != NULL;
        spend_unseen(walk, index, peer, end_ns, to_ns, unanswered, reached);
        to_ns = end_ns;
        if (!asked) return;
        walk_add_task(walk, last, asked->start_ns, to_ns);
        to_ns = least(asked->start_ns, to_ns - 1);
    }
}

/* When the peer first got something of a question of which nobody knows which copy arrived: it did not have it before.
 * UINT64_MAX: not known; or it may not have run meanwhile, and then it is not for the link. */
static uint64_t first_arrived(const struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    const struct transport_wanted wanted = {.what = TRANSPORT_PACKET, .beside_bytes = UINT64_MAX};
    struct transport_range range;
    if (!walk->has_events[peer] || !walk_is_sure(walk, node, peer)) return UINT64_MAX;
    range.items = transports_of_link(&walk->transports, peer, node, true, from_ns, to_ns, &range.count);
    const struct transport *received = transports_find(&walk->transports, range, &wanted, false);
    const struct trace_events *events = walk->events;
    if (!received || facts_gap(events->facts, peer, from_ns, received->time_ns)) return UINT64_MAX;
    if (events->states && (node_states_may_have_ended(events->states, events->facts, peer, from_ns) ||
                           node_states_ended(events->states, events->facts, peer, from_ns, received->time_ns)))
        return UINT64_MAX;
    return received->time_ns;
}

void exchange_spend(struct walk *walk, size_t index, const struct branch *branch, uint64_t from_ns, uint64_t to_ns) {
    unsigned node = walk->spans->items[index].node, peer = branch->peer;
    uint64_t arrived_ns = branch->arrived_ns, sent_ns = branch->sent_ns;
    if (branch->vain) {
        walk_add_vain(walk, index, from_ns, to_ns);
        return;
    }
    if (arrived_ns == UINT64_MAX) arrived_ns = first_arrived(walk, node, peer, branch->from_ns, least(sent_ns, to_ns));
    if (arrived_ns == UINT64_MAX || sent_ns == UINT64_MAX || sent_ns < arrived_ns) {
        exchange_spend_at_peer(walk, index, peer, from_ns, to_ns, branch->unanswered, branch->arrived_ns < from_ns);
        return;
    }
    walk_add_link(walk, index, node, peer, from_ns, least(arrived_ns, to_ns));
    exchange_spend_at_peer(walk, index, peer, greatest(from_ns, arrived_ns), least(sent_ns, to_ns), false, true);
    walk_add_link(walk, index, peer, node, greatest(from_ns, sent_ns), to_ns);
}

size_t exchange_arrived(const struct walk *walk, const struct span *span, const struct branch *exchange, uint64_t to_ns) {
    return count_sent(walk, span->node, exchange->peer, exchange->from_ns, to_ns).arrived;
}

bool exchange_unanswered(const struct walk *walk, const struct span *span, uint64_t until_ns, struct branch *ret_exchange) {
    const struct transports *transports = &walk->transports;
    bool found = false;
    if (span->end == NO_POSITION || !span->expired || span->end_ns < until_ns + GIVEN_UP_NS_MIN ||
        !walk_is_steady(walk, span->start_ns, span->end_ns))
        return false;
    for (size_t i = span->first_child; i != NO_POSITION; i = walk->spans->items[i].next_sibling)
        if (walk->spans->items[i].node == span->node) return false; /* the questions may be that one's */
    for (size_t i = transports_of_node(transports, span->node, span->start_ns); i < transports->count; i++) {
        const struct transport *sent = &transports->by_link[transports->by_node[i]];
        if (sent->node != span->node || sent->time_ns >= until_ns) break;
        if (sent->receive || sent->stream || transport_is_small(sent, UINT64_MAX) || sent->peer == NO_NUMBER ||
            sent->peer == span->asker || sent->peer == span->node || (found && sent->peer == ret_exchange->peer))
            continue;
        if (has_told(walk, span->node, sent->peer, sent->time_ns, span->end_ns)) continue;
        if (found || walk->has_spans[sent->peer]) return false;
        found = true;
        *ret_exchange = (struct branch){.from_ns = sent->time_ns,
                                        .until_ns = UINT64_MAX,
                                        .child = NO_POSITION,
                                        .peer = sent->peer,
                                        .arrived_ns = sent->other_ns,
                                        .sent_ns = UINT64_MAX,
                                        .unanswered = true,
                                        .vain = is_to_ended(walk, sent)};
    }
    return found && !ret_exchange->vain;
}
