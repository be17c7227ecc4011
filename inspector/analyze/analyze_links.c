/* SPDX-License-Identifier: MIT
 *
 * Links, each from one node to another, and their losses.
 *
 * If both ends report packets, a packet is lost if it was sent and never received.  If only the sender does, it is lost if the
 * sender declared it lost, which is possible only for packets that ask for an acknowledgement.
 *
 * What is sent to a node that does not run is not lost by the link.  A node that was started again may not know its senders; then
 * the link counts from the first exchange of the two.
 *
 * A link without packet events is judged by the program's messages, but only if both ends report them.
 *
 * If an untraced peer sent nothing while packets to it were lost, the peer is gone; its links are not lossy. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "others.h"

#include <math.h>
#include <p2ptrace/event.h>
#include <stdlib.h>
#include <string.h>

/* Every path carries 1200 bytes (RFC 9000, 14); a larger packet may be a probe of the path's MTU. */
#define PROBE_BYTES_MIN 1201

/* A link with fewer than LOSS_SENT_MIN packets counts for its ends if this many of them would be lost. */
#define WITNESS_LOST_MIN (2 * LOSS_LOST_MIN)

/* A packet that was sent. */
struct link_packet {
    unsigned from, to;
    const struct message *message;
};

struct link {
    unsigned from, to;
    uint64_t sent, lost;
    uint64_t sent_since, lost_since; /* of these, since the receiver was last heard of */
    size_t losses[EVIDENCE_MAX];     /* facts: the first losses */
    unsigned loss_count;
    double rate, sure_rate; /* lost of sent; the lower end of its confidence interval */
    bool lossy;             /* it loses enough to report, even if others lose as much */
    bool reported;
    bool usual_known;
    double usual_rate;
};

/* A time in which nothing could arrive on a link, because its receiver did not run. */
struct downtime {
    uint64_t from_ns, to_ns;
};

struct links {
    const struct node_states *states;
    uint64_t *log_ends;         /* of each state; UINT64_MAX: the node runs on, or it is not known */
    struct downtime *downtimes; /* of one link */
    size_t downtime_count;
    struct link *items;
    size_t count;
    struct judged_link *judged;
    size_t judged_count;
    struct others others;
    struct end_count *ends;
};

static const struct link *link_of(const struct links *links, size_t judged) { return &links->items[links->judged[judged].index]; }

/* The lower end of Wilson's score interval of a proportion. */
static double sure_share(uint64_t part, uint64_t whole) {
    double n = (double)whole, p = (double)part / n, z2 = LOSS_SURE_Z * LOSS_SURE_Z;
    double centre = p + z2 / (2 * n), half = LOSS_SURE_Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    double low = (centre - half) / (1 + z2 / n);
    return low > 0 ? low : 0;
}

/* ---- counting ---- */

/* What a node can testify: up to when it has events, whether some are missing, and when others last heard of it. */
struct witness {
    uint64_t last_ns;
    uint64_t heard_ns; /* when others last received something from it; 0: never */
    size_t heard;      /* that fact */
    bool incomplete;
    bool traced;   /* it has events, or traced knows it */
    bool gone;     /* of a peer that is not traced: nothing reaches it any more */
    double sample; /* the share of traces that it reports */
};

static int compare_packets(const void *left, const void *right) {
    const struct link_packet *a = left, *b = right;
    if (a->from != b->from) return a->from < b->from ? -1 : 1;
    if (a->to != b->to) return a->to < b->to ? -1 : 1;
    return a->message < b->message ? -1 : a->message > b->message;
}

static uint64_t bytes_of(const struct analysis *analysis, const struct message *message) {
    return message->send == NO_EVENT ? 0 : analysis->facts->items[message->send].bytes;
}

/* QUIC drops some handshake packets on purpose, and discards their packet number spaces. */
static bool is_counted(const struct message *message) { return message->space >= TRACE_SPACE_1RTT; }

/* Is it one of several with the same number, in a space where that means a retransmission?  We cannot know which of these sends
 * arrived, only how many. */
static bool is_sent_again(const struct message *message) {
    return message->state == MESSAGE_AMBIGUOUS && message->space > TRACE_SPACE_1RTT;
}

