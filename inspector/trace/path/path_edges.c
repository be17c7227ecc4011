/* SPDX-License-Identifier: MIT */
#include "path_edges.h"

/* What carried a request or an answer at one end: the first or last stream bytes; without any, the first or last packet that
 * is more than an acknowledgement.  NULL if there is neither. */
static const struct transport *content(const struct transports *transports, struct transport_range range, bool last) {
    struct transport_wanted wanted = {.what = TRANSPORT_STREAM};
    const struct transport *found = transports_find(transports, range, &wanted, last);
    if (found) return found;
    wanted = (struct transport_wanted){.what = TRANSPORT_PACKET, .beside_bytes = transports_most(transports, range, true)};
    return transports_find(transports, range, &wanted, last);
}

static struct transport_range range_of(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                       uint64_t from_ns, uint64_t to_ns) {
    struct transport_range range;
    range.items = transports_of_link(transports, node, peer, receive, from_ns, to_ns, &range.count);
    return range;
}

/* The part of a range up to that time, included, or before and after it. */
static size_t count_until(struct transport_range range, uint64_t time_ns, bool included) {
    size_t low = 0, high = range.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (range.items[middle].time_ns < time_ns || (included && range.items[middle].time_ns == time_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- there and back ---- */

/* Until when may what a node received be the question?  An asker that gave up may ask again later; that says nothing about its
 * wait if all that it had sent before had arrived. */
static uint64_t asked_until(const struct transports *transports, const struct span *parent, const struct span *child,
                            uint64_t asked_ns) {
    if (parent->end == NO_POSITION || parent->end_ns >= child->start_ns || parent->end_ns < asked_ns) return child->start_ns;
    struct transport_range sent = range_of(transports, parent->node, child->node, false, asked_ns, parent->end_ns);
    struct transport_wanted wanted = {.what = TRANSPORT_PACKET, .beside_bytes = transports_most(transports, sent, true)};
    if (!transports_find(transports, sent, &wanted, true)) return child->start_ns;
    wanted.after_ns = parent->end_ns;
    return transports_find(transports, sent, &wanted, false) ? child->start_ns : parent->end_ns;
}

static void find_there(struct way *way, const struct transports *transports, const struct span *parent, const struct span *child,
                       uint64_t lower_ns) {
    const struct transport *sent =
        content(transports, range_of(transports, parent->node, child->node, false, lower_ns, child->start_ns), false);
    way->asked_known = sent || parent->asks;
    way->asked_ns = sent ? sent->time_ns : parent->asks ? lower_ns : child->start_ns;
    way->received_ns = way->began_ns = child->start_ns;
    uint64_t until_ns = asked_until(transports, parent, child, way->asked_ns);
    const struct transport *received =
        content(transports, range_of(transports, child->node, parent->node, true, way->asked_ns, until_ns), true);
    if (received && way->asked_known) way->received_ns = received->time_ns;
}

/* Did packets of the answer arrive, as the asker reports it, only after its span had ended?  The program reads the bytes before
 * the transport reports the packet that brought them. */
static bool arrives_behind(const struct transports *transports, const struct span *parent, const struct span *child) {
    const struct transport *sent =
        content(transports, range_of(transports, child->node, parent->node, false, child->start_ns, parent->end_ns), true);
    return sent && sent->other_ns != UINT64_MAX && sent->other_ns > parent->end_ns && sent->time_ns >= child->end_ns;
}

/* At that time, was part of the answer sent and not received?  Then the rest waits for the link, not for the node. */
static bool is_on_its_way(const struct transports *transports, struct transport_range sent, uint64_t at_ns) {
    const struct transport_wanted wanted = {
        .what = TRANSPORT_PACKET, .beside_bytes = transports_most(transports, sent, false), .after_ns = at_ns};
    sent.count = count_until(sent, at_ns, true);
    return transports_find(transports, sent, &wanted, false);
}

/* When the answer was first sent after that time, or that time itself if not reported.  Ignores retransmissions, which were
 * sent before. */
static uint64_t first_sent(const struct transports *transports, struct transport_range sent, uint64_t at_ns) {
    const struct transport_wanted wanted = {.what = TRANSPORT_NEW, .beside_bytes = transports_most(transports, sent, false)};
    size_t before = count_until(sent, at_ns, false);
    const struct transport_range later = {sent.items + before, sent.count - before};
    const struct transport *found = transports_find(transports, later, &wanted, false);
    return found ? found->time_ns : at_ns;
}

/* Was the end of the answer lost for good?  Its last packet never arrived, the sender gave up that packet or another, and
 * nothing arrived after it. received: the last packet that arrived, or NULL. */
static bool never_arrived(const struct transports *transports, struct transport_range sent, const struct transport *received) {
    struct transport_wanted wanted = {.what = TRANSPORT_PACKET, .beside_bytes = transports_most(transports, sent, false)};
    const struct transport *last = transports_find(transports, sent, &wanted, true);
    if (!last || last->other_ns != UINT64_MAX || (received && received->time_ns >= last->time_ns)) return false;
    wanted.lost = true;
    return transports_find(transports, sent, &wanted, false);
}

/* Did the asker receive nothing from other nodes after that answer, up to its end? */
static bool is_last_received(const struct transports *transports, const struct span *asker, const struct transport *answer) {
    const struct transport *other = transports_last_but(transports, asker->node, answer->peer, true, asker->end_ns);
    return !other || other->time_ns <= answer->time_ns;
}

/* A node may send its answer before it reports its end: what it does then is nothing that the asker waits for. */
static void answer_early(struct way *way, const struct transports *transports, struct transport_range sent) {
    const struct transport *last = content(transports, sent, true);
    while (last && last->repeat) {
        sent.count = (size_t)(last - sent.items);
        last = content(transports, sent, true);
    }
    if (last && last->time_ns < way->worked_ns) way->worked_ns = way->answered_ns = last->time_ns;
}

static void find_back(struct way *way, const struct transports *transports, const struct span *parent, const struct span *child,
                      uint64_t upper_ns) {
    const struct transport *received =
        content(transports, range_of(transports, parent->node, child->node, true, child->start_ns, upper_ns), true);
    struct transport_range sent = range_of(transports, child->node, parent->node, false, child->start_ns, upper_ns);
    way->worked_ns = way->answered_ns = way->returned_ns = child->end_ns;
    bool sufficed = received && parent->end != NO_POSITION && parent->ok; /* enough of it arrived */
    way->gone = child->end != NO_POSITION && !sufficed && never_arrived(transports, sent, received);
    if (way->gone) {
        way->returned_ns = UINT64_MAX;
        if (!is_on_its_way(transports, sent, child->end_ns)) way->answered_ns = first_sent(transports, sent, child->end_ns);
        answer_early(way, transports, sent);
        return;
    }
    bool outlived = sufficed && child->end_ns > parent->end_ns && is_last_received(transports, parent, received);
    bool incomplete = parent->asks && parent->end != NO_POSITION && !parent->ok && upper_ns == parent->end_ns &&
                      child->end != NO_POSITION && child->ok && child->end_ns <= upper_ns;
    if (incomplete) /* it waited for the rest, until it gave up */
        way->returned_ns = upper_ns;
    else if (received && (received->stream || received->time_ns >= child->end_ns || outlived))
        way->returned_ns = received->time_ns;
    else if (parent->end != NO_POSITION && upper_ns == parent->end_ns && child->end_ns <= upper_ns &&
             (parent->asks || arrives_behind(transports, parent, child)))
        way->returned_ns = upper_ns;
    sent = range_of(transports, child->node, parent->node, false, child->start_ns, way->returned_ns);
    if (way->returned_ns < child->end_ns) { /* the answer arrived before the other node reported its end */
        const struct transport *last = content(transports, sent, true);
        way->worked_ns = way->answered_ns = last ? last->time_ns : way->returned_ns;
        return;
    }
    if (!is_on_its_way(transports, sent, child->end_ns)) way->answered_ns = first_sent(transports, sent, child->end_ns);
    if (received && received->time_ns >= child->end_ns) answer_early(way, transports, sent);
}

void way_find(struct way *ret_way, const struct transports *transports, const struct span *parent, const struct span *child,
              uint64_t lower_ns, uint64_t upper_ns) {
    find_there(ret_way, transports, parent, child, lower_ns);
    find_back(ret_way, transports, parent, child, upper_ns);
}

static const struct transport *content_of(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                          uint64_t from_ns, uint64_t to_ns, bool last) {
    return to_ns < from_ns ? NULL : content(transports, range_of(transports, node, peer, receive, from_ns, to_ns), last);
}

void way_find_relayed(struct way *way, const struct transports *transports, const struct span *parent, const struct span *child,
                      unsigned relay, bool shared, uint64_t lower_ns, uint64_t upper_ns) {
    unsigned from = parent->node, to = child->node;
    size_t sent, received;
    transports_of_link(transports, from, to, false, lower_ns, upper_ns, &sent);
    transports_of_link(transports, from, to, true, lower_ns, upper_ns, &received);
    if (sent || received || child->start == NO_POSITION) return;
    const struct transport *asked = content_of(transports, from, relay, false, lower_ns, child->start_ns, false);
    const struct transport *there_out = content_of(transports, relay, to, false, lower_ns, child->start_ns, true);
    if (!asked || !there_out) return;
    const struct transport *there_in = content_of(transports, relay, from, true, asked->time_ns, there_out->time_ns, true);
    const struct transport *got = content_of(transports, to, relay, true, there_out->time_ns, child->start_ns, true);
    if (there_in && got && !shared) {
        way->asked_ns = asked->time_ns;
        way->received_ns = got->time_ns;
        way->asked_known = way->relayed_there = true;
        way->relay = relay;
        way->there_in_ns = there_in->time_ns;
        way->there_out_ns = there_out->time_ns;
    }
    if (child->end == NO_POSITION) return;
    const struct transport *back_in = content_of(transports, relay, to, true, child->start_ns, upper_ns, true);
    const struct transport *answered = content_of(transports, to, relay, false, child->end_ns, upper_ns, true);
    if (!there_in || !got || !back_in || !answered || answered->time_ns > back_in->time_ns) return;
    const struct transport *back_out = content_of(transports, relay, from, false, back_in->time_ns, upper_ns, !shared);
    const struct transport *returned =
        back_out ? content_of(transports, from, relay, true, back_out->time_ns, upper_ns, true) : NULL;
    if (!returned || (shared && (there_in->other_ns == UINT64_MAX || back_out->other_ns == UINT64_MAX))) return;
    *way = (struct way){.asked_ns = shared ? there_in->other_ns : asked->time_ns,
                        .received_ns = got->time_ns,
                        .began_ns = child->start_ns,
                        .worked_ns = child->end_ns,
                        .answered_ns = answered->time_ns,
                        .returned_ns = shared ? back_out->other_ns : returned->time_ns,
                        .asked_known = true,
                        .relayed = true,
                        .relay = relay,
                        .there_in_ns = there_in->time_ns,
                        .there_out_ns = there_out->time_ns,
                        .back_in_ns = back_in->time_ns,
                        .back_out_ns = back_out->time_ns};
}

bool way_was_answered(const struct transports *transports, const struct span *asker, const struct span *child) {
    const struct transport *answer =
        content(transports, range_of(transports, asker->node, child->node, true, child->start_ns, asker->end_ns), true);
    if (!answer || asker->expired || child->end_ns - answer->time_ns > RIGHT_AFTER_NS_MAX) return false;
    return is_last_received(transports, asker, answer);
}
