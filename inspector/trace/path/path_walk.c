/* SPDX-License-Identifier: MIT */
#include "path_walk.h"

#include "allocation.h"
#include "node_states.h"
#include "numbers.h"

#include <stdlib.h>

#define STOPPED_NS_MIN UINT64_C(1000000000)     /* no packet travels for this long: the receiver did not read its socket */
#define STOPPED_MANY_NS_MIN UINT64_C(100000000) /* the same, if several were sent meanwhile and all arrived at once */
#define SENDING_NS_MIN UINT64_C(1000000)        /* an acknowledgement that comes sooner kept nobody */
#define FASTER_PART 5                           /* of a wait: a link that delays a packet by less does not explain it */
#define AT_ONCE_PART 10                         /* of a silence: arriving in the last 1/N of it counts as arriving at its end */

static void append_wait(struct walk *walk, struct wait wait) {
    if (wait.to_ns <= wait.from_ns) return;
    struct wait *waits = memory_room(walk->waits, walk->wait_count, &walk->wait_capacity, sizeof *waits);
    walk->failed |= !waits;
    if (!waits) return;
    walk->waits = waits;
    walk->waits[walk->wait_count++] = wait;
}

void walk_doubt(struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    walk->failed |= doubts_add(walk->doubts, (struct doubt){node, peer, from_ns, to_ns}) != 0;
}

/* Cuts a wait where the clock was stepped: what lies wholly on one side is known. */
static void add_wait(struct walk *walk, struct wait wait) {
    const struct clock_seam *seam;
    struct wait part = wait;
    while (!wait.untimed && (seam = clock_lines_seam(&walk->events->facts->lines, part.from_ns)) && seam->to_ns <= wait.to_ns) {
        part.to_ns = greatest(part.from_ns, seam->from_ns);
        append_wait(walk, part);
        part.from_ns = part.to_ns;
        part.to_ns = seam->to_ns;
        part.untimed = true;
        append_wait(walk, part);
        part.from_ns = seam->to_ns;
        part.untimed = false;
    }
    part.to_ns = wait.to_ns;
    append_wait(walk, part);
}

/* Is it known of two nodes which packets between them repeat which? */
bool walk_is_sure(const struct walk *walk, unsigned a, unsigned b) {
    return !walk->transports.unsure || !(walk->transports.unsure[a] && walk->transports.unsure[b]);
}

bool walk_is_steady(const struct walk *walk, uint64_t from_ns, uint64_t to_ns) {
    return facts_steady(walk->events->facts, from_ns, to_ns);
}

/* A part of a span's time for which we do not know what it waited for: a step of the clock lies in it and durations matter, or a
 * span that it caused has a clock that cannot be compared with its own. */
void walk_add_untimed(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns) {
    unsigned node = walk->spans->items[span].node;
    add_wait(walk, (struct wait){from_ns, to_ns, WAIT_NODE, node, NO_NUMBER, span, .untimed = true});
}

/* A part of a span's time for which we do not know what it waited for, because events are missing. */
void walk_add_hidden(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns) {
    unsigned node = walk->spans->items[span].node;
    add_wait(walk, (struct wait){from_ns, to_ns, WAIT_NODE, node, NO_NUMBER, span, .untimed = true, .hidden = true});
}

/* A part of a span's time after it had sent something to a node that had ended: perhaps it asked it, and waited. */
void walk_add_vain(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns) {
    unsigned node = walk->spans->items[span].node;
    add_wait(walk, (struct wait){from_ns, to_ns, WAIT_NODE, node, NO_NUMBER, span, .untimed = true, .vain = true});
}

/* A node's time, except where events are missing that may have said that it waited. */
void walk_add_node(struct walk *walk, size_t span, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    uint64_t hidden_ns, shown_ns;
    while (hidden_next(&walk->hidden, span, node, from_ns, to_ns, &hidden_ns, &shown_ns)) {
        add_wait(walk, (struct wait){from_ns, hidden_ns, WAIT_NODE, node, NO_NUMBER, span, false});
        walk_add_hidden(walk, span, hidden_ns, shown_ns);
        from_ns = shown_ns;
    }
    add_wait(walk, (struct wait){from_ns, to_ns, WAIT_NODE, node, NO_NUMBER, span, false});
}

/* Did the node have no event between two times, in any trace, except at the very end; and, if packets waited for it and then
 * arrived, at the very beginning? */
