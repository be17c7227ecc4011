/* SPDX-License-Identifier: MIT
 *
 * Nodes that fell silent or stalled, or whose events are missing. */
#include "allocation.h"
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>

#define SENT_APART_PART 5 /* of a pause: packets sent 1/N of it apart that arrive at its end were not under way so long */
#define AT_ONCE_PART 10   /* of a wait: packets that arrive up to 1/N of it after its end count as arriving at its end */

struct node_sum {
    bool seen;
    uint64_t events, missing;
    uint64_t counted;             /* events, including those not read */
    uint64_t last_ns, longest_ns; /* the longest silence between two of its events */
    size_t last, first_missing;
    double sample;                      /* the share of traces that it reports */
    bool reads_packets, reads_messages; /* it reports what it receives */
};

static void sum_nodes(struct node_sum *sums, const struct facts *facts) {
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        struct node_sum *sum = &sums[fact->node];
        if (fact->kind == FACT_EVENTS_LOST) {
            if (!sum->missing) sum->first_missing = i;
            sum->missing += fact->missing;
            continue;
        }
        sum->reads_packets |= fact->kind == FACT_PACKET_RECEIVED;
        sum->reads_messages |= fact->kind == FACT_MESSAGE_RECEIVED;
        if (sum->events++ && fact->time_ns - sum->last_ns > sum->longest_ns) sum->longest_ns = fact->time_ns - sum->last_ns;
        sum->last_ns = fact->time_ns;
        sum->last = i;
    }
}

/* The source may have more events than we read; all of its missing events count. */
static void count_nodes(struct node_sum *sums, size_t nodes, const struct facts *facts) {
    for (size_t i = 0; i < nodes; i++) {
        const struct fact_count *counted = i < facts->counted_nodes ? &facts->counted[i] : NULL;
        sums[i].counted = counted && counted->events > sums[i].events ? counted->events : sums[i].events;
        if (!sums[i].missing) sums[i].first_missing = NO_FACT;
        if (counted && counted->missing > sums[i].missing) sums[i].missing = counted->missing;
    }
}

static struct finding finding_of(enum finding_kind kind, enum severity severity, unsigned node) {
    return (struct finding){
        .kind = kind, .severity = severity, .node = node, .peer = NO_NUMBER, .trace = NO_NUMBER, .command = NO_NUMBER};
}

static void report_missing(struct analysis *analysis, unsigned node, const struct node_sum *sum) {
    struct finding finding = finding_of(FINDING_EVENTS_MISSING, SEVERITY_NOTABLE, node);
    if (!sum->missing) return;
    finding.count = sum->missing;
    finding.of = sum->missing + sum->counted;
    finding.weight = (double)sum->missing / (double)finding.of;
    if (sum->first_missing != NO_FACT) finding_show(&finding, sum->first_missing);
    analysis_add(analysis, &finding);
}

/* ---- nodes that did nothing although others sent to them ---- */

/* A packet sent to a node. */
struct incoming {
    unsigned node;
    unsigned sender;
    uint64_t sent_ns, received_ns; /* UINT64_MAX: never */
    uint64_t usual_ns;             /* one-way delay of the fastest quarter of the sender's packets to it */
    uint64_t error_ns;             /* of the one-way delay, because of the two clocks */
    size_t send, receive;          /* facts, or NO_FACT */
    bool lost;                     /* the sender declared it lost */
};

static int compare_incoming(const void *left, const void *right) {
    const struct incoming *a = left, *b = right;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    return a->sent_ns < b->sent_ns ? -1 : a->sent_ns > b->sent_ns;
}

/* Packets that never arrived come last. */
static int compare_under_way(const void *left, const void *right) {
    const struct incoming *a = left, *b = right;
    uint64_t x = a->received_ns == UINT64_MAX ? UINT64_MAX : a->received_ns - a->sent_ns,
             y = b->received_ns == UINT64_MAX ? UINT64_MAX : b->received_ns - b->sent_ns;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->sender != b->sender) return a->sender < b->sender ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Where the packets from a sender to a node begin. */
static size_t first_of_link(const struct incoming *incoming, size_t count, unsigned node, unsigned sender) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (incoming[middle].node < node || (incoming[middle].node == node && incoming[middle].sender < sender))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_of_link(const struct incoming *incoming, unsigned node, unsigned sender) {
    return incoming->node == node && incoming->sender == sender;
}

