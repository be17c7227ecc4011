/* SPDX-License-Identifier: MIT */
#include "usual.h"

#include "analyze_thresholds.h"
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

/* ---- links ---- */

static int compare_ends(const void *left, const void *right) {
    const struct link_usual *a = left, *b = right;
    int order = compare_numbers(a->node, b->node);
    return order ? order : compare_numbers(a->peer, b->peer);
}

static int compare_link(const void *left, const void *right) {
    const struct link_usual *a = left, *b = right;
    int order = compare_ends(a, b);
    return order ? order : (a->ns > b->ns) - (a->ns < b->ns);
}

static const struct link_usual *find_link(const struct usual *usual, unsigned node, unsigned peer) {
    const struct link_usual wanted = {.node = node, .peer = peer};
    return bsearch(&wanted, usual->links, usual->count, sizeof wanted, compare_ends);
}

/* Replaces the times of each link by their median.  Returns the number of links. */
static size_t medians_of_links(struct link_usual *links, size_t count) {
    size_t kept = 0;
    qsort(links, count, sizeof *links, compare_link);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && links[end].node == links[begin].node && links[end].peer == links[begin].peer;) end++;
        links[kept++] = links[begin + (end - begin) / 2];
    }
    return kept;
}

/* The median of each link that requests waited for. */
static bool sum_up_links(struct usual *usual, const struct requests *requests) {
    size_t count = 0;
    usual->links = calloc(requests->visit_count + 1, sizeof *usual->links);
    usual->sorted = calloc(requests->visit_count + 1, sizeof *usual->sorted);
    usual->room = calloc(greatest(requests->visit_count, requests->count) + 1, sizeof *usual->room);
    if (!usual->links || !usual->sorted || !usual->room) return false;
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *visit = &requests->visits[i];
        if (visit->kind == WAIT_LINK)
            usual->links[count++] = (struct link_usual){visit->node, visit->peer, (double)visit->once_ns};
    }
    usual->count = medians_of_links(usual->links, count);
    for (size_t i = 0; i < usual->count; i++) usual->sorted[i] = usual->links[i].ns;
    sort_values(usual->sorted, usual->count);
    return true;
}

/* Notes the round-trip time to each peer that a request waited for: the median of what the waiting node reports. */
static bool note_rtts(struct requests *requests, const struct facts *facts) {
    size_t count = 0;
    struct link_usual *rtts = calloc(facts->count + 1, sizeof *rtts);
    if (!rtts) return false;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_METRICS && fact->rtt_ns)
            rtts[count++] = (struct link_usual){fact->node, fact->peer, (double)fact->rtt_ns};
    }
    struct usual usual = {.links = rtts, .count = medians_of_links(rtts, count)};
    for (size_t i = 0; i < requests->visit_count; i++) {
        struct visit *visit = &requests->visits[i];
        const struct link_usual *rtt = visit->kind == WAIT_PEER ? find_link(&usual, visit->node, visit->peer) : NULL;
        if (!rtt) continue;
        visit->far = !visit->unanswered && (double)visit->once_ns < ALIKE_RATIO_MAX * rtt->ns;
        visit->near = !visit->far;
    }
    free(rtts);
    return true;
}

bool link_is_unusual(const struct usual *usual, const struct visit *visit, uint64_t *ret_usual_ns) {
    const struct link_usual *link = find_link(usual, visit->node, visit->peer),
                            *back = find_link(usual, visit->peer, visit->node);
    const double own[] = {link ? link->ns : 0, back ? back->ns : 0};
    unsigned own_count = back ? 2 : 1;
    *ret_usual_ns = 0;
    if (!link || usual->count <= own_count) return true;
    *ret_usual_ns = (uint64_t)median_without(usual->sorted, usual->count, own, own_count);
    return link->ns >= LATE_RATIO_MIN * (double)*ret_usual_ns;
}

/* ---- peers ---- */

