/* SPDX-License-Identifier: MIT
 *
 * Parts of requests that have not ended, and whom they wait for. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>

/* A part that has been open for long. */
struct overdue {
    const struct open_part *part;
    unsigned waits_for;
    bool ended;  /* that node has */
    bool unread; /* events of its own node are missing, and its end may be among them */
};

static int compare_commands(const void *left, const void *right) {
    const struct open_part *a = ((const struct overdue *)left)->part, *b = ((const struct overdue *)right)->part;
    return compare_numbers(a->command, b->command);
}

/* Parts that wait for the same node belong together, whichever nodes began them. */
static int compare_groups(const struct overdue *a, const struct overdue *b) {
    int order = compare_numbers(a->waits_for, b->waits_for);
    if (!order && a->waits_for == NO_NUMBER) order = compare_numbers(a->part->node, b->part->node);
    return order ? order : compare_numbers(a->part->command, b->part->command);
}

static int compare_overdue(const void *left, const void *right) {
    const struct overdue *a = left, *b = right;
    int order = compare_groups(a, b);
    return order ? order : compare_numbers(a->part->start, b->part->start);
}

static uint64_t age_of(const struct analysis *analysis, const struct open_part *part) {
    uint64_t start_ns = analysis->facts->items[part->start].time_ns, now_ns = analysis_now(analysis, part->node);
    return now_ns > start_ns ? now_ns - start_ns : 0;
}

/* A group, the oldest first.  seen: by node, all false. */
static void report_open(struct analysis *analysis, const struct overdue *group, size_t count, bool *seen) {
    const struct facts *facts = analysis->facts;
    const struct open_part *oldest = group->part;
    uint64_t age_ns = age_of(analysis, oldest);
    enum severity severity = age_ns >= REQUEST_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE;
    struct finding finding = {.kind = FINDING_REQUEST_OPEN,
                              .severity = group->unread ? SEVERITY_NOTE : severity,
                              .weight = (double)age_ns / 1e9,
                              .node = oldest->node,
                              .peer = group->waits_for,
                              .trace = oldest->trace,
                              .command = oldest->command,
                              .count = count,
                              .ns = age_ns,
                              .unanswered = !group->ended,
                              .time_ns = fact_unix(facts, &facts->items[oldest->start])};
    for (size_t i = 0; i < count; i++) {
        unsigned node = group[i].part->node;
        finding_show(&finding, group[i].part->start);
        if (seen[node]) continue;
        seen[node] = true;
        if (finding.peer_count < PEERS_MAX) finding.peers[finding.peer_count] = node;
        finding.peer_count++;
    }
    for (size_t i = 0; i < count; i++) seen[group[i].part->node] = false;
    if (finding.peer_count > 1)
        finding.node = NO_NUMBER;
    else
        finding.peer_count = 0;
    analysis_add(analysis, &finding);
}

/* For how long a part of a command may be open: a request that took longer would be an outlier.  room: for one value per
 * request. */
static uint64_t open_limit(const struct requests *requests, unsigned command, double *room) {
    size_t count = 0;
    for (size_t i = 0; i < requests->count; i++) {
        const struct request *request = &requests->items[i];
        if (request->whole && request->ok && request->command == command) room[count++] = (double)request->took_ns;
    }
    if (count < OUTLIER_REQUESTS_MIN) return REQUEST_AGE_NS_MIN;
    sort_values(room, count);
    return least(REQUEST_AGE_NS_MIN, greatest(REQUEST_SOON_NS_MIN, OUTLIER_RATIO_MIN * (uint64_t)room[count / 2]));
}

/* Is the log in which a part began live?  Not if it may have been another, which has ended: two processes may use one id. */
static bool is_live(const struct analysis *analysis, const struct open_part *part) {
    uint64_t start_ns = fact_unix(analysis->facts, &analysis->facts->items[part->start]);
    bool live = false;
    for (size_t i = 0; i < analysis->states->count; i++) {
        const struct node_state *state = &analysis->states->items[i];
        if (state->node != part->node || state->started_ns > start_ns) continue;
        if (!state->live && state->last_ns >= start_ns) return false;
        live |= state->live;
    }
    return live;
}

/* Did nothing come from the node that a part asked since it began, except in other traces? */
static bool is_unanswered(const struct analysis *analysis, const struct open_part *part) {
    const struct facts *facts = analysis->facts;
    if (part->asked == NO_NUMBER || !is_live(analysis, part)) return false;
    for (size_t i = part->start; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        bool elsewhere = fact->trace != part->trace && fact->trace != NO_NUMBER;
        bool comes = fact->node == part->node && fact->peer == part->asked && fact_is_traffic(fact) && !fact_sends(fact);
        if (comes && !elsewhere && !fact_is_small(fact)) return false;
    }
    return true;
}

static size_t list_overdue(const struct analysis *analysis, const struct requests *requests, struct overdue *overdue,
                           double *room) {
    size_t listed = 0, kept = 0;
    uint64_t limit_ns = 0;
    for (size_t i = 0; i < requests->open_count; i++) {
        const struct open_part *part = &requests->open[i];
        if (!part->ended && age_of(analysis, part) >= REQUEST_SOON_NS_MIN) overdue[listed++].part = part;
    }
    if (listed) qsort(overdue, listed, sizeof *overdue, compare_commands);
    for (size_t i = 0; i < listed; i++) {
        const struct open_part *part = overdue[i].part;
        if (!i || part->command != overdue[i - 1].part->command) limit_ns = open_limit(requests, part->command, room);
        bool unread = facts_gap(analysis->facts, part->node, 0, UINT64_MAX) != NULL;
        if (age_of(analysis, part) < (unread ? REQUEST_AGE_NS_MIN : limit_ns)) continue;
        bool ended = part->waits_for != NO_NUMBER, waits = !ended && !unread && is_unanswered(analysis, part);
        overdue[kept++] = (struct overdue){part, waits ? part->asked : part->waits_for, ended, unread};
    }
    return kept;
}

void analyze_open(struct analysis *analysis, const struct requests *requests) {
    struct overdue *overdue = calloc(requests->open_count + 1, sizeof *overdue);
    double *room = calloc(requests->count + 1, sizeof *room);
    bool *seen = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *seen);
    if (overdue && room && seen) {
        size_t count = list_overdue(analysis, requests, overdue, room);
        if (count) qsort(overdue, count, sizeof *overdue, compare_overdue);
        for (size_t begin = 0, end; begin < count; begin = end) {
            for (end = begin; end < count && !compare_groups(&overdue[end], &overdue[begin]);) end++;
            report_open(analysis, overdue + begin, end - begin, seen);
        }
    } else {
        analysis->failed = true;
    }
    free(overdue);
    free(room);
    free(seen);
}