/* ---- receivers that did not run ---- */

/* Does another log of the node go on after that one's end? */
static bool runs_on(const struct node_states *states, const struct node_state *ended) {
    for (size_t i = 0; i < states->count; i++) {
        const struct node_state *state = &states->items[i];
        if (state->node != ended->node || !state->started_ns || state->started_ns > ended->last_ns) continue;
        if (state->live || state->last_ns > ended->last_ns) return true;
    }
    return false;
}

/* When a node that had ended exchanges something with a peer again, as it reports itself; UINT64_MAX: never.  What the peer gets
 * may have been under way. */
static uint64_t next_exchange(const struct facts *facts, unsigned node, unsigned peer, uint64_t from_ns) {
    for (size_t i = facts_first(facts, from_ns + 1); i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->node == node && fact->peer == peer && fact_is_traffic(fact)) return fact->time_ns;
    }
    return UINT64_MAX;
}

static void find_ends(const struct analysis *analysis, struct links *links) {
    const struct facts *facts = analysis->facts;
    for (size_t i = 0; i < links->states->count; i++) {
        const struct node_state *state = &links->states->items[i];
        bool ended = !state->live && state->last_ns && !runs_on(links->states, state);
        bool before = facts->count && state->last_ns < fact_unix(facts, &facts->items[0]); /* all that is here */
        links->log_ends[i] = !ended ? UINT64_MAX : state->ended_ns == UINT64_MAX && before ? 0 : state->ended_ns;
    }
}

static void find_downtimes(const struct analysis *analysis, struct links *links, unsigned from, unsigned to) {
    links->downtime_count = 0;
    for (size_t i = 0; i < links->states->count; i++) {
        uint64_t end_ns = links->log_ends[i];
        if (links->states->items[i].node != to || end_ns == UINT64_MAX) continue;
        links->downtimes[links->downtime_count++] = (struct downtime){end_ns, next_exchange(analysis->facts, to, from, end_ns)};
    }
}

static bool was_down(const struct links *links, uint64_t time_ns) {
    for (size_t i = 0; i < links->downtime_count; i++)
        if (links->downtimes[i].from_ns < time_ns && time_ns < links->downtimes[i].to_ns) return true;
    return false;
}

/* ---- one link ---- */

/* What we can see of one link; found before its packets are counted. */
struct link_sight {
    enum message_kind kind; /* packets; messages if there are none */
    uint64_t received, unsent, most_bytes;
    uint64_t under_way_ns; /* how long a packet may be on its way: the longest that one was, but at most UNDER_WAY_NS_MAX */
    bool both;             /* both ends report it */
};

static struct link_sight examine_link(const struct analysis *analysis, const struct link_packet *packets, size_t count,
                                      const struct witness *witnesses) {
    struct link_sight sight = {.kind = MESSAGE_OWN};
    for (size_t i = 0; i < count; i++)
        if (packets[i].message->kind == MESSAGE_PACKET) sight.kind = MESSAGE_PACKET;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = packets[i].message;
        if (message->kind != sight.kind) continue;
        bool received = message->receive != NO_EVENT && is_counted(message);
        sight.received += received && (message->state == MESSAGE_MATCHED || is_sent_again(message));
        sight.unsent += received && message->state == MESSAGE_UNSENT;
        bool timed = message->state == MESSAGE_MATCHED && !message->untimed && message->gap_ns > 0;
        if (timed) sight.under_way_ns = greatest(sight.under_way_ns, least((uint64_t)message->gap_ns, UNDER_WAY_NS_MAX));
        if (message->receive != NO_EVENT && bytes_of(analysis, message) > sight.most_bytes)
            sight.most_bytes = bytes_of(analysis, message);
    }
    sight.both = sight.received && !witnesses[packets->from].incomplete && !witnesses[packets->to].incomplete &&
                 witnesses[packets->to].sample >= witnesses[packets->from].sample && 10 * sight.unsent <= sight.received &&
                 node_clocks_comparable(&analysis->facts->clocks, packets->from, packets->to, NULL);
    return sight;
}

static void count_loss(struct link *link, const struct message *message) {
    link->lost++;
    if (link->loss_count < EVIDENCE_MAX)
        link->losses[link->loss_count++] = message->lost != NO_EVENT ? message->lost : message->send;
}

