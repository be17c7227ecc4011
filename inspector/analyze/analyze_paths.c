/* SPDX-License-Identifier: MIT
 *
 * Packets seen at both ends: how long they take, and which were wrongly declared lost. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "others.h"

#include <errno.h>
#include <stdlib.h>

/* A packet that was matched or lost; later, the median packet of a link. */
struct path {
    unsigned from, to;
    uint64_t gap_ns; /* one-way delay; UINT64_MAX: it did not arrive, or its time is unknown */
    size_t send, receive;
    uint64_t error_ns; /* of gap_ns, because of the two clocks */
    bool arrived;
    bool lost;      /* declared lost: wrongly, if it arrived */
    uint64_t count; /* of the packets that arrived */
};

static int compare_path_ends(const void *left, const void *right) {
    const struct path *a = left, *b = right;
    if (a->from != b->from) return a->from < b->from ? -1 : 1;
    return a->to < b->to ? -1 : a->to > b->to;
}

static int compare_paths(const void *left, const void *right) {
    const struct path *a = left, *b = right;
    int order = compare_path_ends(a, b);
    return order ? order : a->gap_ns < b->gap_ns ? -1 : a->gap_ns > b->gap_ns;
}

/* Sorted by link, then by one-way delay: 0 for packets received before they were sent; packets without a time come last.  Skips
 * links whose two clocks cannot be compared, because their one-way delays are unknown. */
static size_t list_packets(struct path *packets, const struct messages *messages, const struct node_clocks *clocks) {
    size_t count = 0;
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        bool arrived = message->state == MESSAGE_MATCHED, lost = message->lost != NO_EVENT;
        uint64_t error_ns;
        if (message->send == NO_EVENT || message->state == MESSAGE_DUPLICATE || (!arrived && !lost)) continue;
        if (!node_clocks_comparable(clocks, message->from, message->to, &error_ns)) continue;
        packets[count++] = (struct path){.from = message->from,
                                         .to = message->to,
                                         .gap_ns = !arrived || message->untimed ? UINT64_MAX
                                                   : message->gap_ns > 0        ? (uint64_t)message->gap_ns
                                                                                : 0,
                                         .send = message->send,
                                         .receive = message->receive,
                                         .error_ns = error_ns,
                                         .arrived = arrived,
                                         .lost = lost};
    }
    qsort(packets, count, sizeof *packets, compare_paths);
    return count;
}

/* Did the packet wait for its receiver, which did nothing? */
static bool was_read_late(const struct analysis *analysis, const struct path *packet) {
    const struct fact *facts = analysis->facts->items;
    return closings_read_late(&analysis->closings, packet->to, facts[packet->send].time_ns, facts[packet->receive].time_ns);
}

/* The packets of one link that were declared lost but arrived, although their receiver was not standing still. */
static void report_wrong_losses(struct analysis *analysis, const struct path *packets, size_t count) {
    struct finding finding = {.kind = FINDING_WRONG_LOSSES,
                              .severity = SEVERITY_NOTABLE,
                              .node = packets->from,
                              .peer = packets->to,
                              .trace = NO_NUMBER,
                              .command = NO_NUMBER};
    for (size_t i = 0; i < count; i++) {
        finding.of += packets[i].lost;
        if (!packets[i].lost || !packets[i].arrived || was_read_late(analysis, &packets[i])) continue;
        if (!finding.count++) finding.trace = analysis->facts->items[packets[i].send].trace;
        finding_show(&finding, packets[i].send);
        finding_show(&finding, packets[i].receive);
    }
    finding.weight = finding.of ? (double)finding.count / (double)finding.of : 0;
    if (finding.count >= WRONG_LOSSES_MIN && finding.weight >= WRONG_SHARE_MIN) analysis_add(analysis, &finding);
}

/* The median of the packets of one link whose one-way delay is known.  Returns whether there are enough. */
static bool find_median(struct path *ret_path, const struct path *packets, size_t count) {
    while (count && packets[count - 1].gap_ns == UINT64_MAX) count--;
    if (!count) return false;
    *ret_path = packets[count / 2];
    ret_path->count = count;
    return count >= LATE_PACKETS_MIN;
}

/* ---- late packets ---- */

static uint64_t sure_gap(const struct path *packet) {
    return packet->gap_ns > packet->error_ns ? packet->gap_ns - packet->error_ns : 0;
}

static bool is_timed(const struct path *packet) { return packet->arrived && packet->gap_ns != UINT64_MAX; }

static bool is_late(const struct path *packet, double usual) {
    double gap = (double)sure_gap(packet);
    return is_timed(packet) && gap >= usual + (double)LATE_NS_MIN && gap >= LATE_RATIO_MIN * usual;
}

