/* SPDX-License-Identifier: MIT
 *
 * Streams that are still open. */
#include "analyze.h"
#include "analyze_thresholds.h"

#include <stdlib.h>

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

/* When the last connection between two nodes was closed, as reported by `node`; 0: never. */
static uint64_t last_close(const struct facts *facts, unsigned node, unsigned peer, const size_t *closes, size_t count) {
    uint64_t time_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fact *fact = &facts->items[closes[i]];
        if (fact->node == node && fact->peer == peer) time_ns = fact->time_ns;
    }
    return time_ns;
}

/* Has the process that opened it ended?  Then its streams are not open any more, although nobody closed them. */
static bool has_ended(const struct analysis *analysis, const struct fact *opened) {
    const struct node_states *states = analysis->states;
    bool any_ended = false, any_other = false;
    if (node_states_ended_log(states, analysis->facts, opened->node, opened->time_ns)) return true;
    for (size_t i = 0; i < states->count; i++) {
        const struct node_state *state = &states->items[i];
        if (state->node != opened->node) continue;
        any_ended |= state->exited || state->crashed;
        any_other |= !state->exited && !state->crashed;
    }
    return any_ended && !any_other;
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
        uint64_t now_ns = analysis_now(analysis, fact->node), age_ns = now_ns > fact->time_ns ? now_ns - fact->time_ns : 0;
        if (again || closed_ns > fact->time_ns || age_ns < STREAM_AGE_NS_MIN || has_ended(analysis, fact)) continue;
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
