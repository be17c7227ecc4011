/* SPDX-License-Identifier: MIT
 *
 * Reads a lane of the process's own ring, from its newest event towards its oldest.
 *
 * The writer goes up and we go down, so we meet it at most once.  When we find a slot that it has reused, it has reused all
 * older ones, too, and we are done with the lane.  If we read from the oldest event on, every slot would be the one that a busy
 * writer needs next. */
#include "query_scan.h"

#include "slot.h"

#include <string.h>

bool query__lane_init(struct query_lane *lane, const struct query_ring *ring, unsigned number) {
    /* relaxed: the slots' marks publish the events.  A lane has a head only after its memory was reserved. */
    uint64_t head = __atomic_load_n(&ring->header->lanes[number].head, __ATOMIC_RELAXED);
    uint64_t begin = head > ring->lane_events ? head - ring->lane_events : 0;
    *lane = (struct query_lane){
        .number = number,
        .slots = ring->slots + (size_t)number * ring->lane_events,
        .slot_mask = ring->lane_events - 1,
        .head = head,
        .begin = begin,
        .floor = begin,
    };
    return head != 0;
}

static bool matches_ids(const struct trace_query_filter *filter, const struct trace_event *event) {
    if (filter->trace_id && memcmp(filter->trace_id, &event->trace_id, sizeof event->trace_id) != 0) return false;
    if (!filter->peer_id) return true;
    return (event->flags & TRACE_FLAG_HAS_PEER) && memcmp(filter->peer_id, &event->peer_id, sizeof event->peer_id) == 0;
}

void query__offer(const struct query_search *search, const struct trace_event *event, const struct query_lane *lane,
                  uint64_t position) {
    const struct trace_query_filter *filter = &search->filter;
    if (!matches_ids(filter, event) || (filter->kinds != 0 && !(filter->kinds & TRACE_QUERY_KIND(event->kind)))) return;
    uint64_t unix_ns = query__clock_unix_ns(search->clock, event->timestamp);
    if (unix_ns < filter->from_ns || (filter->to_ns != 0 && unix_ns >= filter->to_ns)) return;
    struct trace_query_event found = {.event = *event, .position = position, .lane = lane->number};
    found.event.timestamp = unix_ns;
    search->sink->take(search->sink, &found);
}

void query__scan(struct query_lane *lane, uint64_t from, const struct query_search *search) {
    struct trace_event event;
    for (uint64_t position = lane->head; position > from && position > lane->floor;) {
        position--;
        switch (slot_read(&lane->slots[position & lane->slot_mask], position, &event)) {
        case SLOT_TAKEN: query__offer(search, &event, lane, position); break;
        case SLOT_LAPPED: lane->floor = position + 1; break;
        case SLOT_NOT_YET:
        case SLOT_INVALID: lane->unfinished++; break;
        }
    }
}
