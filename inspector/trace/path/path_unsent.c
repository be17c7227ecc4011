/* SPDX-License-Identifier: MIT */
#include "path_unsent.h"

#include "numbers.h"

#define UNSENT_NS_MIN UINT64_C(1000000) /* an asker that failed sooner after the other's end may not have waited */

/* May the node have answered, in whatever trace?  It may if it sent anything to the asker, in a packet however small, or more
 * than a small packet to anybody: that one may be the asker under another id, or pass the answer on.  small_bytes: NULL, or what
 * it sent to the asker in small packets does not count, and this is the largest. */
static bool may_have_answered(const struct facts *facts, unsigned node, unsigned asker, uint64_t from_ns, uint64_t until_ns,
                              uint64_t *small_bytes) {
    struct fact_walk walk = facts_walk(facts, from_ns, until_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk))) {
        if (!fact_is_traffic(fact)) continue;
        bool small = fact_is_small(fact);
        if (fact->node == asker && fact->peer == node && !fact_sends(fact) && !small) return true;
        if (fact->node != node || !fact_sends(fact) || (small && fact->peer != asker)) continue;
        if (!small || !small_bytes) return true;
        *small_bytes = greatest(*small_bytes, fact->bytes);
    }
    return facts->beside_cut;
}

/* Does the node report what passes between the two, both ways?  Then it has reported that it got this question, and acknowledged
 * it. */
static bool reports_both_ways(const struct transports *transports, const struct span *parent, const struct span *child) {
    size_t received, sent;
    transports_of_link(transports, child->node, parent->node, true, parent->start_ns, child->start_ns + 1, &received);
    transports_of_link(transports, child->node, parent->node, false, parent->start_ns, child->start_ns + 1, &sent);
    return received && sent;
}

/* Did an answer have to come, while the asker waited until it ran out of time? */
static bool was_due(const struct span *grandparent, const struct span *parent) {
    if (!parent->asks || parent->end == NO_POSITION || !parent->expired) return false;
    return !(grandparent && grandparent->end != NO_POSITION && grandparent->ok);
}

bool answer_is_unsent(const struct transports *transports, const struct trace_events *events, const struct span *grandparent,
                      const struct span *parent, const struct span *child) {
    const struct facts *facts = events->facts;
    if (child->start == NO_POSITION || child->end == NO_POSITION || !child->ok || child->asks || child->node == parent->node)
        return false;
    if (!was_due(grandparent, parent) || parent->peer != child->node) return false;
    return parent->end_ns >= child->end_ns + UNSENT_NS_MIN &&
           node_clocks_comparable(&facts->clocks, parent->node, child->node, NULL) &&
           facts_steady(facts, child->start_ns, parent->end_ns) &&
           !facts_gap(facts, child->node, child->start_ns, parent->end_ns) && reports_both_ways(transports, parent, child) &&
           !may_have_answered(facts, child->node, parent->node, child->start_ns, parent->end_ns, NULL);
}

/* Did the node do something for the request, in however small packets, or in a trace of its own that names it? */
static bool has_reacted(const struct facts *facts, unsigned node, unsigned asker, unsigned trace, uint64_t from_ns,
                        uint64_t until_ns) {
    struct fact_walk walk = facts_walk(facts, from_ns, until_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk))) {
        if (fact->node != node) continue;
        if (fact->kind == FACT_LINK && fact->command == trace) return true;
        if (fact->trace == trace && fact_is_traffic(fact) && fact_sends(fact) && fact->peer != asker) return true;
    }
    return false;
}

/* Did all arrive that one sent the other, but for small packets? */
static bool all_arrived(const struct facts *facts, unsigned asker, unsigned node, uint64_t from_ns, uint64_t until_ns) {
    struct fact_walk walk = facts_walk(facts, from_ns, until_ns + 1);
    const struct fact *fact;
    uint64_t sent = 0, received = 0;
    while ((fact = fact_walk_next(&walk))) {
        if (fact->node == asker && fact->peer == node && fact->kind == FACT_PACKET_LOST) return false;
        if (!fact_says_something(fact)) continue;
        sent += fact->node == asker && fact->peer == node && fact_sends(fact);
        received += fact->node == node && fact->peer == asker && !fact_sends(fact);
    }
    return sent <= received;
}

bool question_is_ignored(struct ignored *ret_ignored, const struct transports *transports, const struct trace_events *events,
                         const struct span *grandparent, const struct span *parent) {
    const struct facts *facts = events->facts;
    unsigned node = parent->peer;
    const struct transport *question = NULL;
    size_t received, sent;
    uint64_t most_bytes = 0;
    if (!was_due(grandparent, parent) || node == NO_NUMBER || node == parent->node) return false;
    if (!node_clocks_comparable(&facts->clocks, parent->node, node, NULL)) return false;
    if (!facts_steady(facts, parent->start_ns, parent->end_ns) || facts_gap(facts, node, parent->start_ns, parent->end_ns))
        return false;
    const struct transport *items =
        transports_of_link(transports, node, parent->node, true, parent->start_ns, parent->end_ns, &received);
    for (size_t i = 0; i < received; i++)
        if (!items[i].stream && !transport_is_small(&items[i], UINT64_MAX)) question = &items[i];
    if (!question || parent->end_ns < question->time_ns + UNSENT_NS_MIN) return false;
    if (may_have_answered(facts, node, parent->node, question->time_ns, parent->end_ns, &most_bytes) ||
        has_reacted(facts, node, parent->node, trace_event_at(events, 0)->trace, question->time_ns, parent->end_ns) ||
        !all_arrived(facts, parent->node, node, parent->start_ns, parent->end_ns))
        return false;
    transports_of_link(transports, node, parent->node, false, parent->start_ns, parent->end_ns, &sent);
    *ret_ignored = (struct ignored){.received = question->position,
                                    .most_bytes = most_bytes,
                                    .reaction = !sent        ? REACTION_UNKNOWN
                                                : most_bytes ? REACTION_SMALL
                                                             : REACTION_NONE};
    return true;
}