/* The packets to a node: how many have a one-way delay, and how many are late. */
struct lateness {
    size_t timed, late, senders, late_senders; /* senders; and those of late packets */
};

static struct lateness sum_lateness(const struct path *const *packets, size_t count, double usual) {
    struct lateness sum = {0};
    unsigned sender = NO_NUMBER, late_sender = NO_NUMBER; /* packets are sorted by sender */
    for (size_t i = 0; i < count; i++) {
        const struct path *packet = packets[i];
        sum.timed++;
        if (packet->from != sender) sum.senders++;
        sender = packet->from;
        if (!is_late(packet, usual)) continue;
        sum.late++;
        if (packet->from != late_sender) sum.late_senders++;
        late_sender = packet->from;
    }
    return sum;
}

/* The median packets of all links that have enough packets. */
struct paths {
    struct path *items;
    struct judged_link *judged; /* one for each */
    size_t count;
    struct others others;
    double *room;
    struct end_count *ends;
};

/* peer NO_NUMBER: the finding is about the links of `node`; `path` is the slowest. */
static void report_late(struct analysis *analysis, const struct path *path, unsigned node, unsigned peer,
                        enum direction direction, uint64_t usual_ns) {
    struct finding finding = {.kind = peer == NO_NUMBER ? FINDING_LATE_NODE : FINDING_LATE_PACKETS,
                              .severity = path->gap_ns >= SLOW_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)path->gap_ns / 1e9,
                              .node = node,
                              .peer = peer,
                              .trace = analysis->facts->items[path->send].trace,
                              .command = NO_NUMBER,
                              .count = path->count,
                              .ns = path->gap_ns,
                              .usual_ns = usual_ns,
                              .usual_known = true,
                              .direction = direction};
    finding_show(&finding, path->send);
    finding_show(&finding, path->receive);
    analysis_add(analysis, &finding);
}

static uint64_t usual_of(const struct paths *paths, size_t i, bool *ret_known) {
    double usual = 0;
    *ret_known = others_usual(&paths->others, &paths->judged[i], true, &usual);
    return (uint64_t)usual;
}

/* Replaces the findings of a node's links by one for the node; these links are no longer bad. */
static void report_late_node(struct analysis *analysis, struct paths *paths, unsigned node, enum direction direction) {
    struct path slowest = {0};
    uint64_t usual_ns = 0;
    bool known;
    for (size_t i = 0; i < paths->count; i++) {
        if (!paths->judged[i].bad || !is_at_end(&paths->judged[i], node, direction)) continue;
        uint64_t packets = slowest.count + paths->items[i].count;
        if (paths->items[i].gap_ns >= slowest.gap_ns) {
            slowest = paths->items[i];
            usual_ns = usual_of(paths, i, &known);
        }
        slowest.count = packets;
        paths->judged[i].bad = false;
    }
    report_late(analysis, &slowest, node, NO_NUMBER, direction, usual_ns);
}

/* The packets whose one-way delay is known, in the order in which they were sent. */
struct sent_order {
    const struct path **items;
    const struct path **before; /* room for as many */
    size_t count;
};

static int compare_sent(const void *left, const void *right) {
    const struct path *a = *(const struct path *const *)left, *b = *(const struct path *const *)right;
    return a->send < b->send ? -1 : a->send > b->send;
}

static bool sent_order_init(struct sent_order *order, const struct path *packets, size_t count) {
    *order =
        (struct sent_order){.items = calloc(count + 1, sizeof *order->items), .before = calloc(count + 1, sizeof *order->before)};
    if (!order->items || !order->before) return false;
    for (size_t i = 0; i < count; i++)
        if (is_timed(&packets[i])) order->items[order->count++] = &packets[i];
    if (order->count) qsort(order->items, order->count, sizeof *order->items, compare_sent);
    return true;
}

static void sent_order_fini(struct sent_order *order) {
    free(order->items);
    free(order->before);
}

/* from: NO_NUMBER means any sender. */
static bool is_own(const struct path *packet, unsigned from, unsigned to) {
    return packet->to == to && (from == NO_NUMBER || packet->from == from);
}

/* Does it share no end with these packets that may be why they are late? */
static bool is_beside(const struct path *packet, unsigned from, unsigned to) {
    return packet->to != to && packet->from != (from == NO_NUMBER ? to : from);
}

/* The share of late packets on a link, or among all packets to a node.  *ret_beside: the same share among other packets, one for
 * each of these: the one sent nearest to it in time, because a machine that is busy for a while delays all packets. */
