/* SPDX-License-Identifier: MIT
 *
 * Nodes: what is missing of them, who has died or fallen silent; and streams that nobody closed. */
#include "analyze.h"
#include "analyze_thresholds.h"

#include <stdlib.h>

/* ---- streams ---- */

struct stream_step {
    unsigned node, peer;
    uint64_t stream_id;
    size_t fact;
};

static int compare_steps(const void *left, const void *right) {
    const struct stream_step *a = left, *b = right;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->peer != b->peer) return a->peer < b->peer ? -1 : 1;
    if (a->stream_id != b->stream_id) return a->stream_id < b->stream_id ? -1 : 1;
    return a->fact < b->fact ? -1 : a->fact > b->fact;
}

/* When the last connection between two nodes was closed, as this one tells it; 0 when it was not. */
static uint64_t last_close(const struct facts *facts, unsigned node, unsigned peer, const size_t *closes, size_t count) {
    uint64_t time_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fact *fact = &facts->items[closes[i]];
        if (fact->node == node && fact->peer == peer) time_ns = fact->time_ns;
    }
    return time_ns;
}

/* All steps of one node and peer. */
static void judge_streams(struct analysis *analysis, const struct stream_step *steps, size_t count, uint64_t closed_ns) {
    const struct facts *facts = analysis->facts;
    struct finding finding = {.kind = FINDING_STREAM_OPEN,
                              .severity = SEVERITY_NOTABLE,
                              .node = steps->node,
                              .peer = steps->peer,
                              .trace = NO_NUMBER,
                              .command = NO_NUMBER};
    for (size_t i = 0; i < count; i++) {
        const struct fact *fact = &facts->items[steps[i].fact];
        if (fact->kind != FACT_STREAM_OPENED) continue;
        finding.of++;
        bool again = i + 1 < count && steps[i + 1].stream_id == steps[i].stream_id; /* closed, or opened in another connection */
        uint64_t age_ns = analysis->now_ns > fact->time_ns ? analysis->now_ns - fact->time_ns : 0;
        if (again || closed_ns > fact->time_ns || age_ns < STREAM_AGE_NS_MIN) continue;
        if (!finding.count++) finding.trace = fact->trace;
        if (age_ns > finding.ns) finding.ns = age_ns;
        finding_show(&finding, steps[i].fact);
    }
    analysis->coverage.streams += finding.of;
    finding.weight = (double)finding.count;
    if (finding.count) analysis_add(analysis, &finding);
}

void analyze_streams(struct analysis *analysis) {
    const struct facts *facts = analysis->facts;
    struct stream_step *steps = calloc(facts->count + 1, sizeof *steps);
    size_t *closes = calloc(facts->count + 1, sizeof *closes), count = 0, close_count = 0;
    if (!steps || !closes) {
        analysis->failed = true;
        goto out;
    }
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_CONN_CLOSED) closes[close_count++] = i;
        if (fact->kind == FACT_STREAM_OPENED || fact->kind == FACT_STREAM_CLOSED)
            steps[count++] = (struct stream_step){fact->node, fact->peer, fact->stream_id, i};
    }
    qsort(steps, count, sizeof *steps, compare_steps);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && steps[end].node == steps[begin].node && steps[end].peer == steps[begin].peer;) end++;
        judge_streams(analysis, steps + begin, end - begin,
                      last_close(facts, steps[begin].node, steps[begin].peer, closes, close_count));
    }
out:
    free(steps);
    free(closes);
}

/* ---- nodes ---- */

struct node_sum {
    bool seen;
    uint64_t events, missing;
    uint64_t last_ns, longest_ns; /* its longest silence between two of its events */
    size_t last, first_missing;
};

static void sum_nodes(struct node_sum *sums, const struct facts *facts, uint64_t *ret_newest_ns) {
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        struct node_sum *sum = &sums[fact->node];
        if (fact->kind == FACT_EVENTS_LOST) {
            if (!sum->missing) sum->first_missing = i;
            sum->missing += fact->missing;
            continue;
        }
        if (sum->events++ && fact->time_ns - sum->last_ns > sum->longest_ns) sum->longest_ns = fact->time_ns - sum->last_ns;
        sum->last_ns = fact->time_ns;
        sum->last = i;
        *ret_newest_ns = fact->time_ns;
    }
}

static struct finding finding_of(enum finding_kind kind, enum severity severity, unsigned node) {
    return (struct finding){
        .kind = kind, .severity = severity, .node = node, .peer = NO_NUMBER, .trace = NO_NUMBER, .command = NO_NUMBER};
}

static void tell_missing(struct analysis *analysis, unsigned node, const struct node_sum *sum) {
    struct finding finding = finding_of(FINDING_EVENTS_MISSING, SEVERITY_NOTABLE, node);
    if (!sum->missing) return;
    finding.count = sum->missing;
    finding.of = sum->missing + sum->events;
    finding.weight = (double)sum->missing / (double)finding.of;
    finding_show(&finding, sum->first_missing);
    analysis_add(analysis, &finding);
}

static void tell_state(struct analysis *analysis, const struct node_state *state, const struct node_sum *sum,
                       uint64_t newest_ns) {
    struct finding finding = finding_of(FINDING_NODE_CRASHED, SEVERITY_SEVERE, state->node);
    uint64_t silent_ns = newest_ns - sum->last_ns;
    finding.weight = 1e9; /* before all else: what it did not do follows from it */
    finding.time_ns = sum->last_ns;
    finding.ns = silent_ns;
    finding.usual_ns = sum->longest_ns;
    finding.count = sum->events;
    if (sum->events) finding_show(&finding, sum->last);
    if (state->crashed) {
        analysis_add(analysis, &finding);
    } else if (state->live && sum->events >= SILENT_EVENTS_MIN && silent_ns >= SILENT_NS_MIN &&
               silent_ns >= SILENT_RATIO_MIN * sum->longest_ns) {
        finding.kind = FINDING_NODE_SILENT;
        analysis_add(analysis, &finding);
    }
}

void analyze_nodes(struct analysis *analysis, const struct node_state *states, size_t state_count) {
    size_t count = intern_count(&analysis->facts->nodes);
    struct node_sum *sums = calloc(count + 1, sizeof *sums);
    uint64_t newest_ns = 0;
    if (!sums) {
        analysis->failed = true;
        return;
    }
    sum_nodes(sums, analysis->facts, &newest_ns);
    for (unsigned i = 0; i < count; i++) {
        analysis->coverage.nodes += sums[i].events || sums[i].missing;
        analysis->coverage.events_missing += sums[i].missing;
        tell_missing(analysis, i, &sums[i]);
    }
    for (size_t i = 0; i < state_count && !analysis->one_trace; i++)
        if (states[i].node < count && sums[states[i].node].events)
            tell_state(analysis, &states[i], &sums[states[i].node], newest_ns);
    free(sums);
}
