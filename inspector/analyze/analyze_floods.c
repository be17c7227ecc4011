/* SPDX-License-Identifier: MIT
 *
 * Nodes that flood the others: with requests, or with messages of one type. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>

/* The requests that one node began.  Some of them only the node that it asked may have reported. */
struct begun {
    uint64_t count;
    uint64_t own;   /* that it reported itself */
    size_t first;   /* a request */
    unsigned asked; /* the node that it asked for all it did not report; NO_NUMBER: several, or none */
};

static void count_request(struct begun *begun, const struct request *request, size_t index) {
    bool own = request->asker == request->node;
    if (!begun->count++) begun->first = index, begun->asked = NO_NUMBER;
    if (!own && begun->count - begun->own == 1) begun->asked = request->node;
    if (!own && begun->asked != request->node) begun->asked = NO_NUMBER;
    begun->own += own;
}

/* The median of the other nodes that began requests, 0 if these are too few.  A node that reports its requests is compared only
 * with others that do. */
static double usual_of_others(const struct begun *begun, unsigned nodes, unsigned node, double *room) {
    size_t others = 0;
    for (unsigned i = 0; i < nodes; i++)
        if (i != node && begun[i].count && (begun[i].own || !begun[node].own)) room[others++] = (double)begun[i].count;
    if (others + 1 < FLOOD_NODES_MIN) return 0;
    sort_values(room, others);
    return median_of(room, others);
}

/* Compares each node with the median of the other nodes that began requests. */
void analyze_flood(struct analysis *analysis, const struct requests *requests) {
    unsigned nodes = intern_count(&analysis->facts->nodes);
    struct begun *begun = calloc(nodes + 1, sizeof *begun);
    double *room = calloc(nodes + 1, sizeof *room);
    uint64_t all = 0;
    if (!begun || !room) analysis->failed = true;
    for (size_t i = 0; !analysis->failed && i < requests->count; i++) {
        const struct request *request = &requests->items[i];
        if (request->caused) continue;
        count_request(&begun[request->asker], request, i);
        all++;
    }
    for (unsigned i = 0; !analysis->failed && i < nodes; i++) {
        if (begun[i].count < FLOOD_REQUESTS_MIN) continue;
        double usual = usual_of_others(begun, nodes, i, room);
        if (usual < 1 || (double)begun[i].count < FLOOD_RATIO_MIN * usual) continue;
        const struct request *request = &requests->items[begun[i].first];
        struct finding finding = {.kind = FINDING_FLOOD,
                                  .severity = SEVERITY_SEVERE,
                                  .weight = (double)begun[i].count / usual,
                                  .node = i,
                                  .peer = begun[i].own ? NO_NUMBER : begun[i].asked,
                                  .trace = request->trace,
                                  .command = request->command,
                                  .count = begun[i].count,
                                  .of = all,
                                  .usual_rate = usual};
        finding_show(&finding, request->start);
        analysis_add(analysis, &finding);
    }
    free(begun);
    free(room);
}

/* Messages of one type from one node to another; or the median of what a node sends to each of its receivers. */
struct message_count {
    unsigned type, from, to;
    uint64_t count, all; /* all: by a node, to all nodes */
    size_t first;        /* a fact */
};

static int compare_messages(const void *left, const void *right) {
    const struct message_count *a = left, *b = right;
    int order = compare_numbers(a->type, b->type);
    if (!order) order = compare_numbers(a->from, b->from);
    if (!order) order = compare_numbers(a->to, b->to);
    return order ? order : compare_numbers(a->first, b->first);
}

static int compare_counts(const void *left, const void *right) {
    const struct message_count *a = left, *b = right;
    return compare_numbers(a->count, b->count);
}

/* Counts the messages of each type on each link, sorted by type and sender.  Returns the number of counts. */
static size_t sum_links(struct message_count *counts, size_t count) {
    size_t links = 0;
    if (count) qsort(counts, count, sizeof *counts, compare_messages);
    for (size_t i = 0; i < count; i++) {
        struct message_count *last = links ? &counts[links - 1] : NULL;
        if (last && last->type == counts[i].type && last->from == counts[i].from && last->to == counts[i].to)
            last->count++;
        else
            counts[links++] = counts[i];
    }
    return links;
}