static bool was_silent(const struct walk *walk, unsigned node, uint64_t from_ns, uint64_t to_ns, bool arrived) {
    struct fact_walk facts =
        facts_walk(walk->events->facts, from_ns + (arrived ? (to_ns - from_ns) / AT_ONCE_PART : 0) + 1, to_ns);
    const struct fact *fact;
    while ((fact = fact_walk_next(&facts)))
        if (fact->node == node && fact->kind != FACT_EVENTS_LOST)
            return fact->time_ns + (to_ns - from_ns) / AT_ONCE_PART >= to_ns;
    return true;
}

/* Was a packet or message that a node received sent from one time to before another? */
static bool was_sent_within(const struct facts *facts, const struct fact *received, uint64_t from_ns, uint64_t to_ns) {
    enum fact_kind kind = received->kind == FACT_MESSAGE_RECEIVED ? FACT_MESSAGE_SENT : FACT_PACKET_SENT;
    struct fact_walk sent = facts_walk(facts, from_ns, to_ns);
    const struct fact *fact;
    while ((fact = fact_walk_next(&sent)))
        if (fact->kind == kind && fact->node == received->peer && fact->peer == received->node &&
            fact->number == received->number && fact->space == received->space && fact->trace == received->trace)
            return true;
    return false;
}

/* An answer that a step of the clock may hide; of a node, that it stood still, or the link to it did (KNOWN_HELD). */
enum known { KNOWN_NO, KNOWN_YES, KNOWN_UNSURE, KNOWN_HELD };

/* Was something that a node received at the end of a time sent that much later than the beginning, and long before the end?
 * Or, by another node than `from`, later by STOPPED_MANY_NS_MIN?  Then it waited as well.  No link held up what several nodes
 * sent.  What `from` sent, its link may have held up, if it leads to another machine. */
static enum known came_at_once(const struct walk *walk, unsigned from, unsigned node, uint64_t from_ns, uint64_t to_ns,
                               uint64_t later_ns) {
    uint64_t before_ns = to_ns - (to_ns - from_ns) / FASTER_PART, until_ns = to_ns + (to_ns - from_ns) / AT_ONCE_PART;
    enum known known = KNOWN_NO;
    struct fact_walk facts = facts_walk(walk->events->facts, to_ns, until_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&facts)) && walk_is_steady(walk, to_ns, fact->time_ns)) {
        if (fact->node != node || (fact->kind != FACT_PACKET_RECEIVED && fact->kind != FACT_MESSAGE_RECEIVED)) continue;
        bool other = fact->peer != from && fact->peer != NO_NUMBER;
        uint64_t after_ns = from_ns + (other ? least(later_ns, STOPPED_MANY_NS_MIN) : later_ns);
        if (!was_sent_within(walk->events->facts, fact, after_ns, before_ns)) continue;
        const struct node_clocks *clocks = &walk->events->facts->clocks;
        if (other || node_clocks_machine(clocks, from) == node_clocks_machine(clocks, node)) return KNOWN_YES;
        known = KNOWN_HELD;
    }
    return known == KNOWN_HELD || walk_is_steady(walk, to_ns, until_ns) ? known : KNOWN_UNSURE;
}

/* Is the link between two nodes faster than that?  What it carried the same way shows it, except what was under way at that time;
 * only if there is nothing, what it carried back. */
static enum known is_faster(const struct walk *walk, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    for (unsigned back = 0; back < 2; back++) {
        size_t count, carried = 0;
        bool unsure = false;
        const struct transport *sent =
            transports_of_link(&walk->transports, back ? to : from, back ? from : to, false, 0, UINT64_MAX, &count);
        for (size_t i = 0; i < count; i++) {
            bool meanwhile = sent[i].time_ns <= to_ns && sent[i].other_ns >= from_ns;
            if (sent[i].stream || sent[i].other_ns == UINT64_MAX || meanwhile) continue;
            bool steady = walk_is_steady(walk, sent[i].time_ns, sent[i].other_ns);
            if (steady && sent[i].other_ns < sent[i].time_ns + (to_ns - from_ns) / FASTER_PART) return KNOWN_YES;
            unsure |= !steady;
            carried++;
        }
        if (carried) return unsure ? KNOWN_UNSURE : KNOWN_NO;
    }
    return KNOWN_NO;
}

/* Did the receiver read nothing from its socket between two times?  It did not if it was silent; if everything sent to it,
 * except lost packets, arrived at once; and if it is not what is usual on the link: later packets arrived together with the
 * first, or it took longer than any packet travels, and other packets between the two did not.  Only what others sent to it
 * shows that it was not the link that was held up. */
