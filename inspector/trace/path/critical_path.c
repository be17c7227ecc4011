/* SPDX-License-Identifier: MIT */
#include "critical_path.h"

#include "node_states.h"
#include "numbers.h"
#include "path_branches.h"
#include "path_ended_part.h"

#include <errno.h>
#include <stdlib.h>

#define GIVEN_UP_NS_MIN UINT64_C(1000000) /* a span that waits less than this and then asks another did not wait */
#define GIVEN_UP_PART 10                  /* of the request: nor if it waits a smaller part than this */
#define PROBE_NS_MIN UINT64_C(1000000000) /* sending again after this long, with nothing received, is a probe */
#define RELAYS_MAX 8U                     /* one behind the other, without spans */
#define EXCHANGES_MAX 16U                 /* peers without a span that one span waits for at once */

/* ---- peers without a span ---- */

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

/* Questions to peers without a span, and their answers, in a part of a span's time: at most EXCHANGES_MAX.  Returns how many. */
static size_t list_exchanges(const struct walk *walk, size_t index, const struct branches *branches, uint64_t from_ns,
                             uint64_t to_ns, struct branch *first) {
    const struct span *span = &walk->path->spans.items[index];
    const struct transports *transports = &walk->transports;
    size_t count = 0;
    unsigned asker = walk->askers[index];
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

/* A time at a node without a span here, which has events: it worked, or waited for another node, as its packets show. */
static void spend_without_span(struct walk *walk, size_t index, unsigned node, unsigned asker, uint64_t from_ns, uint64_t to_ns,
                               unsigned depth) {
    const struct transport *sent, *received;
    while (depth < RELAYS_MAX && last_exchange(walk, node, asker, from_ns, to_ns, &sent, &received)) {
        unsigned other = received->peer;
        uint64_t arrived_ns = sent->other_ns, answered_ns = received->other_ns;
        walk_add_node(walk, index, node, received->time_ns, to_ns);
        if (walk->has_events[other] && arrived_ns < answered_ns && answered_ns != UINT64_MAX) {
            walk_add_link(walk, index, other, node, answered_ns, received->time_ns);
            spend_without_span(walk, index, other, node, arrived_ns, answered_ns, depth + 1);
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
    unsigned node = walk->path->spans.items[index].node;
    const struct sent sent = count_sent(walk, node, peer, from_ns, to_ns);
    if (!walk->has_events[peer])
        walk_add_peer(walk, index, node, peer, from_ns, to_ns, unanswered);
    else if (reached || !unanswered || sent.arrived)
        spend_without_span(walk, index, peer, node, from_ns, to_ns, 0);
    else {
        walk_doubt(walk, peer, NO_NUMBER, walk->path->start_ns, to_ns);
        walk_doubt(walk, node, peer, from_ns, to_ns);
        if (was_lost(walk, node, peer, &sent, from_ns, to_ns))
            walk_add_link(walk, index, node, peer, from_ns, to_ns);
        else
            walk_add_peer(walk, index, node, peer, from_ns, to_ns, true);
    }
}

/* A time at a peer without a span here: it may have waited for others, which say that it asked them. */
static void spend_at_peer(struct walk *walk, size_t index, unsigned peer, uint64_t from_ns, uint64_t to_ns, bool unanswered) {
    const struct span *span = &walk->path->spans.items[index];
    bool reached = false;
    if (to_ns == span->end_ns && !span->ok && from_ns < to_ns) { /* it gave up waiting */
        size_t open = hidden_open_of(&walk->hidden, span, peer, from_ns, to_ns);
        if (open != NO_POSITION) {
            reached = true;
            walk_add_task(walk, open, walk->path->spans.items[open].start_ns, to_ns);
            to_ns = walk->path->spans.items[open].start_ns;
        }
    }
    while (from_ns < to_ns) {
        size_t last = hidden_last_of(&walk->hidden, peer, from_ns, to_ns);
        const struct span *asked = last == NO_POSITION ? NULL : &walk->path->spans.items[last];
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

/* An exchange.  If the peer reports its transport, the times there and back belong to the links. */
static void spend_exchange(struct walk *walk, size_t index, const struct branch *branch, uint64_t from_ns, uint64_t to_ns) {
    unsigned node = walk->path->spans.items[index].node, peer = branch->peer;
    uint64_t arrived_ns = branch->arrived_ns, sent_ns = branch->sent_ns;
    if (branch->vain) {
        walk_add_vain(walk, index, from_ns, to_ns);
        return;
    }
    if (arrived_ns == UINT64_MAX) arrived_ns = first_arrived(walk, node, peer, branch->from_ns, least(sent_ns, to_ns));
    if (arrived_ns == UINT64_MAX || sent_ns == UINT64_MAX || sent_ns < arrived_ns) {
        spend_at_peer(walk, index, peer, from_ns, to_ns, branch->unanswered);
        return;
    }
    walk_add_link(walk, index, node, peer, from_ns, least(arrived_ns, to_ns));
    spend_at_peer(walk, index, peer, greatest(from_ns, arrived_ns), least(sent_ns, to_ns), false);
    walk_add_link(walk, index, peer, node, greatest(from_ns, sent_ns), to_ns);
}

/* ---- a span's time ---- */

/* When something was on its way over a relay: from the first time to the last, and at the relay in between. */
struct passed {
    uint64_t from_ns, in_ns, out_ns, to_ns;
};

static void spend_relayed(struct walk *walk, size_t index, unsigned from, unsigned to, unsigned relay, struct passed passed) {
    walk_add_link(walk, index, from, relay, passed.from_ns, least(passed.in_ns, passed.to_ns));
    walk_add_node(walk, index, relay, greatest(passed.from_ns, passed.in_ns), least(passed.out_ns, passed.to_ns));
    walk_add_link(walk, index, relay, to, greatest(passed.from_ns, passed.out_ns), passed.to_ns);
}

/* The part of a branch from one time to another. */
static void spend_branch(struct walk *walk, size_t index, const struct branch *branch, uint64_t from_ns, uint64_t to_ns) {
    const struct span *span = &walk->path->spans.items[index];
    uint64_t hidden_ns = from_ns;
    if (branch->hidden || hidden_later(&walk->hidden, index, branch->until_ns, &hidden_ns)) {
        hidden_ns = branch->hidden ? from_ns : least(to_ns, greatest(from_ns, hidden_ns));
        walk_add_hidden(walk, index, hidden_ns, to_ns);
        to_ns = hidden_ns;
        if (from_ns >= to_ns) return;
    }
    if (branch->child == NO_POSITION) {
        spend_exchange(walk, index, branch, from_ns, to_ns);
        return;
    }
    const struct span *child = &walk->path->spans.items[branch->child];
    const struct way *way = &branch->way;
    if (child->node == span->node) {
        walk_add_task(walk, branch->child, greatest(from_ns, child->start_ns), to_ns);
        return;
    }
    if (!walk_is_sure(walk, span->node, child->node)) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    bool ends = branch->until_ns != UINT64_MAX || way->gone;
    uint64_t worked_ns = ends ? least(way->worked_ns, to_ns) : to_ns, received_ns = way->received_ns, began_ns = way->began_ns;
    if (child->start == NO_POSITION) { /* we do not know when it began */
        if (received_ns == child->start_ns) received_ns = from_ns;
        began_ns = received_ns;
    }
    if (way->relayed)
        spend_relayed(walk, index, span->node, child->node, way->relay,
                      (struct passed){from_ns, way->there_in_ns, way->there_out_ns, least(received_ns, to_ns)});
    else
        walk_add_link(walk, index, span->node, child->node, from_ns, least(received_ns, to_ns));
    walk_add_node(walk, branch->child, child->node, greatest(from_ns, received_ns), least(began_ns, to_ns));
    walk_add_task(walk, branch->child, greatest(from_ns, began_ns), worked_ns);
    if (!ends) return;
    walk_add_node(walk, branch->child, child->node, greatest(from_ns, way->worked_ns), least(way->answered_ns, to_ns));
    if (way->relayed)
        spend_relayed(walk, index, child->node, span->node, way->relay,
                      (struct passed){greatest(from_ns, way->answered_ns), way->back_in_ns, way->back_out_ns, to_ns});
    else if (branch->vain)
        walk_add_vain(walk, index, greatest(from_ns, way->answered_ns), to_ns);
    else
        walk_add_link(walk, index, child->node, span->node, greatest(from_ns, way->answered_ns), to_ns);
}

static void spend_own(struct walk *walk, size_t index, uint64_t from_ns, uint64_t to_ns, bool asks_then);

/* Goes back in time over the branches, the last answer first.  The span waits for a branch from its question on, except while
 * it waits for a later answer. */
static void go_back(struct walk *walk, size_t index, const struct branch *branches, size_t count, uint64_t from_ns,
                    uint64_t to_ns, bool exchanges) {
    uint64_t at_ns = to_ns;
    unsigned asker = walk->askers[index];
    for (size_t i = 0; i < count && at_ns > from_ns && branches[i].until_ns > from_ns; i++) {
        uint64_t begin_ns = greatest(branches[i].from_ns, from_ns), end_ns = least(branches[i].until_ns, at_ns);
        if (begin_ns >= end_ns) continue;
        if (exchanges)
            walk_add_own(walk, index, asker, end_ns, at_ns);
        else
            spend_own(walk, index, end_ns, at_ns, at_ns < to_ns);
        spend_branch(walk, index, &branches[i], begin_ns, end_ns);
        at_ns = begin_ns;
    }
    if (exchanges)
        walk_add_own(walk, index, asker, from_ns, at_ns);
    else
        spend_own(walk, index, from_ns, at_ns, at_ns < to_ns);
}

/* A branch that did not end in time, but that the span waited for: the span did nothing else before it asked somebody
 * else; or we do not have the branch's end, which may have come.  NULL: none.  *ret_untimed: unknown, because of a clock
 * step.  Only the one that was asked first counts: the span waited for no other one longer. */
static const struct branch *given_up(const struct walk *walk, const struct branches *branches, uint64_t from_ns, uint64_t to_ns,
                                     bool asks_then, bool *ret_untimed) {
    const struct branch *branch = asks_then ? &branches->late : &branches->unended;
    *ret_untimed = false;
    if (branch->child == NO_POSITION) return NULL;
    uint64_t whole_ns = walk->path->end_ns - walk->path->start_ns;
    uint64_t begin_ns = greatest(from_ns, least(branch->from_ns, to_ns)), waited_ns = to_ns - begin_ns;
    bool enough = waited_ns >= GIVEN_UP_NS_MIN && waited_ns >= whole_ns / GIVEN_UP_PART;
    bool whole_steady = walk_is_steady(walk, walk->path->start_ns, walk->path->end_ns);
    *ret_untimed = !walk_is_steady(walk, begin_ns, to_ns) || (!whole_steady && enough);
    return enough && !*ret_untimed ? branch : NULL;
}

/* Had a span that failed done all its work by that time?  It had at its end; or when it sent its answer before, if it asked
 * nobody after that. */
static bool had_failed(const struct walk *walk, size_t index, uint64_t time_ns) {
    const struct span *span = &walk->path->spans.items[index];
    unsigned asker = walk->askers[index];
    size_t answers;
    if (span->end != NO_POSITION && span->ok) return false;
    if (time_ns == span->end_ns) return true;
    const struct transport *other = transports_last_but(&walk->transports, span->node, asker, false, span->end_ns);
    if (other && other->time_ns >= time_ns) return false;
    transports_of_link(&walk->transports, span->node, asker, false, time_ns, time_ns, &answers);
    return answers;
}

/* Of a peer that the span had asked before: did nothing that was sent to it arrive any more? */
static bool is_cut_off(const struct walk *walk, const struct span *span, const struct branch *exchange, uint64_t to_ns) {
    return exchange->until_ns == UINT64_MAX && !count_sent(walk, span->node, exchange->peer, exchange->from_ns, to_ns).arrived;
}

/* A time in which the span waited for none of its children. */
static void spend_own(struct walk *walk, size_t index, uint64_t from_ns, uint64_t to_ns, bool asks_then) {
    const struct span *span = &walk->path->spans.items[index];
    bool untimed;
    if (to_ns <= from_ns) return;
    const struct branches *branches = walk->branches[index];
    const struct branch *late = given_up(walk, branches, from_ns, to_ns, asks_then, &untimed);
    if (untimed) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    if (late && greatest(late->from_ns, from_ns) < to_ns) {
        uint64_t asked_ns = greatest(late->from_ns, from_ns);
        struct branch open = *late;
        open.until_ns = UINT64_MAX;
        spend_own(walk, index, from_ns, asked_ns, false);
        spend_branch(walk, index, &open, asked_ns, to_ns);
        return;
    }
    if (span->asks && !branches_reach(branches, span->peer)) {
        size_t sent, received;
        bool failed = span->end == NO_POSITION || !span->ok, known = walk->has_events[span->peer];
        transports_of_link(&walk->transports, span->node, span->peer, false, from_ns, to_ns, &sent);
        transports_of_link(&walk->transports, span->node, span->peer, true, from_ns, to_ns, &received);
        if (!known || (failed && !sent && !received)) {
            spend_at_peer(walk, index, span->peer, from_ns, to_ns, known || (sent && !received));
            return;
        }
    }
    if (branches->unseen) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    struct branch exchanges[EXCHANGES_MAX];
    size_t count = list_exchanges(walk, index, branches, from_ns, to_ns, exchanges), kept = 0;
    if (count && !walk_is_steady(walk, from_ns, to_ns)) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    bool failed = had_failed(walk, index, to_ns);
    for (size_t i = 0; i < count; i++) {
        struct branch *exchange = &exchanges[i];
        uint64_t next_ns = i + 1 < count ? exchanges[i + 1].from_ns : to_ns; /* then it went on without an answer */
        bool gave_up = failed || (asks_then && (exchange->lost || exchange->probed));
        exchange->unanswered = exchange->until_ns == UINT64_MAX;
        exchange->vain &= exchange->unanswered && !gave_up && !exchange->probed && next_ns - exchange->from_ns >= GIVEN_UP_NS_MIN;
        if (exchange->vain) exchange->until_ns = next_ns;
        if (exchange->unanswered && !gave_up && exchange->probed) exchange->until_ns = exchange->last_sent_ns;
        if (exchange->again && !(failed && is_cut_off(walk, span, exchange, to_ns))) continue;
        if (exchange->until_ns != UINT64_MAX || gave_up) exchanges[kept++] = *exchange;
    }
    qsort(exchanges, kept, sizeof *exchanges, branch_compare);
    go_back(walk, index, exchanges, kept, from_ns, to_ns, true);
}

static void spend_span(struct walk *walk, const struct task *task) {
    const struct branches *branches = branches_of(walk, task->span);
    if (!branches) return;
    size_t first = branches_before(branches, task->to_ns); /* the others were asked later */
    go_back(walk, task->span, branches->items + first, branches->count - first, task->from_ns, task->to_ns, false);
}

static void spend_all(struct walk *walk) {
    while (walk->task_count && !walk->failed) {
        struct task task = walk->tasks[--walk->task_count];
        spend_span(walk, &task);
    }
}

/* ---- after the end ---- */

/* Returns whether a span is below the root.  known: 0 not checked yet, 1 yes, 2 no. */
static bool is_below(const struct spans *spans, size_t root, size_t index, unsigned char *known) {
    size_t at = index;
    unsigned char answer = 2;
    while (at != NO_POSITION && !known[at]) {
        known[at] = 3; /* on the current path: coming here again means a circle */
        if (at == root) known[at] = 1;
        if (known[at] == 3) at = spans->items[at].parent;
    }
    if (at != NO_POSITION && known[at] == 1) answer = 1;
    for (at = index; at != NO_POSITION && known[at] == 3; at = spans->items[at].parent) known[at] = answer;
    return answer == 1;
}

static uint64_t last_known(const struct span *span) { return span->end != NO_POSITION ? span->end_ns : span->start_ns; }

static int find_reach(const struct walk *walk) {
    struct critical_path *path = walk->path;
    unsigned char *known = calloc(path->spans.count + 1, 1);
    if (!known) return -ENOMEM;
    path->reach_ns = path->end_ns;
    path->reach = path->root;
    for (size_t i = 0; i < path->spans.count && path->spans.items[path->root].end != NO_POSITION; i++) {
        uint64_t last_ns = last_known(&path->spans.items[i]);
        if (last_ns <= path->reach_ns || !walk_is_timed(walk, &path->spans.items[i]) ||
            !is_below(&path->spans, path->root, i, known))
            continue;
        path->reach_ns = last_ns;
        path->reach = i;
    }
    free(known);
    return 0;
}

/* From the span reached last back to the end of the request: its own part, the way to it, its cause's part until that
 * sent the message, and so on. */
static void spend_reach(struct walk *walk) {
    struct critical_path *path = walk->path;
    uint64_t at_ns = path->reach_ns;
    for (size_t index = path->reach; index != path->root && at_ns > path->end_ns;) {
        const struct span *span = &path->spans.items[index], *parent = &path->spans.items[span->parent];
        struct way way = {.asked_ns = span->start_ns, .received_ns = span->start_ns};
        walk_add_task(walk, index, greatest(path->end_ns, span->start_ns), at_ns);
        if (parent->node != span->node) {
            way_find(&way, &walk->transports, parent, span, parent->start_ns, parent->end_ns);
            if (!way.asked_known) way.asked_ns = least(parent->end_ns, span->start_ns); /* sent then at the latest */
            walk_add_link(walk, index, parent->node, span->node, greatest(path->end_ns, way.asked_ns),
                          least(at_ns, way.received_ns));
            walk_add_node(walk, index, span->node, greatest(path->end_ns, way.received_ns), least(at_ns, span->start_ns));
        }
        at_ns = least(at_ns, way.asked_ns);
        index = span->parent;
        spend_all(walk);
        if (index == path->root) walk_add_node(walk, index, parent->node, path->end_ns, at_ns);
    }
}

/* ---- the whole path ---- */

static int walk_init(struct walk *walk) {
    walk->root = walk->path->root;
    unsigned nodes = intern_count(&walk->events->facts->nodes), root = walk->path->spans.items[walk->path->root].node;
    const struct node_clocks *clocks = &walk->events->facts->clocks;
    walk->has_events = calloc(nodes + 1, sizeof *walk->has_events);
    if (!walk->has_events || branches_init(walk)) return -ENOMEM;
    for (size_t i = 0; i < walk->events->count; i++) {
        const struct fact *fact = trace_event_at(walk->events, i);
        if (fact->kind == FACT_EVENTS_LOST) continue;
        if (fact->node < nodes && node_clocks_comparable(clocks, root, fact->node, NULL)) walk->has_events[fact->node] = true;
    }
    if (transports_init(&walk->transports, walk->events, &walk->path->messages)) return -ENOMEM;
    if (idle_marks_init(&walk->idle_marks, &walk->transports)) return -ENOMEM;
    return hidden_init(&walk->hidden, walk->events, &walk->path->spans, &walk->transports, walk->path->root);
}

/* Whoever answered was not given up. */
static void find_answered(struct walk *walk) {
    struct spans *spans = &walk->path->spans;
    for (size_t i = 0; i < spans->count; i++) {
        struct span *span = &spans->items[i];
        if (!span->given_up || !walk_is_timed(walk, span)) continue;
        const struct span *asker = &spans->items[span->parent];
        bool steady = walk_is_timed(walk, asker) && walk_is_steady(walk, asker->end_ns, span->end_ns);
        if (steady) span->given_up = !way_was_answered(&walk->transports, asker, span);
    }
}

/* Has the node a part of the request that the span caused, or one that began while the span asked it, whatever caused it?  Or has
 * another a part that it asked for? */
static bool has_part(const struct walk *walk, const struct span *asker) {
    for (size_t i = 0; i < walk->path->spans.count; i++) {
        const struct span *span = &walk->path->spans.items[i];
        bool its = span->node == asker->peer || (span->peer == asker->peer && !span->asks);
        if (span->node == asker->peer && span->parent == (size_t)(asker - walk->path->spans.items)) return true;
        if (its && span->end_ns >= asker->start_ns && span->start_ns <= asker->end_ns) return true;
    }
    return false;
}

/* Questions to nodes without a part for them. */
static int find_ignored(struct walk *walk) {
    struct critical_path *path = walk->path;
    const struct span *items = path->spans.items;
    path->ignored = calloc(path->spans.count + 1, sizeof *path->ignored);
    if (!path->ignored) return -ENOMEM;
    for (size_t i = 0; i < path->spans.count; i++) {
        const struct span *asker = &items[i], *parent = asker->parent == NO_POSITION ? NULL : &items[asker->parent];
        struct ignored *ignored = &path->ignored[path->ignored_count];
        if (!question_is_ignored(ignored, &walk->transports, walk->events, parent, asker) || has_part(walk, asker)) continue;
        ignored->asker = i;
        path->ignored_count++;
        walk_doubt(walk, asker->peer, NO_NUMBER, asker->start_ns, asker->end_ns);
        walk_doubt(walk, asker->node, asker->peer, asker->start_ns, asker->end_ns);
    }
    return 0;
}

static int find_unsent(struct walk *walk) {
    struct critical_path *path = walk->path;
    const struct span *items = path->spans.items;
    path->unsent = calloc(path->spans.count + 1, sizeof *path->unsent);
    if (!path->unsent) return -ENOMEM;
    for (size_t i = 0; i < path->spans.count; i++) {
        size_t parent = items[i].parent;
        if (parent == NO_POSITION || !branch_is_unsent(walk, &items[parent], &items[i])) continue;
        path->unsent[path->unsent_count++] = i;
        walk_doubt(walk, items[i].node, NO_NUMBER, items[i].start_ns, items[parent].end_ns);
        walk_doubt(walk, items[parent].node, items[i].node, items[i].start_ns, items[parent].end_ns);
    }
    return 0;
}

/* A wait for a link to bring what a node had sent before it ended: once nothing can be under way any more, it is one for the
 * node. */
static void split_ended(struct walk *walk) {
    const struct trace_events *events = walk->events;
    size_t count = events->states ? walk->wait_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct wait wait = walk->waits[i];
        if (wait.kind != WAIT_LINK || walk->spans->items[wait.span].node != wait.peer) continue;
        const struct ended_part part = ended_part_of_wait(events->states, events->facts, walk->spans, &wait);
        if (!part.log || part.to_ns != wait.to_ns) continue;
        walk->waits[i].to_ns = part.from_ns;
        walk_add_peer(walk, wait.span, wait.peer, wait.node, part.from_ns, wait.to_ns, true);
    }
}

static int walk_path(struct walk *walk) {
    struct critical_path *path = walk->path;
    const struct span *root = &path->spans.items[path->root];
    path->start_ns = root->start_ns;
    path->end_ns = root->end_ns;
    find_answered(walk);
    if (find_reach(walk) || find_unsent(walk) || find_ignored(walk)) return -ENOMEM;
    walk_add_task(walk, path->root, path->start_ns, path->end_ns);
    spend_all(walk);
    spend_reach(walk);
    spend_all(walk);
    split_ended(walk);
    path->waits = walk->waits;
    if (walk->failed) return -ENOMEM;
    path->count = path_waits_order(path->waits, walk->wait_count, path->end_ns, &path->within);
    for (size_t i = 0; i < path->within; i++) {
        const struct wait *wait = &path->waits[i];
        if (!wait->untimed) path->timed_ns += wait->to_ns - wait->from_ns;
        if (wait->vain) path->vain_ns += wait->to_ns - wait->from_ns;
        if (wait->hidden) path->hidden_ns += wait->to_ns - wait->from_ns;
    }
    return path_sum_up(&path->spent, &path->spent_count, path->waits, path->within) ||
                   path_losses_find(&path->losses, &path->loss_count, path->waits, path->within, &path->messages, walk->events)
               ? -ENOMEM
               : 0;
}

int critical_path_init(struct critical_path *path, const struct trace_events *events) {
    struct walk walk = {.events = events, .path = path};
    *path = (struct critical_path){.root = NO_POSITION, .reach = NO_POSITION};
    walk.spans = &path->spans;
    walk.doubts = &path->doubts;
    int result = spans_init(&path->spans, events);
    if (!result) result = messages_of_events(&path->messages, events, &path->spans);
    if (!result) path->root = spans_root(&path->spans);
    if (!result && path->root != NO_POSITION) result = walk_init(&walk) || walk_path(&walk) ? -ENOMEM : 0;
    branches_fini(&walk);
    free(walk.tasks);
    free(walk.has_events);
    hidden_fini(&walk.hidden);
    idle_marks_fini(&walk.idle_marks);
    transports_fini(&walk.transports);
    if (result) critical_path_fini(path);
    return result;
}

void critical_path_fini(struct critical_path *path) {
    spans_fini(&path->spans);
    messages_fini(&path->messages);
    free(path->waits);
    free(path->spent);
    free(path->losses);
    free(path->unsent);
    free(path->ignored);
    doubts_fini(&path->doubts);
    *path = (struct critical_path){.root = NO_POSITION};
}

uint64_t critical_path_whole_ns(const struct critical_path *path) { return path->timed_ns + path->hidden_ns + path->vain_ns; }
