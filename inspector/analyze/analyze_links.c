/* SPDX-License-Identifier: MIT
 *
 * Links, from one node to another: what is lost on them, and how long it is under way. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "packet_pairs.h"

#include <math.h>
#include <stdlib.h>

struct link {
    unsigned from, to;
    uint64_t sent, lost;
    size_t losses[EVIDENCE_MAX]; /* facts, the first of them */
    unsigned loss_count;
    double rate, sure_rate; /* lost of sent; what it is at least */
    bool judged, bad;
    double usual_rate;
};

struct links {
    struct link *items;
    size_t count;
};

static int compare_ends(const void *left, const void *right) {
    const struct link *a = left, *b = right;
    if (a->from != b->from) return a->from < b->from ? -1 : 1;
    return a->to < b->to ? -1 : a->to > b->to;
}

static struct link *find_link(const struct links *links, unsigned from, unsigned to) {
    struct link key = {.from = from, .to = to};
    return links->count ? bsearch(&key, links->items, links->count, sizeof key, compare_ends) : NULL;
}

/* All links that a packet was sent over; false without memory. */
static bool list_links(struct links *ret_links, const struct facts *facts) {
    size_t count = 0, kept = 0;
    struct link *items = calloc(facts->count + 1, sizeof *items);
    if (!items) return false;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_PACKET_SENT && fact->peer != NO_NUMBER)
            items[count++] = (struct link){.from = fact->node, .to = fact->peer};
    }
    qsort(items, count, sizeof *items, compare_ends);
    for (size_t i = 0; i < count; i++)
        if (!kept || compare_ends(&items[kept - 1], &items[i])) items[kept++] = items[i];
    *ret_links = (struct links){.items = items, .count = kept};
    return true;
}

/* The lower end of Wilson's score interval of a share. */
static double sure_share(uint64_t part, uint64_t whole) {
    double n = (double)whole, p = (double)part / n, z2 = LOSS_SURE_Z * LOSS_SURE_Z;
    double centre = p + z2 / (2 * n), half = LOSS_SURE_Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    double low = (centre - half) / (1 + z2 / n);
    return low > 0 ? low : 0;
}

/* The rates of all judged links, sorted; returns how many. */
static size_t list_rates(const struct links *links, double *rates) {
    size_t count = 0;
    for (size_t i = 0; i < links->count; i++)
        if (links->items[i].judged) rates[count++] = links->items[i].rate;
    sort_values(rates, count);
    return count;
}

/* The median of the judged links between other nodes: without this pair's, in either direction. */
static double usual_loss(const struct links *links, const struct link *link, const double *rates, size_t count) {
    const struct link *back = find_link(links, link->to, link->from);
    const double own[] = {link->rate, back ? back->rate : 0};
    return median_without(rates, count, own, back && back->judged ? 2 : 1);
}

static void count_losses(struct analysis *analysis, struct links *links) {
    const struct facts *facts = analysis->facts;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind != FACT_PACKET_SENT && fact->kind != FACT_PACKET_LOST) continue;
        struct link *link = find_link(links, fact->node, fact->peer);
        if (!link) continue;
        link->sent += fact->kind == FACT_PACKET_SENT;
        if (fact->kind != FACT_PACKET_LOST) continue;
        link->lost++;
        if (link->loss_count < EVIDENCE_MAX) link->losses[link->loss_count++] = i;
    }
    for (size_t i = 0; i < links->count; i++) {
        struct link *link = &links->items[i];
        uint64_t lost = link->lost < link->sent ? link->lost : link->sent; /* the sends of some may be before what we have */
        link->judged = link->sent >= LOSS_SENT_MIN;
        if (link->judged) link->rate = (double)lost / (double)link->sent, link->sure_rate = sure_share(lost, link->sent);
        analysis->coverage.links_judged += link->judged;
    }
    analysis->coverage.links += links->count;
}

static void tell_lossy(struct analysis *analysis, const struct link *link, enum finding_kind kind) {
    struct finding finding = {.kind = kind,
                              .severity = SEVERITY_SEVERE,
                              .weight = link->rate,
                              .node = link->from,
                              .peer = kind == FINDING_LOSSY_NODE ? NO_NUMBER : link->to,
                              .trace = analysis->facts->items[link->losses[0]].trace,
                              .command = NO_NUMBER,
                              .count = link->lost,
                              .of = link->sent,
                              .usual_rate = link->usual_rate};
    for (unsigned i = 0; i < link->loss_count; i++) finding_show(&finding, link->losses[i]);
    analysis_add(analysis, &finding);
}