static void count_packet(const struct analysis *analysis, const struct links *links, struct link *link,
                         const struct message *message, const struct link_sight *sight, const struct witness *receiver) {
    uint64_t bytes = bytes_of(analysis, message);
    bool lost = message->lost != NO_EVENT && message->receive == NO_EVENT;
    if (message->kind != sight->kind || (message->kind == MESSAGE_OWN && !sight->both)) return;
    if (message->send == NO_EVENT || message->state == MESSAGE_DUPLICATE)
        return; /* it may have been sent before our first event */
    if (message->kind == MESSAGE_PACKET && sight->most_bytes && bytes > sight->most_bytes && bytes >= PROBE_BYTES_MIN) return;
    uint64_t sent_ns = analysis->facts->items[message->send].time_ns;
    if (message->receive == NO_EVENT && was_down(links, sent_ns)) return;
    if (message->receive == NO_EVENT && message->kind == MESSAGE_PACKET &&
        closings_explain(&analysis->closings, link->from, link->to, sent_ns))
        return;
    if (sight->both) {
        /* A packet sent after the receiver's last event, or shortly before, is still on the way, or the receiver is gone. */
        bool under_way = message->receive == NO_EVENT && !lost && sent_ns + sight->under_way_ns > receiver->last_ns;
        if (!is_counted(message) || message->state == MESSAGE_AMBIGUOUS || sent_ns > receiver->last_ns || under_way) return;
        link->sent++;
        if (message->receive == NO_EVENT) count_loss(link, message);
    } else if (lost || !packet_is_small(bytes, UINT64_MAX)) {
        bool since = analysis->facts->items[message->send].time_ns > receiver->heard_ns;
        link->sent++;
        link->sent_since += since;
        link->lost_since += since && lost;
        if (lost) count_loss(link, message);
    }
}

/* Numbers that were sent more than once: if N were sent and M received, N - M were lost. */
static void count_sent_again(const struct analysis *analysis, const struct links *links, struct link *link,
                             const struct link_packet *packets, size_t count, const struct link_sight *sight,
                             const struct witness *receiver) {
    uint64_t sent = 0, received = 0;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = packets[i].message;
        if (message->kind != sight->kind || !is_sent_again(message)) continue;
        received += message->receive != NO_EVENT;
        uint64_t sent_ns = message->send == NO_EVENT ? UINT64_MAX : analysis->facts->items[message->send].time_ns;
        sent += sent_ns <= receiver->last_ns && !(message->receive == NO_EVENT && was_down(links, sent_ns));
    }
    link->sent += sent;
    if (sent <= received) return;
    link->lost += sent - received;
    const struct message *shown = NULL; /* show one send of each number */
    for (size_t i = 0; i < count && link->loss_count < EVIDENCE_MAX; i++) {
        const struct message *message = packets[i].message;
        if (message->kind != sight->kind || !is_sent_again(message) || message->send == NO_EVENT) continue;
        if (!shown || shown->number != message->number) link->losses[link->loss_count++] = message->send;
        shown = message;
    }
}

static void count_links(struct analysis *analysis, struct links *links, const struct link_packet *packets, size_t count,
                        const struct witness *witnesses) {
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && packets[end].from == packets[begin].from && packets[end].to == packets[begin].to;) end++;
        const struct link_sight sight = examine_link(analysis, packets + begin, end - begin, witnesses);
        struct link link = {.from = packets[begin].from, .to = packets[begin].to};
        find_downtimes(analysis, links, link.from, link.to);
        for (size_t i = begin; i < end; i++)
            count_packet(analysis, links, &link, packets[i].message, &sight, &witnesses[link.to]);
        if (sight.both) count_sent_again(analysis, links, &link, packets + begin, end - begin, &sight, &witnesses[link.to]);
        if (!link.sent) continue;
        bool judged = link.sent >= LOSS_SENT_MIN;
        analysis->coverage.links++;
        analysis->coverage.links_judged += judged;
        if (judged) {
            link.rate = (double)link.lost / (double)link.sent;
            link.sure_rate = sure_share(link.lost, link.sent);
            links->judged[links->judged_count++] =
                (struct judged_link){.from = link.from, .to = link.to, .value = link.rate, .index = links->count};
        }
        links->items[links->count++] = link;
    }
}