/* A single packet cannot show what is usual for its link: then those of the way back do. */
static void find_usual(struct incoming *incoming, size_t count) {
    if (count) qsort(incoming, count, sizeof *incoming, compare_under_way);
    for (size_t begin = 0, end; begin < count; begin = end) {
        unsigned node = incoming[begin].node, sender = incoming[begin].sender;
        for (end = begin; end < count && is_of_link(&incoming[end], node, sender);) end++;
        size_t first = begin, behind = end;
        if (end - begin == 1) {
            size_t back = first_of_link(incoming, count, sender, node);
            for (behind = back; behind < count && is_of_link(&incoming[behind], sender, node);) behind++;
            first = behind > back ? back : begin;
            if (first == begin) behind = end;
        }
        const struct incoming *quarter = &incoming[first + (behind - first) / 4];
        uint64_t usual_ns = quarter->received_ns == UINT64_MAX ? UINT64_MAX : quarter->received_ns - quarter->sent_ns;
        for (size_t i = begin; i < end; i++) incoming[i].usual_ns = usual_ns;
    }
}

static size_t list_incoming(struct incoming *incoming, const struct analysis *analysis) {
    const struct fact *facts = analysis->facts->items;
    size_t count = 0;
    for (size_t i = 0; i < analysis->packets.count; i++) {
        const struct message *message = &analysis->packets.items[i];
        bool arrived = message->state == MESSAGE_MATCHED;
        uint64_t error_ns;
        if (message->to == NO_NUMBER || (!arrived && message->state != MESSAGE_UNRECEIVED)) continue;
        if (message->untimed || !node_clocks_comparable(&analysis->facts->clocks, message->from, message->to, &error_ns))
            continue;
        incoming[count++] = (struct incoming){.node = message->to,
                                              .sender = message->from,
                                              .sent_ns = facts[message->send].time_ns,
                                              .received_ns = arrived ? facts[message->receive].time_ns : UINT64_MAX,
                                              .error_ns = error_ns,
                                              .send = message->send,
                                              .receive = arrived ? message->receive : NO_FACT,
                                              .lost = !arrived && message->lost != NO_EVENT};
    }
    find_usual(incoming, count);
    if (count) qsort(incoming, count, sizeof *incoming, compare_incoming);
    return count;
}

