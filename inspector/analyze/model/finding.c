/* SPDX-License-Identifier: MIT */
#include "finding.h"

#include "allocation.h"

#define EDGE_PART 10 /* of a time span: its first and last 1/N are its edges */

const char *finding_name(enum finding_kind kind) {
    static const char *const names[] = {
#define FINDING(NAME, name, meaning) name,
#include "analyze.def"
    };
    return names[kind];
}

const char *severity_name(enum severity severity) {
    static const char *const names[] = {"severe", "notable", "note"};
    return names[severity];
}

void analysis_add(struct analysis *analysis, const struct finding *finding) {
    struct finding *findings = memory_room(analysis->findings, analysis->count, &analysis->capacity, sizeof *findings);
    analysis->failed |= !findings;
    if (!findings) return;
    analysis->findings = findings;
    analysis->findings[analysis->count++] = *finding;
}

void finding_show(struct finding *finding, size_t fact) {
    if (fact != NO_FACT && finding->evidence_count < EVIDENCE_MAX) finding->evidence[finding->evidence_count++] = fact;
}

static int compare_values(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

void sort_values(double *values, size_t count) {
    if (count) qsort(values, count, sizeof *values, compare_values);
}

/* How many of the sorted values are smaller. */
static size_t rank_of(const double *sorted, size_t count, double value) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

double median_without(const double *sorted, size_t count, const double *own, unsigned own_count) {
    if (count <= own_count) return 0;
    size_t first = rank_of(sorted, count, own[0]), second = count;
    if (own_count == 2) second = own[1] == own[0] ? first + 1 : rank_of(sorted, count, own[1]);
    size_t low = first < second ? first : second, high = first < second ? second : first;
    size_t middle = (count - own_count - 1) / 2;
    if (middle >= low) middle++;
    if (own_count == 2 && middle >= high) middle++;
    return sorted[middle];
}

bool facts_active(const struct facts *facts, unsigned machine, uint64_t from_ns, uint64_t to_ns) {
    uint64_t edge_ns = (to_ns - from_ns) / EDGE_PART;
    struct fact_walk walk = facts_walk(facts, from_ns + edge_ns, to_ns - edge_ns + 1);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk)))
        if (machine == NO_NUMBER || node_clocks_machine(&facts->clocks, fact->node) == machine) return true;
    return false;
}

/* Facts are in time order: searching from the end finds the newest comparable one first. */
uint64_t analysis_now(const struct analysis *analysis, unsigned node) {
    const struct facts *facts = analysis->facts;
    bool apart = false;
    for (unsigned i = 0; i < facts->clocks.count && !apart; i++) apart = !node_clocks_comparable(&facts->clocks, node, i, NULL);
    for (size_t i = facts->count; apart && i-- > 0;)
        if (node_clocks_comparable(&facts->clocks, node, facts->items[i].node, NULL)) return facts->items[i].time_ns;
    return analysis->now_ns;
}
