/* SPDX-License-Identifier: MIT
 *
 * See query_run.h.  What is indexed is found through the chains; the rest of each lane is scanned. */
#include "query_run.h"

static int search_lane(struct query_lane *lane, struct query_index *index, const struct query_search *search) {
    uint64_t end = 0;
    bool indexed = index && (search->filter.trace_id || search->filter.peer_id);
    int result = indexed ? query__index_catch_up(index, lane, &end) : 0;
    if (result != 0) return result;
    query__scan(lane, end, search);
    if (indexed) query__index_search(index, lane, search);
    return 0;
}

int query__run(const struct query_ring *ring, struct query_index *index, const struct query_search *search,
               struct trace_query_ring *ret_ring) {
    struct trace_query_ring sum = {0};
    for (unsigned i = 0; i < ring->lane_count; i++) {
        struct query_lane lane;
        int result;
        if (!query__lane_init(&lane, ring, i)) continue;
        result = search_lane(&lane, index, search);
        if (result != 0) return result;
        sum.emitted += lane.head;
        sum.gone += lane.begin;
        sum.overwritten += lane.floor - lane.begin;
        sum.unfinished += lane.unfinished;
    }
    *ret_ring = sum;
    return 0;
}
