/* SPDX-License-Identifier: MIT
 *
 * Packets seen at both ends: how long they travel, and which were declared lost wrongly. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "shared_end.h"

#include <stdlib.h>

/* A packet that was matched or lost; later, the median packet of a link. */
struct path {
    unsigned from, to;
    uint64_t gap_ns; /* on the way; UINT64_MAX: it did not arrive, or nobody knows how long it took */
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

/* Sorted by link, then by time on the way: 0 for packets in disorder; packets without a time come last.  Skips
 * links whose two clocks cannot be compared, where that time is not known. */
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

/* The packets of one link that were declared lost and arrived. */
static void report_wrong_losses(struct analysis *analysis, const struct path *packets, size_t count) {
    struct finding finding = {.kind = FINDING_WRONG_LOSSES,
                              .severity = SEVERITY_NOTABLE,
                              .node = packets->from,
                              .peer = packets->to,
                              .trace = NO_NUMBER,
                              .command = NO_NUMBER};
    for (size_t i = 0; i < count; i++) {
        finding.of += packets[i].lost;
        if (!packets[i].lost || !packets[i].arrived) continue;
        if (!finding.count++) finding.trace = analysis->facts->items[packets[i].send].trace;
        finding_show(&finding, packets[i].send);
        finding_show(&finding, packets[i].receive);
    }
    finding.weight = finding.of ? (double)finding.count / (double)finding.of : 0;
    if (finding.count >= WRONG_LOSSES_MIN && finding.weight >= WRONG_SHARE_MIN) analysis_add(analysis, &finding);
}

/* The median of the packets of one link whose time on the way is known.  Returns whether there are enough. */
static bool find_median(struct path *ret_path, const struct path *packets, size_t count) {
    while (count && packets[count - 1].gap_ns == UINT64_MAX) count--;
    if (!count) return false;
    *ret_path = packets[count / 2];
    ret_path->count = count;
    return count >= LATE_PACKETS_MIN;
}

/* The median packets of all links that have enough packets. */
struct paths {
    struct path *items;
    struct judged_link *judged; /* one for each */
    size_t count;
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
    *ret_known = usual_elsewhere(paths->judged, paths->count, &paths->judged[i], true, paths->room, &usual);
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

static void judge_late(struct analysis *analysis, struct paths *paths) {
    bool known;
    for (size_t i = 0; i < paths->count; i++) {
        const struct path *path = &paths->items[i];
        uint64_t gap_ns = path->gap_ns > path->error_ns ? path->gap_ns - path->error_ns : 0,
                 usual_ns = usual_of(paths, i, &known);
        paths->judged[i].bad = known && gap_ns >= usual_ns + LATE_NS_MIN && (double)gap_ns >= LATE_RATIO_MIN * (double)usual_ns;
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
    judge_late(analysis, paths);
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
    free(paths.room);
    free(paths.ends);
}