static enum known receiver_stopped(struct walk *walk, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    uint64_t waited_ns = to_ns - from_ns;
    size_t count, arrived = 0, missing = 0;
    uint64_t error_ns = 0; /* of what was waited, because of the two clocks */
    (void)node_clocks_comparable(&walk->events->facts->clocks, from, to, &error_ns);
    if (waited_ns < STOPPED_MANY_NS_MIN + error_ns || !walk->has_events[to]) return KNOWN_NO;
    const struct transport *sent = transports_of_link(&walk->transports, from, to, false, from_ns, to_ns, &count);
    for (size_t i = 0; i < count; i++) {
        if (sent[i].stream || sent[i].time_ns == to_ns) continue;
        if (sent[i].other_ns != UINT64_MAX && sent[i].other_ns + waited_ns / AT_ONCE_PART < to_ns) return KNOWN_NO;
        *(sent[i].other_ns == UINT64_MAX ? &missing : &arrived) += 1;
    }
    if (missing > arrived || !was_silent(walk, to, from_ns, to_ns, arrived > 0)) return KNOWN_NO;
    walk_doubt(walk, to, NO_NUMBER, from_ns, to_ns);
    bool is_long = waited_ns >= STOPPED_NS_MIN + error_ns;
    enum known at_once = came_at_once(walk, from, to, from_ns, to_ns, waited_ns / (is_long ? FASTER_PART : 2));
    if (at_once == KNOWN_YES || at_once == KNOWN_HELD || !is_long) return at_once;
    enum known faster = is_faster(walk, from, to, from_ns, to_ns);
    return faster == KNOWN_NO ? at_once : faster == KNOWN_YES ? KNOWN_HELD : faster;
}

/* Did nobody do anything in the middle of the time in which a node stood still, in any trace?  Then perhaps the whole machine
 * stood still.  Events of this trace alone cannot show that: notes what to ask for. */
static bool was_unwitnessed(struct walk *walk, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    uint64_t edge_ns = (to_ns - from_ns) / AT_ONCE_PART;
    struct fact_walk facts = facts_walk(walk->events->facts, from_ns + edge_ns, to_ns - edge_ns + 1);
    struct doubt *stop = &walk->doubts->stop;
    const struct fact *fact;
    while ((fact = fact_walk_next(&facts)))
        if (fact->kind != FACT_EVENTS_LOST) return false;
    if (facts_looked(walk->events->facts, node, from_ns + edge_ns, to_ns - edge_ns)) return true;
    if (to_ns - from_ns - 2 * edge_ns > stop->to_ns - stop->from_ns)
        *stop = (struct doubt){node, NO_NUMBER, from_ns + edge_ns, to_ns - edge_ns};
    return false;
}

/* The time from which packets show whether the receiver reads: losses before the first packet that arrived say nothing
 * about it, nor do those that were under way at the beginning. */
static uint64_t shown_from(const struct walk *walk, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    size_t count, missing = 0;
    const struct transport *sent =
        transports_of_link(&walk->transports, from, to, false, from_ns - least(from_ns, UNDER_WAY_NS_MAX), to_ns, &count);
    for (size_t i = 0; i < count; i++) {
        bool before = sent[i].time_ns < from_ns;
        if (sent[i].stream || (before && !sent[i].lost && (sent[i].other_ns == UINT64_MAX || sent[i].other_ns < from_ns)))
            continue;
        if (sent[i].other_ns != UINT64_MAX) return missing && !before ? sent[i].time_ns : from_ns;
        missing++;
    }
    return from_ns;
}

/* When the first of what was sent in a time arrived, if that was later; otherwise the end of that time.  A sender may give up
 * long before a receiver that stood still reads its socket again. */
static uint64_t arrived_behind(const struct walk *walk, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    size_t count;
    uint64_t first_ns = UINT64_MAX;
    const struct transport *sent = transports_of_link(&walk->transports, from, to, false, from_ns, to_ns, &count);
    for (size_t i = 0; i < count; i++)
        if (!sent[i].stream) first_ns = least(first_ns, sent[i].other_ns);
    return first_ns == UINT64_MAX ? to_ns : greatest(first_ns, to_ns);
}

/* Does this trace have anything of what a node sent another, at neither end? */
static bool is_unseen(const struct walk *walk, unsigned from, unsigned to) {
    size_t sent, received;
    transports_of_link(&walk->transports, from, to, false, 0, UINT64_MAX, &sent);
    transports_of_link(&walk->transports, to, from, true, 0, UINT64_MAX, &received);
    return !sent && !received;
}