/* The first packet sent to a node after that time. */
static size_t incoming_after(const struct incoming *incoming, size_t count, unsigned node, uint64_t time_ns) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (incoming[middle].node < node || (incoming[middle].node == node && incoming[middle].sent_ns <= time_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Do two times overlap for at least half of the second? */
static bool covers_half(const struct pause *pause, uint64_t from_ns, uint64_t to_ns) {
    uint64_t begin_ns = greatest(pause->from_ns, from_ns), end_ns = least(pause->to_ns, to_ns);
    return end_ns > begin_ns && end_ns - begin_ns >= (to_ns - from_ns) / 2;
}

bool analysis_paused(const struct analysis *analysis, unsigned node, uint64_t from_ns, uint64_t to_ns, bool may_be_held) {
    for (size_t i = 0; i < analysis->pause_count; i++) {
        const struct pause *pause = &analysis->pauses[i];
        if (pause->node == node && !pause->still && (!pause->held || may_be_held) && covers_half(pause, from_ns, to_ns))
            return true;
    }
    return false;
}

bool analysis_stood_still(const struct analysis *analysis, uint64_t from_ns, uint64_t to_ns) {
    for (size_t i = 0; i < analysis->pause_count; i++)
        if (analysis->pauses[i].still && covers_half(&analysis->pauses[i], from_ns, to_ns)) return true;
    return false;
}

static void keep_pause(struct analysis *analysis, const struct pause *pause) {
    struct pause *pauses = memory_room(analysis->pauses, analysis->pause_count, &analysis->pause_capacity, sizeof *pauses);
    analysis->failed |= !pauses;
    if (!pauses) return;
    analysis->pauses = pauses;
    analysis->pauses[analysis->pause_count++] = *pause;
}

static void take_pause(const struct facts *facts, struct finding *finding, const struct pause *pause) {
    finding->count++;
    if (pause->to_ns - pause->from_ns <= finding->ns) return;
    finding->example = pause->node;
    if (pause->held) finding->common = facts->items[pause->send].node;
    finding->ns = pause->to_ns - pause->from_ns;
    finding->time_ns = facts_unix(facts, pause->node, pause->from_ns);
    finding->severity = finding->ns >= STALL_NS_MIN ? SEVERITY_SEVERE : SEVERITY_NOTABLE;
    finding->weight = (double)finding->ns / 1e9;
    finding->evidence_count = 0;
    finding_show(finding, pause->send);
    finding_show(finding, pause->receive);
}

/* The packets sent to a node while it did nothing. */
struct waiting {
    size_t first;          /* the first that waited for STALL_NS_MIN, or NO_FACT */
    size_t waited, lost;   /* how many waited so long; how many were lost, and no closed connection explains it */
    bool unusual;          /* one of them waited much longer than usual on its link */
    bool apart;            /* another of the first one's sender was sent later, and arrived later */
    size_t first_short;    /* the first that arrived, or NO_FACT */
    bool several;          /* from several senders */
    bool others;           /* another sender's than the first one's that waited for STALL_NS_MIN waited, too */
    bool together;         /* what the first one's sender sent much later, and long before the end, arrived at the end, too */
    bool at_once;          /* all that arrived did so by AT_ONCE_PART of the first one's wait after the end */
    uint64_t last_sent_ns; /* of those that arrived */
};

/* Was a packet sent well after another of that sender, and did it arrive as much later?  Then their link delayed both. */
static bool came_apart(const struct incoming *first, const struct incoming *later, uint64_t to_ns) {
    uint64_t sent_ns = later->sent_ns - first->sent_ns;
    if (later->sender != first->sender || sent_ns < (to_ns - first->sent_ns) / SENT_APART_PART) return false;
    return later->received_ns >= first->received_ns + sent_ns / 2;
}

/* Did a packet wait that was sent well after another one, and well before the end, and did it arrive at the end? */
static bool came_together(const struct incoming *first, const struct incoming *later, uint64_t to_ns) {
    uint64_t waited_ns = to_ns - first->sent_ns, apart_ns = waited_ns / SENT_APART_PART;
    return later->sent_ns >= first->sent_ns + apart_ns && later->sent_ns + apart_ns <= to_ns &&
           later->received_ns <= to_ns + waited_ns / AT_ONCE_PART;
}

static struct waiting list_waiting(const struct closings *closings, const struct incoming *incoming, size_t count, unsigned node,
                                   uint64_t from_ns, uint64_t to_ns) {
    struct waiting waiting = {.first = NO_FACT, .first_short = NO_FACT, .at_once = true};
    unsigned unread_sender =
        NO_NUMBER; /* of packets that the node did not read because it closed the connection when it went on */
    bool several_unread = false;
    for (size_t i = incoming_after(incoming, count, node, from_ns);
         i < count && incoming[i].node == node && incoming[i].sent_ns < to_ns; i++) {
        bool came = incoming[i].received_ns != UINT64_MAX;
        bool unread = !came && closings_explain(closings, incoming[i].sender, node, incoming[i].sent_ns);
        waiting.lost += !came && !unread;
        if (unread && !closings_before(closings, incoming[i].sender, node, incoming[i].sent_ns))
            several_unread |= unread_sender != NO_NUMBER && unread_sender != incoming[i].sender,
                unread_sender = incoming[i].sender;
        if (!came) continue;
        if (waiting.first_short == NO_FACT) waiting.first_short = i;
        waiting.several |= incoming[i].sender != incoming[waiting.first_short].sender;
        uint64_t waited_ns = to_ns - incoming[waiting.first_short].sent_ns; /* the node may have been idle before */
        waiting.at_once &= incoming[i].received_ns <= to_ns + waited_ns / AT_ONCE_PART;
        waiting.last_sent_ns = incoming[i].sent_ns;
        bool unusual = (incoming[i].received_ns - incoming[i].sent_ns) / LATE_RATIO_MIN >= incoming[i].usual_ns;
        bool beside = waiting.first != NO_FACT && incoming[i].sender != incoming[waiting.first].sender;
        waiting.others |= beside && unusual && to_ns - incoming[i].sent_ns >= STALL_SHORT_NS_MIN + incoming[i].error_ns;
        waiting.together |= waiting.first != NO_FACT && !beside && came_together(&incoming[waiting.first], &incoming[i], to_ns);
        if (incoming[i].received_ns < incoming[i].sent_ns + STALL_NS_MIN + incoming[i].error_ns) continue;
        if (!waiting.waited++) waiting.first = i;
        waiting.apart |= came_apart(&incoming[waiting.first], &incoming[i], to_ns);
        waiting.unusual |= unusual;
    }
    if (waiting.first != NO_FACT && unread_sender != NO_NUMBER)
        waiting.others |= several_unread || unread_sender != incoming[waiting.first].sender;
    return waiting;
}

/* Can a short time without events be a pause?  It can if packets to the node arrived together at its end, later than usual. */
static bool may_be_pause(const struct waiting *waiting, const struct incoming *incoming, uint64_t to_ns, bool seen) {
    if (!seen || waiting->first_short == NO_FACT || !waiting->at_once || waiting->lost) return false;
    const struct incoming *first = &incoming[waiting->first_short];
    uint64_t waited_ns = to_ns - first->sent_ns;
    if (waited_ns <= first->error_ns) return false;
    waited_ns -= first->error_ns;
    return waited_ns >= STALL_SHORT_NS_MIN / 2 && waited_ns / LATE_RATIO_MIN >= first->usual_ns;
}

/* Is it one?  If packets that several nodes sent at different times arrived together, no link delayed them. */
static bool is_short_pause(const struct waiting *waiting, const struct incoming *incoming, uint64_t to_ns) {
    const struct incoming *first = &incoming[waiting->first_short];
    return waiting->several && waiting->last_sent_ns - first->sent_ns >= (to_ns - first->sent_ns - first->error_ns) / 2;
}

/* Is a long one?  More packets waited than were lost, and the link does not explain it: one of them took much longer than usual
 * there, and they did not arrive as far apart as they were sent; or they were sent at different times and arrived together. */
static bool is_long_pause(const struct waiting *waiting, const struct incoming *incoming, uint64_t to_ns) {
    if (!waiting->waited || waiting->lost > waiting->waited) return false;
    const struct incoming *first = &incoming[waiting->first];
    return (waiting->unusual && !waiting->apart) ||
           (waiting->at_once && waiting->last_sent_ns - first->sent_ns >= (to_ns - first->sent_ns) / SENT_APART_PART);
}

/* Did a packet to another node of that machine wait just as long, and arrive at the same time? */
static bool others_waited(const struct facts *facts, const struct incoming *incoming, size_t count, const struct pause *pause) {
    uint64_t edge_ns = (pause->to_ns - pause->from_ns) / AT_ONCE_PART;
    for (unsigned node = 0; node < intern_count(&facts->nodes); node++) {
        if (node == pause->node || node_clocks_machine(&facts->clocks, node) != pause->machine) continue;
        for (size_t i = incoming_after(incoming, count, node, pause->from_ns - edge_ns);
             i < count && incoming[i].node == node && incoming[i].sent_ns <= pause->from_ns + edge_ns; i++) {
            const struct incoming *packet = &incoming[i];
            bool unusual = (packet->received_ns - packet->sent_ns) / LATE_RATIO_MIN >= packet->usual_ns;
            if (unusual && packet->received_ns >= pause->to_ns - edge_ns && packet->received_ns <= pause->to_ns + edge_ns)
                return true;
        }
    }
    return false;
}

/* Did a node have an event in the middle of a pause? */
static bool was_active(const struct facts *facts, unsigned node, const struct pause *pause) {
    uint64_t edge_ns = (pause->to_ns - pause->from_ns) / AT_ONCE_PART;
    struct fact_walk walk = facts_walk(facts, pause->from_ns + edge_ns, pause->to_ns - edge_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk)))
        if (fact->node == node) return true;
    return false;
}