static double late_share(const struct sent_order *order, const struct fact *facts, unsigned from, unsigned to, double usual,
                         double *ret_beside) {
    const struct path *beside = NULL;
    size_t own = 0, own_late = 0, others = 0, others_late = 0;
    for (size_t i = 0; i < order->count; i++) {
        if (is_beside(order->items[i], from, to)) beside = order->items[i];
        order->before[i] = beside;
    }
    beside = NULL;
    for (size_t i = order->count; i-- > 0;) {
        const struct path *packet = order->items[i], *nearest = order->before[i];
        if (is_beside(packet, from, to)) beside = packet;
        if (!is_own(packet, from, to)) continue;
        own++;
        own_late += is_late(packet, usual);
        uint64_t sent_ns = facts[packet->send].time_ns;
        if (!nearest || (beside && facts[beside->send].time_ns - sent_ns < sent_ns - facts[nearest->send].time_ns))
            nearest = beside;
        others += nearest != NULL;
        others_late += nearest && is_late(nearest, usual);
    }
    *ret_beside = others ? (double)others_late / (double)others : 0;
    return own ? (double)own_late / (double)own : 0;
}

/* Are packets late on this link more often than on others?  Where all nodes get too little processor time, the medians of some
 * links are high by chance. */
static bool is_late_more_often(const struct analysis *analysis, const struct sent_order *order, const struct path *link,
                               double usual) {
    double beside, share = late_share(order, analysis->facts->items, link->from, link->to, usual, &beside);
    return share >= LATE_OFTEN_RATIO_MIN * beside;
}

static void judge_late(struct analysis *analysis, struct paths *paths, const struct sent_order *order) {
    bool known;
    for (size_t i = 0; i < paths->count; i++) {
        const struct path *path = &paths->items[i];
        uint64_t gap_ns = path->gap_ns > path->error_ns ? path->gap_ns - path->error_ns : 0,
                 usual_ns = usual_of(paths, i, &known);
        paths->judged[i].bad = known && gap_ns >= usual_ns + LATE_NS_MIN && (double)gap_ns >= LATE_RATIO_MIN * (double)usual_ns &&
                               is_late_more_often(analysis, order, path, (double)usual_ns);
    }
    enum direction direction;
    unsigned node;
    while ((node = shared_end(paths->judged, paths->count, &direction, paths->ends)) != NO_NUMBER)
        report_late_node(analysis, paths, node, direction);
    for (size_t i = 0; i < paths->count; i++)
        if (paths->judged[i].bad)
            report_late(analysis, &paths->items[i], paths->items[i].from, paths->items[i].to, DIRECTION_NONE,
                        usual_of(paths, i, &known));
}

/* ---- nodes that receive packets late from all senders ---- */

static bool is_reported_late(const struct analysis *analysis, unsigned node) {
    for (size_t i = 0; i < analysis->count; i++) {
        const struct finding *finding = &analysis->findings[i];
        if ((finding->kind == FINDING_LATE_NODE && finding->node == node) ||
            (finding->kind == FINDING_LATE_PACKETS && (finding->node == node || finding->peer == node)))
            return true;
    }
    return false;
}

/* The packets whose one-way delay is known: their delays, and the packets by receiver, then sender. */
struct received {
    struct others others;
    const struct path **items;
    size_t *begins; /* by node; one more at the end */
};

static int received_init(struct received *received, const struct path *packets, size_t count, unsigned nodes) {
    struct judged_link *delays = calloc(count + 1, sizeof *delays);
    size_t timed = 0;
    *received = (struct received){.items = calloc(count + 1, sizeof *received->items),
                                  .begins = calloc(nodes + 2, sizeof *received->begins)};
    int result = delays && received->items && received->begins ? 0 : -ENOMEM;
    for (size_t i = 0; !result && i < count; i++) {
        if (!is_timed(&packets[i])) continue;
        delays[timed++] = (struct judged_link){.from = packets[i].from, .to = packets[i].to, .value = (double)packets[i].gap_ns};
        received->begins[packets[i].to + 1]++;
    }
    for (unsigned i = 0; !result && i < nodes; i++) received->begins[i + 1] += received->begins[i];
    for (size_t i = count; !result && i-- > 0;)
        if (is_timed(&packets[i])) received->items[--received->begins[packets[i].to + 1]] = &packets[i];
    for (unsigned i = 0; !result && i < nodes; i++) received->begins[i] = received->begins[i + 1];
    if (!result) received->begins[nodes] = timed;
    if (!result) result = others_init(&received->others, delays, timed);
    free(delays);
    return result;
}

static void received_fini(struct received *received) {
    others_fini(&received->others);
    free(received->items);
    free(received->begins);
}

/* A node that gets too little processor time receives some packets at once and others late, from all senders.  No median of a
 * link shows this, and each link may have few packets. */
