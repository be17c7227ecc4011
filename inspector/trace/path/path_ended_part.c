/* SPDX-License-Identifier: MIT */
#include "path_ended_part.h"

#include "numbers.h"
#include "packet_pairs.h"

/* The node on whose behalf a node works in a span. */
static unsigned asker_of(const struct spans *spans, size_t index) {
    const struct span *span = &spans->items[index];
    for (size_t depth = 0; depth < spans->count && span->parent != NO_POSITION; depth++) {
        if (spans->items[span->parent].node != span->node) return spans->items[span->parent].node;
        span = &spans->items[span->parent];
    }
    return span->node;
}

/* When a node first sent another more than an acknowledgement in that time; UINT64_MAX: never. */
static uint64_t first_sent(const struct facts *facts, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    const struct fact *fact = facts_first_said(facts, node, peer, true, from_ns, to_ns);
    return fact ? fact->time_ns : UINT64_MAX;
}

/* Did a node receive something from its asker while it ran, from a time on?  It may have ended much later than its last event,
 * and have been at fault until then: it did not answer. */
static bool has_received(const struct facts *facts, const struct node_state *log, unsigned asker, uint64_t from_ns) {
    struct fact_walk walk = facts_walk(facts, from_ns, log->ended_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk)))
        if (fact->node == log->node && fact->peer == asker && fact_is_traffic(fact) && !fact_sends(fact)) return true;
    return false;
}

/* Did another node receive what its asker sent to it?  It did if it received something that the asker had not sent to it by name,
 * as far back as a packet may be under way. */
static bool was_replaced(const struct facts *facts, unsigned asker, unsigned node, const struct wait *wait) {
    uint64_t sent_ns = wait->from_ns - least(wait->from_ns, UNDER_WAY_NS_MAX);
    struct fact_walk walk = facts_walk(facts, wait->from_ns, wait->to_ns);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk))) {
        bool received = fact_says_something(fact) && !fact_sends(fact);
        if (!received || fact->peer != asker || fact->node == asker || fact->node == node) continue;
        if (first_sent(facts, asker, fact->node, sent_ns, fact->time_ns + 1) == UINT64_MAX) return true;
    }
    return false;
}

/* May a log's end explain a wait?  Not if the node answered; nor if it got the question, unless that was found in its own part of
 * the request, which ends with the log. */
static bool may_explain(const struct facts *facts, const struct spans *spans, const struct wait *wait,
                        const struct node_state *log, unsigned asker) {
    const struct span *span = &spans->items[wait->span];
    bool own = wait->kind == WAIT_NODE && span->node == log->node;
    if (span->asks && span->peer == log->node && span->end != NO_POSITION && span->ok) return false;
    return own || (!has_received(facts, log, asker, wait->from_ns) && !was_replaced(facts, asker, log->node, wait));
}

/* The log of a node that ended in a wait for it, and early enough to explain a part of that.  NULL: none. */
static const struct node_state *ended_in(const struct node_states *states, const struct facts *facts, const struct wait *wait,
                                         unsigned node, uint64_t under_way_ns) {
    const struct node_state *log = node_states_ended(states, facts, node, wait->from_ns, wait->to_ns);
    return log && log->gone_ns + under_way_ns < wait->to_ns ? log : NULL;
}

struct ended_part ended_part_of_wait(const struct node_states *states, const struct facts *facts, const struct spans *spans,
                                     const struct wait *wait) {
    const struct ended_part none = {.log = NULL};
    unsigned node = wait->kind == WAIT_PEER ? wait->peer : wait->node;
    uint64_t under_way_ns = wait->kind == WAIT_LINK ? UNDER_WAY_NS_MAX : 0;
    if (wait->untimed) return none;
    const struct node_state *log = ended_in(states, facts, wait, node, under_way_ns);
    if (!log) return none; /* nearly always: only then look for the asker, which may be far above */
    unsigned asker = wait->kind == WAIT_PEER ? wait->node : wait->kind == WAIT_NODE ? asker_of(spans, wait->span) : wait->peer;
    if (node == asker || !node_clocks_comparable(&facts->clocks, node, asker, NULL)) return none;
    if (!may_explain(facts, spans, wait, log, asker)) return none;
    uint64_t asked_again_ns =
        log->again_ns < wait->to_ns ? first_sent(facts, asker, node, log->again_ns, wait->to_ns) : UINT64_MAX;
    return (struct ended_part){log, asker, greatest(wait->from_ns, log->lived_ns + under_way_ns),
                               least(asked_again_ns, wait->to_ns)};
}
