/* SPDX-License-Identifier: MIT
 *
 * Round-trip times that changed at some moment and stayed changed. */
#include "analyze.h"
#include "analyze_thresholds.h"

#include <math.h>
#include <stdlib.h>

struct sample {
    unsigned node, peer;
    size_t fact;
    uint64_t rtt_ns;
};

static int compare_samples(const void *left, const void *right) {
    const struct sample *a = left, *b = right;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->peer != b->peer) return a->peer < b->peer ? -1 : 1;
    return a->fact < b->fact ? -1 : a->fact > b->fact;
}

static double size_of(const struct sample *sample) { return log((double)(sample->rtt_ns ? sample->rtt_ns : 1)); }

/* The first sample after the change, if there was exactly one: where the cumulative difference from the mean is farthest from
 * zero (Page's cumulative sum).  Uses logarithms, so that a short spike does not outweigh a long change. */
static size_t find_change(const struct sample *samples, size_t count) {
    double mean = 0, sum = 0, farthest = -1;
    size_t change = 0;
    for (size_t i = 0; i < count; i++) mean += size_of(&samples[i]) / (double)count;
    for (size_t i = 0; i + 1 < count; i++) {
        sum += size_of(&samples[i]) - mean;
        if (fabs(sum) <= farthest) continue;
        farthest = fabs(sum);
        change = i + 1;
    }
    return change;
}

static uint64_t median_rtt(const struct sample *samples, size_t count, double *room) {
    for (size_t i = 0; i < count; i++) room[i] = (double)samples[i].rtt_ns;
    sort_values(room, count);
    return (uint64_t)room[count / 2];
}

static void judge_series(struct analysis *analysis, const struct sample *samples, size_t count, double *room) {
    const struct facts *facts = analysis->facts;
    analysis->coverage.rtt_series++;
    if (count < 2 * RTT_SAMPLES_MIN) return;
    analysis->coverage.rtt_judged++;
    size_t change = find_change(samples, count);
    if (change < RTT_SAMPLES_MIN || count - change < RTT_SAMPLES_MIN) return;
    uint64_t before = median_rtt(samples, change, room), after = median_rtt(samples + change, count - change, room);
    uint64_t low = before < after ? before : after, high = before < after ? after : before;
    if (high - low < RTT_NS_MIN || (double)high < RTT_RATIO_MIN * (double)low) return;
    bool severe = after > before && high - low >= SLOW_SEVERE_NS;
    struct finding finding = {.kind = FINDING_RTT_JUMP,
                              .severity = severe           ? SEVERITY_SEVERE
                                          : after > before ? SEVERITY_NOTABLE
                                                           : SEVERITY_NOTE,
                              .weight = (double)(high - low) / 1e9,
                              .node = samples->node,
                              .peer = samples->peer,
                              .trace = facts->items[samples[change].fact].trace,
                              .command = NO_NUMBER,
                              .count = count,
                              .ns = after,
                              .usual_ns = before,
                              .time_ns = fact_unix(facts, &facts->items[samples[change].fact])};
    finding_show(&finding, samples[change - 1].fact);
    finding_show(&finding, samples[change].fact);
    analysis_add(analysis, &finding);
}

void analyze_rtt(struct analysis *analysis) {
    const struct facts *facts = analysis->facts;
    struct sample *samples = calloc(facts->count + 1, sizeof *samples);
    double *room = calloc(facts->count + 1, sizeof *room);
    size_t count = 0;
    if (!samples || !room) {
        analysis->failed = true;
        goto out;
    }
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_METRICS && fact->peer != NO_NUMBER)
            samples[count++] = (struct sample){fact->node, fact->peer, i, fact->rtt_ns};
    }
    qsort(samples, count, sizeof *samples, compare_samples);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && samples[end].node == samples[begin].node && samples[end].peer == samples[begin].peer;)
            end++;
        judge_series(analysis, samples + begin, end - begin, room);
    }
out:
    free(samples);
    free(room);
}
