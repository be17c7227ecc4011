/* SPDX-License-Identifier: MIT */
#include "path_unsent.h"

#define UNSENT_NS_MIN UINT64_C(1000000) /* an asker that failed sooner after the other's end may not have waited */

static bool is_content(const struct transport *transport) {
    return transport->stream || !packet_is_small(transport->bytes, UINT64_MAX);
}

static bool sends_content(const struct fact *fact) {
    if (fact->kind == FACT_PACKET_SENT) return !packet_is_small(fact->bytes, UINT64_MAX);
    return fact->kind == FACT_MESSAGE_SENT || (fact->kind == FACT_STREAM_DATA && fact->sent);
}

static bool reports_streams(const struct transports *transports, const struct span *child, unsigned asker) {
    size_t count;
    const struct transport *items = transports_of_link(transports, child->node, asker, true, 0, UINT64_MAX, &count);
    for (size_t i = 0; i < count; i++)
        if (items[i].stream) return true;
    return false;
}

/* Is that the node that asked, or may it be?  Peers without events may be other ids of it. */
static bool may_be_asker(const struct facts *facts, unsigned peer, unsigned asker) {
    return peer == asker || peer == NO_NUMBER || !facts_has(facts, peer);
}

/* Did the node send anything that may have been the answer? */
static bool may_have_answered(const struct transports *transports, const struct trace_events *events, const struct span *child,
                              unsigned asker, uint64_t until_ns) {
    const struct facts *facts = events->facts;
    unsigned trace = trace_event_at(events, child->start)->trace;
    bool streams = reports_streams(transports, child, asker);
    for (size_t i = transports_of_node(transports, child->node, child->start_ns); i < transports->count; i++) {
        const struct transport *sent = &transports->by_link[transports->by_node[i]];
        if (sent->node != child->node || sent->time_ns > until_ns) break;
        bool counts = is_content(sent) || (!streams && sent->time_ns >= child->end_ns);
        if (!sent->receive && counts && may_be_asker(facts, sent->peer, asker)) return true;
    }
    /* Outside of any trace: the program may not pass the context on with its answer.  And a packet has one trace, but may carry
     * the answers of several. */
    struct fact_walk beside = facts_walk(facts, child->start_ns, until_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&beside))) {
        if (fact->node != child->node || fact->trace == trace || !sends_content(fact)) continue;
        if ((fact->trace == NO_NUMBER || !streams) && may_be_asker(facts, fact->peer, asker)) return true;
    }
    return facts->beside_cut;
}

/* Did the node ever answer that asker what it was asked here?  Then we saw it send something around an end of that command. */
static bool answers_command(const struct trace_events *events, const struct span *child, unsigned asker) {
    const struct facts *facts = events->facts;
    unsigned command = trace_event_at(events, child->start)->command, sent = NO_NUMBER, ended = NO_NUMBER;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->node != child->node || fact->trace == NO_NUMBER) continue;
        if (fact->kind == FACT_APP_END && fact->command == command && fact->ok) ended = fact->trace;
        if (fact->peer == asker && sends_content(fact)) sent = fact->trace;
        if (sent != NO_NUMBER && sent == ended) return true;
    }
    return false;
}

/* Did a node exchange nothing more than acknowledgements with any other in that time? */
static bool is_quiet(const struct transports *transports, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    for (size_t i = transports_of_node(transports, node, from_ns); i < transports->count; i++) {
        const struct transport *transport = &transports->by_link[transports->by_node[i]];
        if (transport->node != node || transport->time_ns > to_ns) break;
        if (is_content(transport)) return false;
    }
    return true;
}

bool answer_is_unsent(const struct transports *transports, const struct trace_events *events, const struct span *parent,
                      const struct span *child) {
    const struct facts *facts = events->facts;
    size_t sent;
    if (child->start == NO_POSITION || child->end == NO_POSITION || !child->ok || child->asks || child->node == parent->node)
        return false;
    if (parent->end == NO_POSITION || parent->ok || parent->end_ns < child->end_ns + UNSENT_NS_MIN) return false;
    if (parent->asks ? parent->peer != child->node : !parent->expired) return false;
    if (!node_clocks_comparable(&facts->clocks, parent->node, child->node, NULL) ||
        !facts_steady(facts, child->start_ns, parent->end_ns) || facts_gap(facts, child->node, child->start_ns, parent->end_ns) ||
        may_have_answered(transports, events, child, parent->node, parent->end_ns))
        return false;
    if (!parent->asks && !is_quiet(transports, parent->node, child->end_ns, parent->end_ns)) return false;
    transports_of_link(transports, child->node, parent->node, false, 0, UINT64_MAX, &sent);
    return sent || answers_command(events, child, parent->node);
}

bool unsent_was_awaited(const struct trace_events *events, const struct span *parent, const struct span *child) {
    return parent->asks || answers_command(events, child, parent->node);
}