static void examine_nodes(struct witness *witnesses, size_t nodes, const struct facts *facts, const struct node_states *states) {
    for (unsigned i = 0; i < nodes; i++) witnesses[i].sample = node_states_sample(states, i);
    for (size_t i = 0; i < states->count; i++)
        if (states->items[i].node < nodes) witnesses[states->items[i].node].traced = true;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        witnesses[fact->node].traced = true;
        if ((fact->kind == FACT_PACKET_RECEIVED || fact->kind == FACT_MESSAGE_RECEIVED) && fact->peer != NO_NUMBER)
            witnesses[fact->peer].heard_ns = fact->time_ns, witnesses[fact->peer].heard = i;
        if (fact->kind == FACT_EVENTS_LOST)
            witnesses[fact->node].incomplete = true;
        else
            witnesses[fact->node].last_ns = fact->time_ns;
    }
}

/* ---- findings ---- */

static void report_losses(struct analysis *analysis, const struct link *link, enum direction direction) {
    bool node = direction != DIRECTION_NONE;
    struct finding finding = {.kind = node ? FINDING_LOSSY_NODE : FINDING_LOSSY_LINK,
                              .severity = SEVERITY_SEVERE,
                              .weight = link->rate,
                              .node = link->from,
                              .peer = node ? NO_NUMBER : link->to,
                              .trace = analysis->facts->items[link->losses[0]].trace,
                              .command = NO_NUMBER,
                              .count = link->lost,
                              .of = link->sent,
                              .usual_rate = link->usual_rate,
                              .usual_known = link->usual_known,
                              .direction = direction};
    for (unsigned i = 0; i < link->loss_count; i++) finding_show(&finding, link->losses[i]);
    analysis_add(analysis, &finding);
}

/* Adds a loss to the first losses of several links, in order. */
static void keep_first(struct link *all, size_t loss) {
    unsigned at = all->loss_count < EVIDENCE_MAX ? all->loss_count++ : EVIDENCE_MAX;
    while (at > 0 && all->losses[at - 1] > loss) {
        if (at < EVIDENCE_MAX) all->losses[at] = all->losses[at - 1];
        at--;
    }
    if (at < EVIDENCE_MAX) all->losses[at] = loss;
}

/* Replaces the findings of a node's links by one for the node; these links are no longer bad. */
static void report_lossy_node(struct analysis *analysis, struct links *links, unsigned node, enum direction direction) {
    struct link all = {.from = node};
    for (size_t i = 0; i < links->judged_count; i++) {
        struct judged_link *judged = &links->judged[i];
        struct link *link = &links->items[judged->index];
        if (!is_at_end(judged, node, direction)) continue;
        all.sent += link->sent;
        all.lost += link->lost;
        if (!judged->bad) continue;
        judged->bad = false;
        link->reported = true;
        all.usual_known |= link->usual_known;
        if (link->usual_rate > all.usual_rate) all.usual_rate = link->usual_rate;
        for (unsigned k = 0; k < link->loss_count; k++) keep_first(&all, link->losses[k]);
    }
    all.rate = (double)all.lost / (double)all.sent;
    report_losses(analysis, &all, direction);
}

/* all->from: the node at one end of all these links, or NO_NUMBER. */
static void report_network(struct analysis *analysis, const struct link *all, size_t lossy, size_t judged) {
    struct finding finding = {.kind = FINDING_LOSSY_NETWORK,
                              .severity = SEVERITY_SEVERE,
                              .weight = (double)all->lost / (double)all->sent,
                              .node = NO_NUMBER,
                              .peer = NO_NUMBER,
                              .common = all->from,
                              .trace = analysis->facts->items[all->losses[0]].trace,
                              .command = NO_NUMBER,
                              .count = all->lost,
                              .of = all->sent,
                              .links = lossy,
                              .links_of = judged};
    for (unsigned i = 0; i < all->loss_count; i++) finding_show(&finding, all->losses[i]);
    analysis_add(analysis, &finding);
}

/* ---- peers that are gone ---- */

