/* SPDX-License-Identifier: MIT
 *
 * Nodes that ended: they crashed, or closed their logs and were asked afterwards; and the requests that they left open. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>

/* What requests had to do with a log that had ended. */
struct aftermath {
    const struct node_state *log;
    uint64_t waited;             /* requests that waited for the node afterwards */
    uint64_t slow;               /* those that spent most of their time so */
    uint64_t slow_ns;            /* the longest of these waits */
    uint64_t open;               /* requests that had not ended there */
    uint64_t oldest_ns;          /* how long ago the first of these began */
    uint64_t tries;              /* packets and messages that others sent it before its next log, but for acknowledgements */
    uint64_t tried_ns;           /* how long after its end the last of these was sent */
    const struct visit *longest; /* NULL: none waited */
    const struct open_part *first;
};

static int compare_visits(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    int order = compare_numbers(a->request, b->request);
    return order ? order : compare_numbers(a->evidence[0], b->evidence[0]);
}

/* Visits in the order of their requests. */
static void add_waits(struct aftermath *sums, const struct node_states *states, const struct visit *visits, size_t count) {
    for (size_t i = 0; i < states->count; i++) {
        size_t last = NO_FACT;
        uint64_t ns = 0;
        for (size_t k = 0; k < count; k++) {
            const struct visit *visit = &visits[k];
            if (visit->ended != &states->items[i]) continue;
            if (visit->request != last) sums[i].waited++, ns = 0;
            last = visit->request;
            bool was_slow = ns >= SLOW_NS_MIN && (double)ns >= SLOW_SHARE_MIN * (double)visit->whole_ns;
            ns += visit->ns;
            bool slow = ns >= SLOW_NS_MIN && (double)ns >= SLOW_SHARE_MIN * (double)visit->whole_ns;
            sums[i].slow += slow && !was_slow;
            if (slow && ns > sums[i].slow_ns) sums[i].slow_ns = ns;
            if (!sums[i].longest || visit->ns > sums[i].longest->ns) sums[i].longest = visit;
        }
    }
}

/* Parts in the order of their traces. */
static void add_open(struct aftermath *sums, const struct analysis *analysis, const struct open_part *open, size_t count) {
    for (size_t i = 0; i < analysis->states->count; i++) {
        unsigned last = NO_NUMBER;
        for (size_t k = 0; k < count; k++) {
            if (open[k].ended != &analysis->states->items[i]) continue;
            sums[i].open += open[k].trace != last;
            last = open[k].trace;
            uint64_t now_ns = analysis_now(analysis, open[k].node), start_ns = analysis->facts->items[open[k].start].time_ns;
            if (now_ns > start_ns) sums[i].oldest_ns = greatest(sums[i].oldest_ns, now_ns - start_ns);
            if (!sums[i].first || open[k].start < sums[i].first->start) sums[i].first = &open[k];
        }
    }
}

static void add_tries(struct aftermath *sums, const struct analysis *analysis) {
    for (size_t i = 0; i < analysis->states->count && !analysis->one_trace; i++) {
        const struct node_state *state = &analysis->states->items[i];
        if (!(state->crashed || state->exited) || state->doubtful || state->ended_ns == UINT64_MAX) continue;
        struct fact_walk walk = facts_walk(analysis->facts, state->gone_ns + 1, state->again_ns);
        const struct fact *fact;
        while ((fact = fact_walk_next(&walk))) {
            bool sends = fact->kind == FACT_PACKET_SENT || fact->kind == FACT_MESSAGE_SENT;
            if (!sends || fact_is_small(fact) || fact->peer != state->node || fact->node == state->node) continue;
            if (!node_clocks_comparable(&analysis->facts->clocks, fact->node, state->node, NULL)) continue;
            sums[i].tries++;
            sums[i].tried_ns = fact->time_ns - node_state_end(state);
        }
    }
}

/* The newest event of a node up to that Unix time; NO_FACT if we have none. */
static size_t last_of_node(const struct facts *facts, unsigned node, uint64_t until_ns) {
    for (size_t i = facts->count; i-- > 0;) {
        const struct fact *fact = &facts->items[i];
        if (fact->node == node && fact_unix(facts, fact) <= until_ns && fact->kind != FACT_EVENTS_LOST) return i;
    }
    return NO_FACT;
}

/* The last event of a log; NO_FACT if it is not among those that we read. */
static size_t last_of_log(const struct analysis *analysis, const struct node_state *log) {
    size_t last = last_of_node(analysis->facts, log->node, log->last_ns ? log->last_ns : UINT64_MAX);
    bool other =
        analysis->one_trace && last != NO_FACT && fact_unix(analysis->facts, &analysis->facts->items[last]) != log->last_ns;
    return other ? NO_FACT : last;
}

static int compare_aftermath(const void *left, const void *right) {
    const struct aftermath *a = left, *b = right;
    int order = compare_numbers(a->log->node, b->log->node);
    if (!order) order = compare_numbers(a->log->exited, b->log->exited);
    return order ? order : compare_numbers(a->log->last_ns, b->log->last_ns);
}

/* Is an orderly end worth a finding?  It is if many requests, or one for long, waited for the node afterwards; if others kept
 * sending to it; or if it left requests open. */
