/* SPDX-License-Identifier: MIT
 *
 * Did the whole machine stand still, perhaps, while a request waited?  Packets show it; or that nobody did anything. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>

/* How many events would there be in a time, of `count` that are spread evenly? */
static double usual_events(const struct facts *facts, size_t count, uint64_t ns) {
    uint64_t whole_ns = facts->items[facts->count - 1].time_ns - facts->items[0].time_ns;
    return (double)count * (double)ns / (double)greatest(whole_ns, 1);
}

/* Did no node do anything in that time, although usually there are events all the time? */
static bool is_dead_calm(const struct facts *facts, uint64_t from_ns, uint64_t to_ns) {
    return to_ns - from_ns >= STALL_SHORT_NS_MIN && usual_events(facts, facts->count, to_ns - from_ns) >= SILENT_EVENTS_MIN &&
           !facts_active(facts, NO_NUMBER, from_ns, to_ns);
}

static unsigned node_of(const struct visit *visit) { return visit->kind == WAIT_PEER ? visit->peer : visit->node; }

/* Did a request wait at a place for most of that time? */
static bool waited_long(const struct facts *facts, const struct visit *visit, uint64_t from_ns, uint64_t to_ns) {
    if (visit->evidence[0] == NO_FACT || visit->evidence[1] == NO_FACT) return false;
    uint64_t begin_ns = greatest(from_ns, facts->items[visit->evidence[0]].time_ns),
             end_ns = least(to_ns, facts->items[visit->evidence[1]].time_ns);
    return end_ns > begin_ns && end_ns - begin_ns >= (to_ns - from_ns) / 2;
}

/* Did another request wait elsewhere for most of that time? */
static bool waited_elsewhere(const struct requests *requests, const struct facts *facts, const struct visit *visit,
                             uint64_t from_ns, uint64_t to_ns) {
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *other = &requests->visits[i];
        if (other->request == visit->request || node_of(other) == node_of(visit)) continue;
        if (waited_long(facts, other, from_ns, to_ns)) return true;
    }
    return false;
}

/* Would other nodes have done something that belongs to no request, or begun a request?  Not those whose own requests waited:
 * perhaps they begin one after the other. */
static bool others_work(const struct requests *requests, const struct facts *facts, const struct visit *visit, uint64_t from_ns,
                        uint64_t to_ns) {
    bool *waits = calloc(intern_count(&facts->nodes) + 1, sizeof *waits);
    size_t count = 0;
    for (size_t i = 0; waits && i < requests->visit_count; i++)
        if (waited_long(facts, &requests->visits[i], from_ns, to_ns))
            waits[requests->items[requests->visits[i].request].node] = true;
    for (size_t i = 0; waits && i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->node == node_of(visit)) continue;
        count += fact->kind == FACT_CUSTOM && fact->trace == NO_NUMBER;
        count += fact->kind == FACT_APP_START && !fact->parent_id && !waits[fact->node];
    }
    free(waits);
    return usual_events(facts, count, to_ns - from_ns) >= SILENT_EVENTS_MIN;
}

bool may_have_stood_still(const struct analysis *analysis, const struct requests *requests, const struct visit *visit,
                          bool *ret_calm) {
    const struct facts *facts = analysis->facts;
    size_t from = visit->evidence[0], to = visit->evidence[1];
    *ret_calm = false;
    if (from == NO_FACT || to == NO_FACT) return false;
    uint64_t from_ns = facts->items[from].time_ns, to_ns = facts->items[to].time_ns;
    *ret_calm = !facts_active(facts, NO_NUMBER, from_ns, to_ns);
    if (analysis_stood_still(analysis, from_ns, to_ns)) return true;
    bool way = visit->kind == WAIT_LINK && to_ns - from_ns >= STALL_NS_MIN; /* in a shorter time, a packet may be under way */
    return is_dead_calm(facts, from_ns, to_ns) && (way || waited_elsewhere(requests, facts, visit, from_ns, to_ns) ||
                                                   others_work(requests, facts, visit, from_ns, to_ns));
}