/* Was what the node itself had sent before held up, too, on its way to a node that was active meanwhile, and until the same time?
 * Then the link held up both, and the node may have had nothing to do. */
static bool held_both_ways(const struct facts *facts, const struct incoming *incoming, size_t count, const struct pause *pause) {
    uint64_t edge_ns = (pause->to_ns - pause->from_ns) / AT_ONCE_PART;
    for (size_t i = 0; i < count; i++) {
        const struct incoming *packet = &incoming[i];
        if (packet->sender != pause->node || packet->sent_ns > pause->from_ns + edge_ns) continue;
        if (packet->received_ns + edge_ns < pause->to_ns || packet->received_ns > pause->to_ns + edge_ns) continue;
        bool unusual = (packet->received_ns - packet->sent_ns) / LATE_RATIO_MIN >= packet->usual_ns;
        if (unusual && was_active(facts, packet->node, pause)) return true;
    }
    return false;
}

/* The findings about pauses. */
struct stalls {
    struct finding *nodes;    /* by node: it did nothing */
    struct finding *doubts;   /* by node: nobody did anything, but packets waited for this node alone */
    struct finding *held;     /* two by node: only it did nothing, or nobody did; but only what one node had sent it waited */
    struct finding *machines; /* by machine + 1, 0 for the only one: all nodes stood still */
};

/* Of which of these a pause is part.  If no other node of the machine did anything either, and packets waited for several nodes,
 * all stood still.  If they waited for one node, it may have been the only one: nothing tells, unless another machine was
 * active. */
static struct finding *finding_of_pause(const struct analysis *analysis, const struct stalls *stalls, struct pause *pause,
                                        const struct incoming *incoming, size_t count) {
    const struct facts *facts = analysis->facts;
    struct finding *machine = &stalls->machines[pause->machine == NO_NUMBER ? 0 : pause->machine + 1];
    pause->still = !facts_active(facts, pause->machine, pause->from_ns, pause->to_ns);
    if (pause->still && others_waited(facts, incoming, count, pause)) {
        pause->held = false;
        return machine;
    }
    pause->still &= !facts_active(facts, NO_NUMBER, pause->from_ns, pause->to_ns);
    if (!pause->held) return pause->still ? &stalls->doubts[pause->node] : &stalls->nodes[pause->node];
    return &stalls->held[2 * pause->node + pause->still];
}