static bool matters(const struct analysis *analysis, const struct aftermath *sum) {
    if (analysis->one_trace) return (sum->longest && sum->longest->ns >= SLOW_NS_MIN) || sum->open;
    bool tried = sum->tries >= ENDED_TRIES_MIN && sum->tried_ns >= ENDED_TRIED_NS_MIN;
    return tried || sum->slow >= SLOW_REQUESTS_MIN || sum->slow_ns >= SLOW_ALONE_NS || sum->oldest_ns >= REQUEST_AGE_NS_MIN;
}

static void add_aftermath(struct finding *finding, const struct aftermath *sum) {
    finding->delays += sum->waited;
    finding->open += sum->open;
    finding->tries += sum->tries;
    if (sum->longest && sum->longest->ns > finding->ns) finding->ns = sum->longest->ns;
    if (finding->trace == NO_NUMBER && (sum->longest || sum->first))
        finding->trace = sum->longest ? sum->longest->trace : sum->first->trace;
}

/* The ends of one node, all crashes or all orderly, the newest last.  Each log has its own last event. */
static void report_ends(struct analysis *analysis, const struct aftermath *sums, size_t count) {
    const struct facts *facts = analysis->facts;
    bool crashed = sums->log->crashed;
    const struct aftermath *newest = NULL;
    struct finding finding = {.kind = crashed ? FINDING_NODE_CRASHED : FINDING_NODE_ENDED,
                              .severity = SEVERITY_SEVERE,
                              .node = sums->log->node,
                              .peer = NO_NUMBER,
                              .trace = NO_NUMBER,
                              .command = NO_NUMBER};
    size_t shown[EVIDENCE_MAX];
    for (size_t i = count; i-- > 0;) {
        size_t last = last_of_log(analysis, sums[i].log);
        bool counts = crashed && !analysis->one_trace ? last != NO_FACT || sums[i].waited || sums[i].open || sums[i].tries
                                                      : matters(analysis, &sums[i]);
        if (!counts) continue; /* it was too long ago, or nobody minded */
        if (finding.count < EVIDENCE_MAX) shown[finding.count] = last;
        /* last_ns is the node's latest time, which may belong to an event before a step back. */
        bool known = (sums[i].log->last_ns && !facts_stepped(facts)) || last == NO_FACT;
        if (!finding.count++) finding.time_ns = known ? sums[i].log->last_ns : fact_unix(facts, &facts->items[last]);
        finding.after_ns = sums[i].log->after_ns;
        finding.by_ns = sums[i].log->by_ns;
        finding.returned |= sums[i].log->returned;
        add_aftermath(&finding, &sums[i]);
        if (sums[i].longest && (!newest || sums[i].longest->ns > newest->longest->ns)) newest = &sums[i];
    }
    if (!finding.count) return;
    if (!crashed && finding.ns < SLOW_SEVERE_NS) finding.severity = SEVERITY_NOTABLE;
    finding.weight = (double)finding.time_ns / 1e9;
    for (size_t i = finding.count < EVIDENCE_MAX ? finding.count : EVIDENCE_MAX; i-- > 0;) finding_show(&finding, shown[i]);
    for (unsigned i = 0; i < EVIDENCE_MAX && newest && finding.count == 1; i++)
        finding_show(&finding, newest->longest->evidence[i]);
    analysis_add(analysis, &finding);
}

/* Takes the visits of nodes that had ended out of the others, to the end.  Returns how many there are. */
static size_t part_visits(struct requests *requests, struct visit *ended) {
    size_t kept = 0, count = 0;
    for (size_t i = 0; i < requests->visit_count; i++) {
        if (requests->visits[i].ended)
            ended[count++] = requests->visits[i];
        else
            requests->visits[kept++] = requests->visits[i];
    }
    requests->visit_count = kept;
    return count;
}

void analyze_ended(struct analysis *analysis, struct requests *requests) {
    const struct node_states *states = analysis->states;
    struct visit *visits = calloc(requests->visit_count + 1, sizeof *visits);
    struct aftermath *sums = calloc(states->count + 1, sizeof *sums);
    size_t count = 0;
    if (!visits || !sums) {
        analysis->failed = true;
        free(visits);
        free(sums);
        return;
    }
    size_t visit_count = part_visits(requests, visits);
    if (visit_count) qsort(visits, visit_count, sizeof *visits, compare_visits);
    add_waits(sums, states, visits, visit_count);
    add_open(sums, analysis, requests->open, requests->open_count);
    add_tries(sums, analysis);
    for (size_t i = 0; i < states->count; i++) {
        sums[i].log = &states->items[i];
        if ((sums[i].log->crashed || sums[i].log->exited) && sums[i].log->node < intern_count(&analysis->facts->nodes))
            sums[count++] = sums[i];
    }
    if (count) qsort(sums, count, sizeof *sums, compare_aftermath);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin;
             end < count && sums[end].log->node == sums[begin].log->node && sums[end].log->exited == sums[begin].log->exited;)
            end++;
        report_ends(analysis, sums + begin, end - begin);
    }
    free(visits);
    free(sums);
}