/* A part of the way during which something was in flight. */
static void add_carried(struct walk *walk, size_t span, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    if (to_ns <= from_ns) return;
    uint64_t shown_ns = shown_from(walk, from, to, from_ns, to_ns), stopped_ns = to_ns;
    uint64_t read_ns = arrived_behind(walk, from, to, shown_ns, to_ns);
    if (!walk_is_steady(walk, shown_ns, read_ns)) {
        walk_add_untimed(walk, span, from_ns, to_ns);
        return;
    }
    enum known stopped = receiver_stopped(walk, from, to, shown_ns, read_ns);
    if (stopped == KNOWN_UNSURE) {
        walk_add_untimed(walk, span, from_ns, to_ns);
        return;
    }
    bool held = stopped == KNOWN_HELD;
    if (stopped == KNOWN_YES || held) stopped_ns = shown_ns;
    bool unseen = is_unseen(walk, from, to);
    add_wait(walk, (struct wait){from_ns, stopped_ns, WAIT_LINK, from, to, span, .unseen = unseen});
    const struct facts *facts = walk->events->facts;
    if (stopped_ns < to_ns && (facts->beside_cut || facts_gap(facts, to, stopped_ns, read_ns))) { /* it may have been busy */
        walk_add_hidden(walk, span, stopped_ns, to_ns);
        return;
    }
    add_wait(walk, (struct wait){stopped_ns, to_ns, held ? WAIT_LINK : WAIT_NODE, held ? from : to, held ? to : NO_NUMBER, span,
                                 .stopped = true, .read_ns = read_ns,
                                 .unwitnessed = stopped_ns < to_ns && was_unwitnessed(walk, to, stopped_ns, read_ns)});
}

/* Is the event missing that says when the receiver got what was sent?  Then it may have had it for long. */
static bool receipt_is_missing(const struct walk *walk, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    size_t count;
    if (to_ns <= from_ns || !facts_gap(walk->events->facts, to, from_ns, to_ns)) return false;
    transports_of_link(&walk->transports, to, from, true, to_ns, to_ns, &count);
    return !count;
}

/* From when on it is known that a node could send to another after it had last sent something: it had the acknowledgement of
 * all, or its congestion window had room.  Events of other traces show it, too: those of the connection often belong to no
 * request.  *ret_full: the window had none before. */
static uint64_t could_send(const struct walk *walk, const struct idle *idle, unsigned peer, bool *ret_full) {
    uint64_t until_ns = least(idle->acked_ns, idle->to_ns);
    struct fact_walk facts = facts_walk(walk->events->facts, idle->last_ns, until_ns);
    const struct fact *fact;
    *ret_full = false;
    while ((fact = fact_walk_next(&facts))) {
        if (fact->node != idle->sender || fact->peer != peer) continue;
        if (fact->kind == FACT_PACKET_RECEIVED && was_sent_within(walk->events->facts, fact, idle->from_ns, fact->time_ns))
            return fact->time_ns;
        if (fact->kind != FACT_METRICS || !fact->window) continue;
        if (!fact->full) return fact->time_ns;
        *ret_full = true;
    }
    return until_ns;
}

/* Adds the first part of an idle time: nobody knows whether the node that went on then waited for an acknowledgement.  Returns
 * when it ended. */
static uint64_t add_sending(struct walk *walk, size_t span, const struct idle *idle, unsigned peer) {
    bool full = false;
    uint64_t free_ns = idle->last_ns ? could_send(walk, idle, peer, &full) : idle->from_ns;
    if (free_ns < idle->from_ns + SENDING_NS_MIN) return idle->from_ns;
    if (idle->last_ns) walk_doubt(walk, idle->sender, peer, idle->last_ns, free_ns);
    add_wait(walk, (struct wait){idle->from_ns, free_ns, WAIT_SENDING, idle->sender, peer, span, .full = full});
    return free_ns;
}

void walk_add_own(struct walk *walk, size_t span, unsigned asker, uint64_t from_ns, uint64_t to_ns) {
    unsigned node = walk->spans->items[span].node;
    struct idle_walk idles;
    struct idle idle;
    if (asker != NO_NUMBER && asker != node) {
        idle_walk_init(&idles, &walk->idle_marks, node, asker, from_ns, to_ns);
        while (idle_walk_next(&idles, &idle)) {
            if (idle.sender != node) continue;
            walk_add_node(walk, span, node, from_ns, idle.from_ns);
            from_ns = add_sending(walk, span, &idle, asker);
        }
    }
    walk_add_node(walk, span, node, from_ns, to_ns);
}

