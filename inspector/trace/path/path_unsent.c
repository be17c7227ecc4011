/* SPDX-License-Identifier: MIT */
#include "path_unsent.h"

#define UNSENT_NS_MIN UINT64_C(1000000) /* an asker that failed sooner after the other's end may not have waited */

/* May the node have answered, in whatever trace?  It may if it sent anything to the asker, in a packet however small, or more
 * than a small packet to anybody: that one may be the asker under another id, or pass the answer on. */
static bool may_have_answered(const struct facts *facts, const struct span *child, unsigned asker, uint64_t until_ns) {
    struct fact_walk walk = facts_walk(facts, child->start_ns, until_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk))) {
        if (!fact_is_traffic(fact)) continue;
        bool packet = fact->kind == FACT_PACKET_SENT || fact->kind == FACT_PACKET_RECEIVED;
        bool small = packet && packet_is_small(fact->bytes, UINT64_MAX);
        if (fact->node == asker && fact->peer == child->node && !fact_sends(fact) && !small) return true;
        if (fact->node == child->node && fact_sends(fact) && (fact->peer == asker || !small)) return true;
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

bool answer_is_unsent(const struct transports *transports, const struct trace_events *events, const struct span *grandparent,
                      const struct span *parent, const struct span *child) {
    const struct facts *facts = events->facts;
    if (child->start == NO_POSITION || child->end == NO_POSITION || !child->ok || child->asks || child->node == parent->node)
        return false;
    if (!parent->asks || parent->peer != child->node || parent->end == NO_POSITION || !parent->expired) return false;
    if (grandparent && grandparent->end != NO_POSITION && grandparent->ok) return false;
    return parent->end_ns >= child->end_ns + UNSENT_NS_MIN &&
           node_clocks_comparable(&facts->clocks, parent->node, child->node, NULL) &&
           facts_steady(facts, child->start_ns, parent->end_ns) &&
           !facts_gap(facts, child->node, child->start_ns, parent->end_ns) && reports_both_ways(transports, parent, child) &&
           !may_have_answered(facts, child, parent->node, parent->end_ns);
}