/* Reports a peer if packets to it were lost only since it was last heard of, and then nearly all.  to: its links.  Returns
 * whether it is gone. */
static bool judge_gone(struct analysis *analysis, const struct links *links, const size_t *to, size_t senders, unsigned peer,
                       const struct witness *witness) {
    struct link all = {.from = peer};
    uint64_t since = 0, lost_since = 0;
    for (size_t i = 0; i < senders; i++) {
        const struct link *link = &links->items[to[i]];
        all.lost += link->lost;
        since += link->sent_since;
        lost_since += link->lost_since;
        for (unsigned k = 0; k < link->loss_count; k++) keep_first(&all, link->losses[k]);
    }
    if (since < LOSS_SENT_MIN || lost_since != all.lost || (double)lost_since < GONE_SHARE_MIN * (double)since) return false;
    struct finding finding = {.kind = FINDING_UNTRACED_PEER,
                              .severity = SEVERITY_NOTABLE,
                              .weight = (double)lost_since / (double)since,
                              .node = peer,
                              .peer = NO_NUMBER,
                              .trace = analysis->facts->items[all.losses[0]].trace,
                              .command = NO_NUMBER,
                              .count = lost_since,
                              .of = since,
                              .links = senders,
                              .time_ns =
                                  witness->heard_ns ? fact_unix(analysis->facts, &analysis->facts->items[witness->heard]) : 0,
                              .gone = true,
                              .unanswered = true};
    for (unsigned i = 0; i < all.loss_count; i++) finding_show(&finding, all.losses[i]);
    analysis_add(analysis, &finding);
    return true;
}

static int compare_receivers(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    int order = compare_numbers(((const struct link *)items)[i].to, ((const struct link *)items)[j].to);
    return order ? order : compare_numbers(i, j);
}

/* Judges the untraced peers, and drops the links to those that are gone. */
static void judge_peers(struct analysis *analysis, struct links *links, struct witness *witnesses) {
    size_t *order = calloc(links->count + 1, sizeof *order), kept = 0;
    if (!order) {
        analysis->failed = true;
        return;
    }
    for (size_t i = 0; i < links->count; i++) order[i] = i;
    qsort_r(order, links->count, sizeof *order, compare_receivers, links->items);
    for (size_t begin = 0, end; begin < links->count; begin = end) {
        unsigned peer = links->items[order[begin]].to;
        for (end = begin; end < links->count && links->items[order[end]].to == peer;) end++;
        if (!witnesses[peer].traced)
            witnesses[peer].gone = judge_gone(analysis, links, order + begin, end - begin, peer, &witnesses[peer]);
    }
    for (size_t i = 0; i < links->judged_count; i++)
        if (!witnesses[links->judged[i].to].gone) links->judged[kept++] = links->judged[i];
    links->judged_count = kept;
    free(order);
}

/* ---- when loss is usual ---- */

/* A node's judged links, in both directions. */
struct node_links {
    size_t judged, unexplained;
    size_t beside; /* unexplained, to or from nodes that are no suspects */
    bool suspect;
};

/* Does the link lose packets, and no finding reports it yet? */
static bool is_unexplained(const struct link *link) { return link->lossy && !link->reported; }

static void count_ends(struct node_links *nodes, const struct links *links) {
    for (size_t i = 0; i < links->judged_count; i++) {
        const struct link *link = link_of(links, i);
        struct node_links *from = &nodes[link->from], *to = &nodes[link->to];
        from->judged++, to->judged++;
        if (!is_unexplained(link)) continue;
        from->unexplained++, to->unexplained++;
    }
}

/* Marks nodes whose links all lose, unless only those to other such nodes do.  Returns whether these nodes explain the losses:
 * then there are other links, and they lose far less. */