/* A node waited in vain for what another was to send it, and this trace has nothing of that.  Until when may it have been under
 * way?  What came meanwhile in another trace may have been it, and what the node then waited for is not known. */
static uint64_t came_elsewhere(struct walk *walk, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    const struct facts *facts = walk->events->facts;
    struct fact_walk others = facts_walk(facts, from_ns, to_ns);
    const struct fact *fact;
    uint64_t last_ns = facts->beside_cut ? from_ns : to_ns;
    size_t sent, received;
    transports_of_link(&walk->transports, from, to, false, from_ns, to_ns, &sent);
    transports_of_link(&walk->transports, to, from, true, from_ns, to_ns, &received);
    if (sent || received || to_ns < from_ns + SENDING_NS_MIN) return to_ns;
    walk_doubt(walk, to, from, from_ns, to_ns);
    while ((fact = fact_walk_next(&others))) {
        if (fact->node == to && fact->peer == from && !fact_sends(fact) && fact_says_something(fact)) last_ns = fact->time_ns;
    }
    return last_ns;
}

/* ---- relays ---- */

/* Did two nodes exchange anything in that time, either way and in whatever trace? */
static bool have_talked(const struct facts *facts, unsigned a, unsigned b, uint64_t from_ns, uint64_t to_ns) {
    for (unsigned sent = 0; sent < 2; sent++)
        if (facts_first_said(facts, a, b, sent, from_ns, to_ns) || facts_first_said(facts, b, a, sent, from_ns, to_ns))
            return true;
    return false;
}

/* When a node first received something from another in this trace in that time; UINT64_MAX: it did not. */
static uint64_t first_received(const struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns) {
    struct fact_walk facts = facts_walk(walk->events->facts, from_ns, to_ns);
    unsigned trace = trace_event_at(walk->events, 0)->trace;
    const struct fact *fact;
    while ((fact = fact_walk_next(&facts)))
        if (fact->node == node && fact->peer == peer && fact->trace == trace && !fact_sends(fact) && fact_says_something(fact))
            return fact->time_ns;
    return UINT64_MAX;
}

/* The only node to which another sent something in that time, in this trace or in whatever trace; NO_NUMBER if there are none or
 * several. */
static unsigned only_receiver(const struct walk *walk, unsigned node, bool any_trace, uint64_t from_ns, uint64_t to_ns) {
    struct fact_walk facts = facts_walk(walk->events->facts, from_ns, to_ns);
    unsigned receiver = NO_NUMBER, trace = trace_event_at(walk->events, 0)->trace;
    const struct fact *fact;
    while ((fact = fact_walk_next(&facts))) {
        if (fact->node != node || !fact_sends(fact) || !fact_says_something(fact) || (!any_trace && fact->trace != trace))
            continue;
        if (fact->peer == NO_NUMBER || (receiver != NO_NUMBER && fact->peer != receiver)) return NO_NUMBER;
        receiver = fact->peer;
    }
    return receiver;
}

/* Did any log end in that time?  Otherwise nobody has to look for a relay that did. */
static bool has_any_ended(const struct node_states *states, uint64_t from_ns, uint64_t to_ns) {
    for (size_t i = 0; i < states->count; i++)
        if (!states->items[i].live && states->items[i].gone_ns < to_ns && states->items[i].gone_ns >= from_ns) return true;
    return false;
}