/* The events of one trace do not show whether a node, or anybody, did something else meanwhile: do those beside? */
static bool is_known_beside(const struct facts *facts, const struct pause *pause) {
    uint64_t edge_ns = (pause->to_ns - pause->from_ns) / AT_ONCE_PART;
    if (was_active(facts, pause->node, pause)) return false;
    return !pause->still || facts_looked(facts, pause->node, pause->from_ns + edge_ns, pause->to_ns - edge_ns);
}

/* A node had no event in that period (!seen: and we have none of its earlier events): did packets wait for it?  They did if
 * packets sent to it in that period arrived only at the end, and no more were lost than arrived so late.  The pause begins with
 * the first of these packets: before that, the node may have had nothing to do. */
static void judge_pause(struct analysis *analysis, struct stalls *stalls, unsigned node, const struct incoming *incoming,
                        size_t count, uint64_t from_ns, uint64_t to_ns, bool seen) {
    const struct facts *facts = analysis->facts;
    struct waiting waiting = list_waiting(&analysis->closings, incoming, count, node, from_ns, to_ns);
    bool is_short = to_ns - from_ns < STALL_NS_MIN;
    if (is_short ? !may_be_pause(&waiting, incoming, to_ns, seen) : !is_long_pause(&waiting, incoming, to_ns)) return;
    const struct incoming *first = &incoming[is_short ? waiting.first_short : waiting.first];
    if (is_short && !is_short_pause(&waiting, incoming, to_ns)) {
        stalls->nodes[node].usual_ns += to_ns - first->sent_ns;
        return;
    }
    unsigned machine = node_clocks_machine(&facts->clocks, node);
    bool is_near = machine == node_clocks_machine(&facts->clocks, first->sender);
    struct pause pause = {.node = node,
                          .machine = machine,
                          .from_ns = first->sent_ns,
                          .to_ns = to_ns,
                          .send = first->send,
                          .receive = first->receive,
                          .held = !is_short && !waiting.others && !(waiting.together && is_near)};
    if (!is_short && held_both_ways(facts, incoming, count, &pause)) return;
    struct finding *finding = finding_of_pause(analysis, stalls, &pause, incoming, count);
    if (is_short && pause.still) return;
    if (analysis->one_trace && !is_known_beside(facts, &pause)) return;
    keep_pause(analysis, &pause);
    if (finding->node == NO_NUMBER && !pause.held && finding->until_ns > pause.from_ns) return; /* the same for another node */
    take_pause(facts, finding, &pause);
    finding->until_ns = to_ns;
}

/* The time of the newest event of all nodes with clocks comparable to this node's. */
static uint64_t newest_beside(const struct analysis *analysis, const struct node_sum *sums, size_t nodes, unsigned node) {
    uint64_t newest_ns = sums[node].last_ns;
    for (unsigned i = 0; i < nodes; i++)
        if (sums[i].last_ns > newest_ns && node_clocks_comparable(&analysis->facts->clocks, node, i, NULL))
            newest_ns = sums[i].last_ns;
    return newest_ns;
}

/* Were enough of the other nodes active in the second half of that period?  Otherwise the whole network was idle. */
static bool others_active(const struct analysis *analysis, const struct node_sum *sums, size_t nodes, unsigned node,
                          uint64_t from_ns, uint64_t to_ns) {
    size_t others = 0, active = 0;
    for (unsigned i = 0; i < nodes; i++) {
        if (i == node || !sums[i].events || !node_clocks_comparable(&analysis->facts->clocks, node, i, NULL)) continue;
        others++;
        active += sums[i].last_ns >= from_ns + (to_ns - from_ns) / 2;
    }
    return (double)active >= SILENT_OTHERS_MIN * (double)others;
}

/* Would the node have reported that packet or message?  It would if it reports others, and no smaller a share of traces than the
 * sender. */
static bool would_report(const struct facts *facts, const struct node_sum *sums, const struct incoming *incoming) {
    const struct node_sum *sum = &sums[incoming->node];
    bool reads = facts->items[incoming->send].kind == FACT_MESSAGE_SENT ? sum->reads_messages : sum->reads_packets;
    return reads && sums[incoming->sender].sample <= sum->sample;
}

/* Did another node receive something from it that it sent after that time?  What was sent before is in flight for
 * less than SILENT_TALKED_NS_MIN. */