static int compare_visit_requests(const void *left, const void *right) {
    return compare_numbers(((const struct visit *)left)->request, ((const struct visit *)right)->request);
}

/* Can a request show how long the command takes without that peer?  Not if it asked nobody; and if it waited mostly for another
 * peer of the kind, only if nothing better is known: that peer may be slow as well.  visits: those at the peer. */
static bool is_without_peer(const struct requests *requests, const struct usual *usual, const struct visit *visits, size_t count,
                            size_t request, bool with_peers) {
    const struct request *item = &requests->items[request];
    const struct visit wanted = {.request = request}, *longest = usual->longest[request];
    if (!item->timed || !item->ok || item->command != visits->command || item->nodes < 2) return false;
    if (!with_peers && longest && longest->kind == WAIT_PEER) return false;
    return !bsearch(&wanted, visits, count, sizeof *visits, compare_visit_requests);
}

/* The node that made a request take as long as it did, as far as its longest visit shows it. */
static unsigned place_of(const struct requests *requests, const struct visit *visit) {
    bool away = visit->peer != NO_NUMBER && visit->node == requests->items[visit->request].node;
    return away || visit->kind == WAIT_PEER ? visit->peer : visit->node;
}

/* How long requests of the same command take that did not wait for that peer: the median, or 0 if there are too few.
 * *ret_nodes: at how many nodes they spent their time, up to ALIKE_NODES_MIN. */
static uint64_t usual_without_peer(const struct requests *requests, const struct usual *usual, const struct visit *visits,
                                   size_t count, bool with_peers, unsigned *ret_nodes) {
    unsigned nodes[ALIKE_NODES_MIN];
    size_t others = 0;
    *ret_nodes = 0;
    for (size_t i = 0; i < requests->count; i++) {
        if (!is_without_peer(requests, usual, visits, count, i, with_peers)) continue;
        usual->room[others++] = (double)requests->items[i].took_ns;
        if (!usual->longest[i]) continue;
        unsigned place = place_of(requests, usual->longest[i]), k = 0;
        while (k < *ret_nodes && nodes[k] != place) k++;
        if (k == *ret_nodes && k < ALIKE_NODES_MIN) nodes[(*ret_nodes)++] = place;
    }
    if (others < SLOW_REQUESTS_MIN) return 0;
    sort_values(usual->room, others);
    return (uint64_t)median_of(usual->room, others);
}

bool peer_is_usual(const struct analysis *analysis, const struct requests *requests, const struct usual *usual,
                   const struct visit *visits, size_t count, uint64_t middle_ns) {
    size_t far = 0, near = 0;
    unsigned nodes;
    for (size_t i = 0; i < count; i++) far += visits[i].far, near += visits[i].near;
    if (2 * far >= count) return true;
    if (analysis->one_trace) return false;
    bool sure = 2 * near >= count || middle_ns >= SLOW_ALONE_NS;
    uint64_t usual_ns = usual_without_peer(requests, usual, visits, count, !sure, &nodes);
    if (!usual_ns) return middle_ns < SLOW_SEVERE_NS;
    for (size_t i = 0; i < count; i++) usual->room[i] = (double)visits[i].whole_ns;
    sort_values(usual->room, count);
    bool alike = median_of(usual->room, count) < ALIKE_RATIO_MAX * (double)usual_ns;
    return alike && (!sure || nodes >= ALIKE_NODES_MIN || middle_ns < SLOW_SEVERE_NS);
}

int usual_init(struct usual *ret_usual, struct requests *requests, const struct facts *facts) {
    struct usual usual = {0};
    *ret_usual = usual;
    if (sum_up_links(&usual, requests) && note_rtts(requests, facts) && (usual.longest = requests_longest_new(requests))) {
        *ret_usual = usual;
        return 0;
    }
    usual_fini(&usual);
    return -ENOMEM;
}

void usual_fini(struct usual *usual) {
    free(usual->links);
    free(usual->sorted);
    free(usual->room);
    free(usual->longest);
}