/* The links from one node lie side by side: all of them bad, and several, it is the node. */
static void tell_losses_of_node(struct analysis *analysis, const struct link *links, size_t count) {
    struct link all = {.from = links->from};
    size_t judged = 0, bad = 0;
    for (size_t i = 0; i < count; i++) {
        judged += links[i].judged;
        bad += links[i].bad;
        all.lost += links[i].lost;
        all.sent += links[i].sent;
        if (links[i].usual_rate > all.usual_rate) all.usual_rate = links[i].usual_rate;
        for (unsigned k = 0; links[i].bad && k < 2 && k < links[i].loss_count && all.loss_count < EVIDENCE_MAX; k++)
            all.losses[all.loss_count++] = links[i].losses[k];
    }
    all.rate = all.sent ? (double)all.lost / (double)all.sent : 0;
    if (bad > 1 && bad == judged) {
        tell_lossy(analysis, &all, FINDING_LOSSY_NODE);
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (links[i].bad) tell_lossy(analysis, &links[i], FINDING_LOSSY_LINK);
}

void analyze_losses(struct analysis *analysis) {
    struct links links = {0};
    double *rates = NULL;
    if (!list_links(&links, analysis->facts) || !(rates = calloc(links.count + 1, sizeof *rates))) {
        analysis->failed = true;
        goto out;
    }
    count_losses(analysis, &links);
    size_t judged = list_rates(&links, rates);
    for (size_t i = 0; i < links.count; i++) {
        struct link *link = &links.items[i];
        if (!link->judged || link->lost < LOSS_LOST_MIN || link->sure_rate < LOSS_RATE_MIN) continue;
        link->usual_rate = usual_loss(&links, link, rates, judged);
        link->bad = link->sure_rate >= LOSS_RATIO_MIN * link->usual_rate;
    }
    for (size_t begin = 0, end; begin < links.count; begin = end) {
        for (end = begin; end < links.count && links.items[end].from == links.items[begin].from;) end++;
        tell_losses_of_node(analysis, links.items + begin, end - begin);
    }
out:
    free(rates);
    free(links.items);
}

/* ---- packets that were seen at both ends ---- */

/* A packet that was matched or lost; then, of one link, its median packet. */
struct path {
    unsigned from, to;
    uint64_t gap_ns; /* under way; UINT64_MAX when it did not arrive */
    size_t send, receive;
    bool lost;      /* given up: wrongly, if it arrived */
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

/* By link, and of one link by how long they were under way; those in disorder for no time, those that did not arrive last. */
static size_t list_packets(struct path *packets, const struct messages *messages) {
    size_t count = 0;
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        bool arrived = message->state == MESSAGE_MATCHED, lost = message->lost != NO_EVENT;
        if (message->send == NO_EVENT || message->state == MESSAGE_DUPLICATE || (!arrived && !lost)) continue;
        packets[count++] = (struct path){.from = message->from,
                                         .to = message->to,
                                         .gap_ns = !arrived              ? UINT64_MAX
                                                   : message->gap_ns > 0 ? (uint64_t)message->gap_ns
                                                                         : 0,
                                         .send = message->send,
                                         .receive = message->receive,
                                         .lost = lost};
    }
    qsort(packets, count, sizeof *packets, compare_paths);
    return count;
}

/* The packets of one link that were given up and arrived. */
static void tell_wrong_losses(struct analysis *analysis, const struct path *packets, size_t count) {
    struct finding finding = {.kind = FINDING_WRONG_LOSSES,
                              .severity = SEVERITY_NOTABLE,
                              .node = packets->from,
                              .peer = packets->to,
                              .trace = NO_NUMBER,
                              .command = NO_NUMBER};
    for (size_t i = 0; i < count; i++) {
        finding.of += packets[i].lost;
        if (!packets[i].lost || packets[i].gap_ns == UINT64_MAX) continue;
        if (!finding.count++) finding.trace = analysis->facts->items[packets[i].send].trace;
        finding_show(&finding, packets[i].send);
        finding_show(&finding, packets[i].receive);
    }
    finding.weight = finding.of ? (double)finding.count / (double)finding.of : 0;
    if (finding.count >= WRONG_LOSSES_MIN && finding.weight >= WRONG_SHARE_MIN) analysis_add(analysis, &finding);
}

/* The median packet of one link's that arrived; returns whether they are enough. */
static bool sum_up(struct path *ret_path, const struct path *packets, size_t count) {
    while (count && packets[count - 1].gap_ns == UINT64_MAX) count--;
    if (!count) return false;
    *ret_path = packets[count / 2];
    ret_path->count = count;
    return count >= LATE_PACKETS_MIN;
}

static void judge_path(struct analysis *analysis, const struct path *paths, size_t count, const struct path *path,
                       const double *gaps) {
    const struct path back_key = {.from = path->to, .to = path->from};
    const struct path *back = bsearch(&back_key, paths, count, sizeof *paths, compare_path_ends);
    const double own[] = {(double)path->gap_ns, back ? (double)back->gap_ns : 0};
    uint64_t usual_ns = (uint64_t)median_without(gaps, count, own, back ? 2 : 1);
    bool alone = count == (back ? 2 : 1);
    if (alone || path->gap_ns < usual_ns + LATE_NS_MIN || (double)path->gap_ns < LATE_RATIO_MIN * (double)usual_ns) return;
    struct finding finding = {.kind = FINDING_LATE_PACKETS,
                              .severity = path->gap_ns >= SLOW_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)path->gap_ns / 1e9,
                              .node = path->from,
                              .peer = path->to,
                              .trace = analysis->facts->items[path->send].trace,
                              .command = NO_NUMBER,
                              .count = path->count,
                              .ns = path->gap_ns,
                              .usual_ns = usual_ns};
    finding_show(&finding, path->send);
    finding_show(&finding, path->receive);
    analysis_add(analysis, &finding);
}