uint64_t walk_relay_ended(struct walk *walk, size_t index, unsigned node, bool answered, uint64_t to_ns, unsigned *ret_relay) {
    const struct trace_events *events = walk->events;
    const struct span *span = &walk->spans->items[index];
    uint64_t from_ns = span->start_ns;
    if (!events->states || !has_any_ended(events->states, from_ns, to_ns) || (span->end != NO_POSITION && span->ok) ||
        !node_clocks_comparable(&events->facts->clocks, span->node, node, NULL))
        return UINT64_MAX;
    unsigned relay = only_receiver(walk, span->node, false, from_ns, to_ns);
    if (relay == NO_NUMBER || relay == node || relay == span->node || !walk->has_events[relay]) return UINT64_MAX;
    const struct node_state *log = node_states_ended(events->states, events->facts, relay, from_ns, to_ns);
    uint64_t asked_ns = first_received(walk, relay, span->node, from_ns, to_ns);
    if (!log || asked_ns == UINT64_MAX) return UINT64_MAX;
    walk_doubt(walk, span->node, NO_NUMBER, from_ns, to_ns);
    walk_doubt(walk, relay, NO_NUMBER, from_ns, to_ns);
    walk_doubt(walk, node, NO_NUMBER, from_ns, to_ns);
    if (events->facts->beside_cut || only_receiver(walk, span->node, true, from_ns, to_ns) != relay ||
        have_talked(events->facts, span->node, node, from_ns, to_ns) ||
        facts_first_said(events->facts, relay, span->node, true, asked_ns, to_ns))
        return UINT64_MAX;
    if (answered ? only_receiver(walk, node, true, from_ns, to_ns) != relay
                 : facts_first_said(events->facts, relay, node, true, asked_ns, to_ns) != NULL)
        return UINT64_MAX;
    *ret_relay = relay;
    return log->lived_ns;
}

/* Takes the part of a wait for a relay that had ended.  Returns where it begins. */
static uint64_t add_relay(struct walk *walk, size_t index, unsigned node, bool answered, uint64_t from_ns, uint64_t to_ns) {
    unsigned relay;
    uint64_t ended_ns = walk_relay_ended(walk, index, node, answered, to_ns, &relay);
    if (ended_ns >= to_ns) return to_ns;
    ended_ns = greatest(ended_ns, from_ns);
    add_wait(walk, (struct wait){ended_ns, to_ns, WAIT_PEER, walk->spans->items[index].node, relay, index, .unanswered = true});
    return ended_ns;
}

/* ---- links and peers ---- */

/* The way counts as the link's time, except while nothing was in flight: then it waited for one of the nodes. */
void walk_add_link(struct walk *walk, size_t span, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns) {
    struct idle_walk idles;
    struct idle idle;
    if (walk->spans->items[span].node == to) to_ns = add_relay(walk, span, from, true, from_ns, to_ns);
    if (!walk_is_steady(walk, from_ns, to_ns)) {
        walk_add_untimed(walk, span, from_ns, to_ns);
        return;
    }
    if (receipt_is_missing(walk, from, to, from_ns, to_ns)) {
        walk_add_hidden(walk, span, from_ns, to_ns);
        return;
    }
    idle_walk_init(&idles, &walk->idle_marks, from, to, from_ns, to_ns);
    while (idle_walk_next(&idles, &idle)) {
        add_carried(walk, span, from, to, from_ns, idle.from_ns);
        uint64_t free_ns = add_sending(walk, span, &idle, idle.sender == from ? to : from);
        walk_add_node(walk, span, idle.node, free_ns, idle.to_ns);
        from_ns = idle.to_ns;
    }
    const struct span *waiting = &walk->spans->items[span];
    bool gave_up = waiting->node == to && (waiting->end == NO_POSITION || !waiting->ok);
    uint64_t arrived_ns = gave_up ? idle_walk_end(&idles) : to_ns; /* it may have waited for more than was sent */
    if (gave_up && arrived_ns == to_ns) arrived_ns = came_elsewhere(walk, from, to, from_ns, to_ns);
    add_carried(walk, span, from, to, from_ns, arrived_ns);
    add_wait(walk, (struct wait){arrived_ns, to_ns, WAIT_SENDING, from, to, span, false});
}

void walk_add_peer(struct walk *walk, size_t span, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns,
                   bool unanswered) {
    if (walk->spans->items[span].node == node) to_ns = add_relay(walk, span, peer, false, from_ns, to_ns);
    add_wait(walk, (struct wait){from_ns, to_ns, WAIT_PEER, node, peer, span, .unanswered = unanswered});
}

void walk_add_task(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns) {
    if (to_ns <= from_ns) return;
    struct task *tasks = memory_room(walk->tasks, walk->task_count, &walk->task_capacity, sizeof *tasks);
    walk->failed |= !tasks;
    if (!tasks) return;
    walk->tasks = tasks;
    walk->tasks[walk->task_count++] = (struct task){span, from_ns, to_ns};
}

/* Can a span's times be compared with the root's?  If the clocks are not known, the events of its node do not help. */
bool walk_is_timed(const struct walk *walk, const struct span *span) {
    return node_clocks_comparable(&walk->events->facts->clocks, walk->spans->items[walk->root].node, span->node, NULL);
}