static bool is_heard_of(const struct facts *facts, unsigned node, uint64_t last_ns) {
    for (size_t i = facts_first(facts, last_ns + SILENT_TALKED_NS_MIN); i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->peer == node && fact->node != node && fact_is_traffic(fact) && !fact_sends(fact)) return true;
    }
    return false;
}

/* The time in which a log did nothing, from its last event on. */
struct silence {
    size_t last;             /* a fact */
    uint64_t from_ns, to_ns; /* to: now, or until it ended */
    uint64_t longest_ns;     /* of those before */
    uint64_t under_way_ns;   /* a packet whose usual delay is not known may be under way for this long */
    bool before;             /* it began before all that is here, so only others show that there was something to report */
};

/* Of a log whose last event was before all that is here. */
static bool silence_from_before(struct silence *ret_silence, const struct analysis *analysis, const struct node_sum *sums,
                                size_t nodes, const struct node_state *state) {
    const struct facts *facts = analysis->facts;
    *ret_silence = (struct silence){.last = NO_FACT,
                                    .from_ns = state->last_ns,
                                    .to_ns = newest_beside(analysis, sums, nodes, state->node),
                                    .under_way_ns = UNDER_WAY_NS_MAX,
                                    .before = true};
    return state->all_kinds && state->last_ns && facts->count && !facts_stepped(facts) && !state->doubtful &&
           !facts_gap(facts, state->node, 0, UINT64_MAX) && state->last_ns < facts->items[0].time_ns &&
           ret_silence->to_ns > state->last_ns;
}

static bool silence_of_live(struct silence *ret_silence, const struct analysis *analysis, const struct node_sum *sums,
                            size_t nodes, const struct node_state *state) {
    const struct node_sum *sum = &sums[state->node];
    if (!sum->events) return silence_from_before(ret_silence, analysis, sums, nodes, state);
    *ret_silence = (struct silence){.last = sum->last,
                                    .from_ns = sum->last_ns,
                                    .to_ns = newest_beside(analysis, sums, nodes, state->node),
                                    .longest_ns = sum->longest_ns};
    return true;
}

/* Packets of QUIC, which are answered at once, were sent to a node that has no events here: two other nodes that report what
 * they receive must have sent it some for long enough. */
static bool is_unheard(const struct analysis *analysis, const struct node_sum *sums, const struct silence *silence,
                       const struct incoming *incoming, size_t count, unsigned node) {
    const struct fact *items = analysis->facts->items;
    unsigned first = NO_NUMBER;
    bool several = false, is_long = false;
    for (size_t i = incoming_after(incoming, count, node, silence->from_ns); i < count && incoming[i].node == node; i++) {
        if (items[incoming[i].send].kind != FACT_PACKET_SENT || !sums[incoming[i].sender].reads_packets) continue;
        if (first == NO_NUMBER) first = incoming[i].sender;
        several |= incoming[i].sender != first;
        is_long |= incoming[i].sent_ns + SILENT_TALKED_NS_MIN <= silence->to_ns;
    }
    return several && is_long;
}

/* Of a log that was seen live long after its last event.  False: it is not known, or its node had another log meanwhile. */
static bool silence_of_ended(struct silence *ret_silence, const struct facts *facts, const struct node_state *state) {
    struct silence silence = {NO_FACT, state->ended_ns, state->lived_ns, .under_way_ns = UNDER_WAY_NS_MAX};
    uint64_t before_ns = 0;
    if (!state->by_ns || state->doubtful || state->ended_ns == UINT64_MAX || state->again_ns < state->lived_ns) return false;
    if (!facts->count || state->ended_ns < facts->items[0].time_ns) return false;
    for (size_t i = 0; i < facts->count && facts->items[i].time_ns <= state->ended_ns; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->node != state->node || fact->kind == FACT_EVENTS_LOST) continue;
        if (silence.last != NO_FACT) silence.longest_ns = greatest(silence.longest_ns, fact->time_ns - before_ns);
        before_ns = fact->time_ns;
        silence.last = i;
    }
    silence.to_ns = least(silence.to_ns, facts->items[facts->count - 1].time_ns);
    *ret_silence = silence;
    return silence.last != NO_FACT && before_ns == state->ended_ns && silence.to_ns - before_ns >= SILENT_TALKED_NS_MIN;
}

/* Nodes that have stopped emitting events, although others sent to them, or although they have work that has not ended.
 * Otherwise they have nothing to do. */