/* Replaces the counts of a sender's links by their median. */
static size_t sum_senders(struct message_count *counts, size_t links) {
    size_t nodes = 0;
    for (size_t begin = 0, end; begin < links; begin = end) {
        uint64_t all = 0;
        size_t first = counts[begin].first;
        for (end = begin; end < links && counts[end].type == counts[begin].type && counts[end].from == counts[begin].from;
             end++) {
            all += counts[end].count;
            if (counts[end].first < first) first = counts[end].first;
        }
        qsort(counts + begin, end - begin, sizeof *counts, compare_counts);
        counts[nodes] = counts[begin + (end - begin) / 2];
        counts[nodes].all = all;
        counts[nodes++].first = first;
    }
    return nodes;
}

/* Compares each node that sends messages of one type with the median of the others: by what it sends to each receiver, not by
 * what it sends in total, because a node with many neighbours is no flood. */
static void judge_senders(struct analysis *analysis, const struct message_count *nodes, size_t count, double *sorted) {
    uint64_t of = 0;
    for (size_t i = 0; i < count; i++) of += nodes[i].all, sorted[i] = (double)nodes[i].count;
    if (count < FLOOD_NODES_MIN) return;
    sort_values(sorted, count);
    for (size_t i = 0; i < count; i++) {
        const double own[] = {(double)nodes[i].count};
        double usual = median_without(sorted, count, own, 1);
        if (nodes[i].all < FLOOD_MESSAGES_MIN || own[0] < FLOOD_RATIO_MIN * usual) continue;
        struct finding finding = {.kind = FINDING_FLOOD,
                                  .severity = SEVERITY_SEVERE,
                                  .weight = own[0] / usual,
                                  .node = nodes[i].from,
                                  .peer = NO_NUMBER,
                                  .trace = analysis->facts->items[nodes[i].first].trace,
                                  .command = nodes[i].type,
                                  .count = nodes[i].all,
                                  .of = of,
                                  .links = nodes[i].count,
                                  .usual_rate = usual,
                                  .messages = true};
        finding_show(&finding, nodes[i].first);
        analysis_add(analysis, &finding);
    }
}

/* A message between two nodes, as one of them reports it; peer: NO_NUMBER in a trace. */
struct exchanged {
    unsigned node, peer, trace;
    size_t fact;
};

static int compare_exchanged(const void *left, const void *right) {
    const struct exchanged *a = left, *b = right;
    int order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    if (!order) order = compare_numbers(a->trace, b->trace);
    return order ? order : compare_numbers(a->fact, b->fact);
}

static bool same_exchange(const struct exchanged *a, const struct exchanged *b) {
    return a->node == b->node && a->peer == b->peer && a->trace == b->trace;
}

/* Marks messages that may be answers: in a trace, everything that a node sends after it received something; outside of traces,
 * one for each message that it received from that node.  A node that answers many questions is no flood, nor is one that relays
 * them. */
static bool *answers_new(const struct facts *facts) {
    struct exchanged *all = calloc(facts->count + 1, sizeof *all);
    bool *answers = all ? calloc(facts->count + 1, sizeof *answers) : NULL;
    size_t count = 0, got = 0;
    for (size_t i = 0; answers && i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if ((fact->kind == FACT_MESSAGE_SENT || fact->kind == FACT_MESSAGE_RECEIVED) && fact->peer != NO_NUMBER)
            all[count++] = (struct exchanged){fact->node, fact->trace == NO_NUMBER ? fact->peer : NO_NUMBER, fact->trace, i};
    }
    if (count) qsort(all, count, sizeof *all, compare_exchanged);
    for (size_t i = 0; i < count; i++) {
        if (i && !same_exchange(&all[i], &all[i - 1])) got = 0;
        if (facts->items[all[i].fact].kind == FACT_MESSAGE_RECEIVED)
            got++;
        else if (got)
            answers[all[i].fact] = true, got -= all[i].trace == NO_NUMBER;
    }
    free(all);
    return answers;
}

void analyze_message_flood(struct analysis *analysis) {
    const struct facts *facts = analysis->facts;
    struct message_count *counts = calloc(facts->count + 1, sizeof *counts);
    double *sorted = calloc(facts->count + 1, sizeof *sorted);
    bool *answers = answers_new(facts);
    size_t count = 0;
    if (!counts || !sorted || !answers) analysis->failed = true;
    for (size_t i = 0; !analysis->failed && i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_MESSAGE_SENT && !answers[i])
            counts[count++] = (struct message_count){fact->command, fact->node, fact->peer, 1, 0, i};
    }
    count = sum_senders(counts, sum_links(counts, count));
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && counts[end].type == counts[begin].type;) end++;
        judge_senders(analysis, counts + begin, end - begin, sorted);
    }
    free(counts);
    free(sorted);
    free(answers);
}
