/* SPDX-License-Identifier: MIT
 *
 * Did the whole machine stand still, perhaps, while a request waited?  Packets show it; without them, that nobody did anything. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

/* How many events would there be in a time, of `count` that are spread evenly? */
static double usual_events(const struct facts *facts, size_t count, uint64_t ns) {
    uint64_t whole_ns = facts->items[facts->count - 1].time_ns - facts->items[0].time_ns;
    return (double)count * (double)ns / (double)greatest(whole_ns, 1);
}

/* Did no node do anything in that time, although usually there are events all the time? */
static bool is_dead_calm(const struct facts *facts, uint64_t from_ns, uint64_t to_ns) {
    return to_ns - from_ns >= STALL_NS_MIN && usual_events(facts, facts->count, to_ns - from_ns) >= SILENT_EVENTS_MIN &&
           !facts_active(facts, NO_NUMBER, from_ns, to_ns);
}

static unsigned node_of(const struct visit *visit) { return visit->kind == WAIT_PEER ? visit->peer : visit->node; }

/* Did another request wait elsewhere for most of that time? */
static bool waited_elsewhere(const struct requests *requests, const struct facts *facts, const struct visit *visit,
                             uint64_t from_ns, uint64_t to_ns) {
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *other = &requests->visits[i];
        if (other->request == visit->request || node_of(other) == node_of(visit)) continue;
        if (other->evidence[0] == NO_FACT || other->evidence[1] == NO_FACT) continue;
        uint64_t begin_ns = greatest(from_ns, facts->items[other->evidence[0]].time_ns),
                 end_ns = least(to_ns, facts->items[other->evidence[1]].time_ns);
        if (end_ns > begin_ns && end_ns - begin_ns >= (to_ns - from_ns) / 2) return true;
    }
    return false;
}

/* Would other nodes have done something that belongs to no request? */
static bool others_work(const struct facts *facts, const struct visit *visit, uint64_t from_ns, uint64_t to_ns) {
    size_t count = 0;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        count += fact->kind == FACT_CUSTOM && fact->trace == NO_NUMBER && fact->node != node_of(visit);
    }
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
    return is_dead_calm(facts, from_ns, to_ns) &&
           (visit->kind == WAIT_LINK || waited_elsewhere(requests, facts, visit, from_ns, to_ns) ||
            others_work(facts, visit, from_ns, to_ns));
}