static void judge_silence(struct analysis *analysis, const struct requests *requests, const struct node_state *state,
                          const struct node_sum *sums, size_t nodes, const struct incoming *incoming, size_t count) {
    const struct node_sum *sum = &sums[state->node];
    struct silence silence;
    if (state->live ? !silence_of_live(&silence, analysis, sums, nodes, state)
                    : !silence_of_ended(&silence, analysis->facts, state))
        return;
    if (is_heard_of(analysis->facts, state->node, silence.from_ns)) return; /* it may report less than before */
    if (silence.before && !is_unheard(analysis, sums, &silence, incoming, count, state->node)) return;
    uint64_t silent_ns = silence.to_ns - silence.from_ns, in_doubt = 0;
    unsigned sender = NO_NUMBER;
    bool one_sender = true;
    struct finding finding = finding_of(FINDING_NODE_SILENT, SEVERITY_SEVERE, state->node);
    finding_show(&finding, silence.last);
    for (size_t i = incoming_after(incoming, count, state->node, silence.from_ns); i < count && incoming[i].node == state->node;
         i++) {
        uint64_t usual_ns = incoming[i].usual_ns == UINT64_MAX ? silence.under_way_ns : incoming[i].usual_ns;
        bool under_way = usual_ns && incoming[i].sent_ns + usual_ns >= silence.to_ns;
        bool reported = silence.before ? sums[incoming[i].sender].sample <= sum->sample &&
                                             analysis->facts->items[incoming[i].send].kind == FACT_PACKET_SENT
                                       : would_report(analysis->facts, sums, &incoming[i]);
        if (under_way || !reported) continue;
        if (closings_before(&analysis->closings, incoming[i].sender, state->node, incoming[i].sent_ns)) continue;
        one_sender &= sender == NO_NUMBER || sender == incoming[i].sender;
        sender = incoming[i].sender;
        in_doubt += incoming[i].lost;
        finding.count++;
        finding_show(&finding, incoming[i].send);
    }
    for (size_t i = 0; i < requests->open_count; i++) {
        const struct open_part *open = &requests->open[i];
        if (open->node != state->node || open->asks || open->waits_for != NO_NUMBER) continue;
        if (open->ended != (state->live ? NULL : state)) continue;
        if (!finding.open++ && open->start != silence.last) finding_show(&finding, open->start);
    }
    finding.all_lost = in_doubt == finding.count;
    if (one_sender && finding.all_lost) finding.count = 0; /* perhaps their link lost them all */
    bool stopped = finding.open && silent_ns >= SILENT_NS_MIN && silent_ns >= SILENT_RATIO_MIN * silence.longest_ns &&
                   sum->events >= SILENT_EVENTS_MIN &&
                   others_active(analysis, sums, nodes, state->node, silence.from_ns, silence.to_ns);
    if (!stopped && (silent_ns < SILENT_TALKED_NS_MIN || finding.count < SILENT_PACKETS_MIN)) return;
    finding.all_lost &= !stopped;
    finding.weight = (double)silent_ns / 1e9;
    finding.time_ns = facts_unix(analysis->facts, state->node, silence.from_ns);
    finding.ns = silent_ns;
    finding.usual_ns = silence.longest_ns;
    finding.usual_known = !silence.before;
    finding.after_ns = state->after_ns;
    finding.by_ns = state->by_ns;
    analysis_add(analysis, &finding);
}

/* Short pauses are a finding only if their sum is long, and much longer than that of the other nodes (usual_ns; theirs may have
 * been delays of a link): on a busy machine every node has some. */
static bool stands_out(const struct finding *stalls, const uint64_t *paused_ns, double *sorted, size_t nodes, unsigned node) {
    const double own[] = {(double)(paused_ns[node] + stalls[node].usual_ns)};
    size_t count = 0;
    if (stalls[node].ns >= STALL_NS_MIN) return true;
    if (paused_ns[node] < STALL_TOGETHER_NS_MIN) return false;
    for (size_t i = 0; i < nodes; i++)
        if (stalls[i].of) sorted[count++] = (double)(paused_ns[i] + stalls[i].usual_ns);
    sort_values(sorted, count);
    return (double)paused_ns[node] >= STALL_RATIO_MIN * median_without(sorted, count, own, 1);
}

/* Goes through the times in which a node had no events. */
static void judge_silences(struct analysis *analysis, struct stalls *stalls, uint64_t *last_ns, const struct incoming *incoming,
                           size_t count) {
    const struct facts *facts = analysis->facts;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        uint64_t *last = &last_ns[fact->node];
        uint64_t begin_ns = facts_line_begin(facts, fact->time_ns), from_ns = greatest(*last, begin_ns ? begin_ns - 1 : 0);
        if (fact->time_ns - from_ns >= STALL_SHORT_NS_MIN && fact->kind != FACT_EVENTS_LOST)
            judge_pause(analysis, stalls, fact->node, incoming, count, from_ns, fact->time_ns, *last && *last >= begin_ns);
        *last = fact->time_ns;
        stalls->nodes[fact->node].of++;
    }
}