static void judge_late_node(struct analysis *analysis, const struct received *received, const struct sent_order *order,
                            unsigned node, double *room) {
    const struct path *const *packets = received->items + received->begins[node];
    size_t count = received->begins[node + 1] - received->begins[node];
    double usual, beside;
    size_t kept = 0;
    const struct path *longest = NULL;
    if (is_reported_late(analysis, node) || !others_without(&received->others, node, LATE_PACKETS_MIN, &usual)) return;
    struct lateness sum = sum_lateness(packets, count, usual);
    if (sum.timed < LATE_PACKETS_MIN || sum.late_senders < LATE_SENDERS_MIN || 2 * sum.late_senders <= sum.senders) return;
    double share = late_share(order, analysis->facts->items, NO_NUMBER, node, usual, &beside);
    if (sum.late < LATE_FEW_MIN || share < LATE_SHARE_MIN || share < LATE_RATIO_MIN * beside) return;
    for (size_t i = 0; i < count; i++) {
        if (!is_late(packets[i], usual)) continue;
        room[kept++] = (double)packets[i]->gap_ns;
        if (!longest || packets[i]->gap_ns > longest->gap_ns) longest = packets[i];
    }
    sort_values(room, kept);
    uint64_t middle_ns = (uint64_t)room[kept / 2];
    struct finding finding = {.kind = FINDING_LATE_NODE,
                              .severity = middle_ns >= SLOW_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)middle_ns / 1e9,
                              .node = node,
                              .peer = NO_NUMBER,
                              .trace = analysis->facts->items[longest->send].trace,
                              .command = NO_NUMBER,
                              .count = sum.late,
                              .of = sum.timed,
                              .ns = middle_ns,
                              .usual_ns = (uint64_t)usual,
                              .direction = DIRECTION_IN};
    finding_show(&finding, longest->send);
    finding_show(&finding, longest->receive);
    analysis_add(analysis, &finding);
}

/* Judges nodes to which enough packets took LATE_NS_MIN or more. */
static void judge_late_nodes(struct analysis *analysis, const struct path *packets, size_t count, const struct sent_order *order,
                             double *room) {
    unsigned nodes = intern_count(&analysis->facts->nodes);
    size_t *timed = calloc(nodes + 1, sizeof *timed), *long_under_way = calloc(nodes + 1, sizeof *long_under_way);
    struct received received = {.items = NULL};
    if (!timed || !long_under_way || received_init(&received, packets, count, nodes)) analysis->failed = true;
    for (size_t i = 0; !analysis->failed && i < count; i++) {
        if (!is_timed(&packets[i])) continue;
        timed[packets[i].to]++;
        long_under_way[packets[i].to] += sure_gap(&packets[i]) >= LATE_NS_MIN;
    }
    for (unsigned i = 0; !analysis->failed && i < nodes; i++)
        if (long_under_way[i] && (double)long_under_way[i] >= LATE_SHARE_MIN * (double)timed[i])
            judge_late_node(analysis, &received, order, i, room);
    received_fini(&received);
    free(timed);
    free(long_under_way);
}

static void judge_paths(struct analysis *analysis, struct paths *paths, struct path *packets) {
    size_t packet_count = list_packets(packets, &analysis->packets, &analysis->facts->clocks);
    for (size_t begin = 0, end; begin < packet_count; begin = end) {
        for (end = begin; end < packet_count && !compare_path_ends(&packets[end], &packets[begin]);) end++;
        report_wrong_losses(analysis, packets + begin, end - begin);
        analysis->coverage.paths++;
        struct path *path = &paths->items[paths->count];
        if (!find_median(path, packets + begin, end - begin)) continue;
        paths->judged[paths->count++] = (struct judged_link){.from = path->from, .to = path->to, .value = (double)path->gap_ns};
    }
    analysis->coverage.paths_judged += paths->count;
    struct sent_order order = {.count = 0};
    if (!others_init(&paths->others, paths->judged, paths->count) && sent_order_init(&order, packets, packet_count)) {
        judge_late(analysis, paths, &order);
        judge_late_nodes(analysis, packets, packet_count, &order, paths->room);
    } else {
        analysis->failed = true;
    }
    sent_order_fini(&order);
}

void analyze_paths(struct analysis *analysis) {
    size_t room = analysis->packets.count + 1;
    struct path *packets = calloc(room, sizeof *packets);
    struct paths paths = {.items = calloc(room, sizeof *paths.items),
                          .judged = calloc(room, sizeof *paths.judged),
                          .room = calloc(room, sizeof *paths.room),
                          .ends = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *paths.ends)};
    if (packets && paths.items && paths.judged && paths.room && paths.ends)
        judge_paths(analysis, &paths, packets);
    else
        analysis->failed = true;
    free(packets);
    free(paths.items);
    free(paths.judged);
    others_fini(&paths.others);
    free(paths.room);
    free(paths.ends);
}