static bool find_suspects(struct node_links *nodes, size_t count, const struct links *links) {
    double highest = 0, lowest = 1;
    size_t elsewhere = 0;
    for (size_t i = 0; i < count; i++)
        nodes[i].suspect = nodes[i].unexplained >= 2 * SHARED_LINKS_MIN && nodes[i].unexplained == nodes[i].judged;
    for (size_t i = 0; i < links->judged_count; i++) {
        const struct link *link = link_of(links, i);
        nodes[link->from].beside += !nodes[link->to].suspect;
        nodes[link->to].beside += !nodes[link->from].suspect;
    }
    for (size_t i = 0; i < count; i++) nodes[i].suspect &= nodes[i].beside >= 2 * SHARED_LINKS_MIN;
    for (size_t i = 0; i < links->judged_count; i++) {
        const struct link *link = link_of(links, i);
        bool explained = nodes[link->from].suspect || nodes[link->to].suspect;
        elsewhere += !explained;
        if (explained && link->rate < lowest) lowest = link->rate;
        if (!explained && link->rate > highest) highest = link->rate;
    }
    return elsewhere >= SHARED_LINKS_MIN && highest * LOSS_RATIO_MIN <= lowest;
}

static void report_suspects(struct analysis *analysis, struct links *links, const struct node_links *nodes, size_t count) {
    uint64_t sent = 0, lost = 0;
    for (size_t i = 0; i < links->judged_count; i++) {
        const struct link *link = link_of(links, i);
        if (nodes[link->from].suspect || nodes[link->to].suspect) continue;
        sent += link->sent;
        lost += link->lost;
    }
    for (size_t i = 0; i < links->judged_count; i++) {
        struct link *link = &links->items[links->judged[i].index];
        link->usual_known = true;
        link->usual_rate = (double)lost / (double)sent;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!nodes[i].suspect) continue;
        for (size_t k = 0; k < links->judged_count; k++) links->judged[k].bad = link_of(links, k)->lossy;
        report_lossy_node(analysis, links, i, DIRECTION_BOTH);
    }
}

/* Sums the losses of all unexplained links, and returns their number.  from: the node at one end of all of them, or NO_NUMBER. */
static size_t sum_up(struct link *ret_all, const struct links *links, const struct node_links *nodes, size_t count) {
    size_t unexplained = 0;
    *ret_all = (struct link){.from = NO_NUMBER};
    for (size_t i = 0; i < links->judged_count; i++) {
        const struct link *link = link_of(links, i);
        if (!is_unexplained(link)) continue;
        unexplained++;
        ret_all->sent += link->sent;
        ret_all->lost += link->lost;
        for (unsigned k = 0; k < link->loss_count; k++) keep_first(ret_all, link->losses[k]);
    }
    for (unsigned i = 0; i < count; i++)
        if (nodes[i].unexplained == unexplained) ret_all->from = i;
    return unexplained;
}

/* Reports nodes whose links all lose while the other links do not. */
static void judge_suspects(struct analysis *analysis, struct links *links, struct node_links *nodes, size_t count) {
    count_ends(nodes, links);
    if (find_suspects(nodes, count, links)) report_suspects(analysis, links, nodes, count);
}

/* The rest: many links lose and none stands out.  Such loss is normal here, but we still report it. */
static void judge_network(struct analysis *analysis, struct links *links, struct node_links *nodes, size_t count) {
    struct link all;
    memset(nodes, 0, count * sizeof *nodes);
    count_ends(nodes, links);
    size_t unexplained = sum_up(&all, links, nodes, count);
    if (unexplained >= LOSSY_LINKS_MIN) report_network(analysis, &all, unexplained, links->judged_count);
}

/* ---- all links ---- */

/* Marks links that lose more than usual; apart: more than usual between other nodes, if that is less. */
static void compare_links(struct links *links, bool apart) {
    for (size_t i = 0; i < links->judged_count; i++) {
        struct judged_link *judged = &links->judged[i];
        struct link *link = &links->items[judged->index];
        link->usual_known = others_usual(&links->others, judged, apart, &link->usual_rate);
        judged->bad = is_unexplained(link) && link->sure_rate >= LOSS_RATIO_MIN * link->usual_rate;
    }
}

/* Appends links with too few packets to be judged alone, but enough to show a loss as high as that of the bad links: whether they
 * lose, too, tells whether a link or a node is the cause. */