static void report_doubt(struct analysis *analysis, struct finding *finding) {
    finding->severity = SEVERITY_NOTABLE;
    if (finding->count) analysis_add(analysis, finding);
}

static void report_pauses(struct analysis *analysis, const struct stalls *stalls, uint64_t *paused_ns, double *room, size_t nodes,
                          size_t machines) {
    for (size_t i = 0; i < analysis->pause_count; i++) {
        const struct pause *pause = &analysis->pauses[i];
        if (!pause->still && !pause->held) paused_ns[pause->node] += pause->to_ns - pause->from_ns;
    }
    for (unsigned i = 0; i < nodes; i++) {
        if (stalls->nodes[i].count && stands_out(stalls->nodes, paused_ns, room, nodes, i))
            analysis_add(analysis, &stalls->nodes[i]);
        report_doubt(analysis, &stalls->doubts[i]);
        if (stalls->held[2 * i].count) analysis_add(analysis, &stalls->held[2 * i]);
        report_doubt(analysis, &stalls->held[2 * i + 1]);
    }
    for (size_t i = 0; i < machines; i++)
        if (stalls->machines[i].count) analysis_add(analysis, &stalls->machines[i]);
}

static void judge_pauses(struct analysis *analysis, const struct incoming *incoming, size_t count, size_t nodes) {
    size_t machines = intern_count(&analysis->facts->clocks.machines) + 1;
    struct stalls stalls = {.nodes = calloc(nodes + 1, sizeof *stalls.nodes),
                            .doubts = calloc(nodes + 1, sizeof *stalls.doubts),
                            .held = calloc(2 * nodes + 1, sizeof *stalls.held),
                            .machines = calloc(machines + 1, sizeof *stalls.machines)};
    uint64_t *last_ns = calloc(nodes + 1, sizeof *last_ns);
    uint64_t *paused_ns = calloc(nodes + 1, sizeof *paused_ns);
    double *sorted = calloc(nodes + 1, sizeof *sorted);
    if (stalls.nodes && stalls.doubts && stalls.held && stalls.machines && last_ns && paused_ns && sorted) {
        for (unsigned i = 0; i < nodes; i++) {
            stalls.nodes[i] = finding_of(FINDING_NODE_STALLED, SEVERITY_SEVERE, i);
            stalls.doubts[i] = finding_of(FINDING_NODE_STALLED, SEVERITY_NOTABLE, NO_NUMBER);
            stalls.doubts[i].peer = i;
            stalls.held[2 * i] = stalls.held[2 * i + 1] = stalls.doubts[i];
            stalls.held[2 * i].held = stalls.held[2 * i + 1].held = stalls.held[2 * i + 1].calm = true;
        }
        for (size_t i = 0; i < machines; i++) stalls.machines[i] = finding_of(FINDING_NODE_STALLED, SEVERITY_SEVERE, NO_NUMBER);
        judge_silences(analysis, &stalls, last_ns, incoming, count);
        report_pauses(analysis, &stalls, paused_ns, sorted, nodes, machines);
    } else {
        analysis->failed = true;
    }
    free(stalls.nodes);
    free(stalls.doubts);
    free(stalls.held);
    free(stalls.machines);
    free(last_ns);
    free(paused_ns);
    free(sorted);
}

void analyze_nodes(struct analysis *analysis, const struct requests *requests) {
    const struct node_states *states = analysis->states;
    size_t nodes = intern_count(&analysis->facts->nodes), count = 0;
    struct node_sum *sums = calloc(nodes + 1, sizeof *sums);
    struct incoming *incoming = calloc(analysis->packets.count + 1, sizeof *incoming);
    if (!sums || !incoming) {
        analysis->failed = true;
        goto out;
    }
    sum_nodes(sums, analysis->facts);
    count_nodes(sums, nodes, analysis->facts);
    count = list_incoming(incoming, analysis);
    for (unsigned i = 0; i < nodes; i++) {
        sums[i].sample = node_states_sample(states, i);
        analysis->coverage.nodes += sums[i].events || sums[i].missing;
        analysis->coverage.events_missing += sums[i].missing;
        report_missing(analysis, i, &sums[i]);
    }
    judge_pauses(analysis, incoming, count, nodes);
    for (size_t i = 0; i < states->count && !analysis->one_trace; i++) {
        const struct node_state *state = &states->items[i];
        if (state->node < nodes) judge_silence(analysis, requests, state, sums, nodes, incoming, count);
    }
out:
    free(sums);
    free(incoming);
}