static void judge_paths(struct analysis *analysis, const struct messages *messages) {
    struct path *packets = calloc(messages->count + 1, sizeof *packets), *paths = calloc(messages->count + 1, sizeof *paths);
    double *gaps = calloc(messages->count + 1, sizeof *gaps);
    size_t count = 0;
    if (!packets || !paths || !gaps) {
        analysis->failed = true;
        goto out;
    }
    size_t packet_count = list_packets(packets, messages);
    for (size_t begin = 0, end; begin < packet_count; begin = end) {
        for (end = begin; end < packet_count && !compare_path_ends(&packets[end], &packets[begin]);) end++;
        tell_wrong_losses(analysis, packets + begin, end - begin);
        analysis->coverage.paths++;
        count += sum_up(&paths[count], packets + begin, end - begin);
    }
    analysis->coverage.paths_judged += count;
    for (size_t i = 0; i < count; i++) gaps[i] = (double)paths[i].gap_ns;
    sort_values(gaps, count);
    for (size_t i = 0; i < count; i++) judge_path(analysis, paths, count, &paths[i], gaps);
out:
    free(packets);
    free(paths);
    free(gaps);
}

void analyze_paths(struct analysis *analysis) {
    const struct facts *facts = analysis->facts;
    struct packet *packets = calloc(facts->count + 1, sizeof *packets);
    struct messages messages;
    size_t count = 0;
    bool whole = true;
    for (size_t i = 0; packets && i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        whole &= fact->kind != FACT_EVENTS_LOST;
        if (fact->kind > FACT_PACKET_LOST) continue;
        packets[count++] = (struct packet){.role = fact->kind == FACT_PACKET_SENT       ? PACKET_SENT
                                                   : fact->kind == FACT_PACKET_RECEIVED ? PACKET_RECEIVED
                                                                                        : PACKET_LOST,
                                           .node = fact->node,
                                           .peer = fact->peer,
                                           .trace = fact->trace,
                                           .space = fact->space,
                                           .number = fact->number,
                                           .bytes = fact->bytes,
                                           .time_ns = fact->time_ns,
                                           .event = i};
    }
    if (!packets || messages_match(&messages, packets, count, whole)) {
        analysis->failed = true;
    } else {
        judge_paths(analysis, &messages);
        messages_fini(&messages);
    }
    free(packets);
}