static void add_witnesses(struct links *links) {
    size_t judged_count = links->judged_count;
    double lowest = 1;
    bool any = false;
    for (size_t i = 0; i < judged_count; i++) {
        if (!links->judged[i].bad) continue;
        any = true;
        if (link_of(links, i)->sure_rate < lowest) lowest = link_of(links, i)->sure_rate;
    }
    for (size_t i = 0; any && i < links->count; i++) {
        struct link *link = &links->items[i];
        struct judged_link judged = {.from = link->from, .to = link->to, .index = i};
        bool gone = link->lost && link->lost_since == link->lost; /* perhaps its receiver is; then its sender is not the cause */
        if (link->sent >= LOSS_SENT_MIN || gone || (double)link->sent * lowest < WITNESS_LOST_MIN) continue;
        link->usual_known = others_usual(&links->others, &judged, true, &link->usual_rate);
        double sure_rate = sure_share(link->lost, link->sent);
        judged.bad = link->lost >= LOSS_LOST_MIN && sure_rate >= LOSS_RATE_MIN && sure_rate >= LOSS_RATIO_MIN * link->usual_rate;
        links->judged[links->judged_count++] = judged;
    }
}

static void report_bad(struct analysis *analysis, struct links *links) {
    enum direction direction;
    unsigned node;
    size_t judged_count = links->judged_count;
    add_witnesses(links);
    while ((node = shared_end(links->judged, links->judged_count, &direction, links->ends)) != NO_NUMBER)
        report_lossy_node(analysis, links, node, direction);
    links->judged_count = judged_count;
    for (size_t i = 0; i < links->judged_count; i++) {
        if (!links->judged[i].bad) continue;
        links->items[links->judged[i].index].reported = true;
        report_losses(analysis, link_of(links, i), DIRECTION_NONE);
    }
}

static void judge_links(struct analysis *analysis, struct links *links) {
    size_t lossy = 0, count = intern_count(&analysis->facts->nodes);
    struct node_links *nodes = calloc(count + 1, sizeof *nodes);
    if (!nodes || others_init(&links->others, links->judged, links->judged_count)) {
        free(nodes);
        analysis->failed = true;
        return;
    }
    for (size_t i = 0; i < links->judged_count; i++) {
        struct link *link = &links->items[links->judged[i].index];
        link->lossy = link->lost >= LOSS_LOST_MIN && link->sure_rate >= LOSS_RATE_MIN;
        lossy += link->lossy;
    }
    bool most = lossy >= LOSSY_LINKS_MIN && 2 * lossy > links->judged_count;
    if (most) judge_suspects(analysis, links, nodes, count);
    compare_links(links, !most);
    report_bad(analysis, links);
    if (most) judge_network(analysis, links, nodes, count);
    free(nodes);
}

void analyze_losses(struct analysis *analysis) {
    const struct messages *messages = &analysis->packets;
    size_t nodes = intern_count(&analysis->facts->nodes), count = 0;
    struct link_packet *packets = calloc(messages->count + 1, sizeof *packets);
    struct witness *witnesses = calloc(nodes + 1, sizeof *witnesses);
    struct links links = {.states = analysis->states,
                          .log_ends = calloc(analysis->states->count + 1, sizeof *links.log_ends),
                          .downtimes = calloc(analysis->states->count + 1, sizeof *links.downtimes),
                          .items = calloc(messages->count + 1, sizeof *links.items),
                          .judged = calloc(messages->count + 1, sizeof *links.judged),
                          .ends = calloc(nodes + 1, sizeof *links.ends)};
    if (packets && witnesses && links.log_ends && links.downtimes && links.items && links.judged && links.ends) {
        for (size_t i = 0; i < messages->count; i++) {
            const struct message *message = &messages->items[i];
            if (message->from != NO_NUMBER && message->to != NO_NUMBER)
                packets[count++] = (struct link_packet){message->from, message->to, message};
        }
        qsort(packets, count, sizeof *packets, compare_packets);
        examine_nodes(witnesses, nodes, analysis->facts, analysis->states);
        find_ends(analysis, &links);
        count_links(analysis, &links, packets, count, witnesses);
        judge_peers(analysis, &links, witnesses);
        judge_links(analysis, &links);
    } else {
        analysis->failed = true;
    }
    free(packets);
    free(witnesses);
    free(links.log_ends);
    free(links.downtimes);
    free(links.items);
    free(links.judged);
    others_fini(&links.others);
    free(links.ends);
}
