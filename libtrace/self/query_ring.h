/* SPDX-License-Identifier: MIT
 *
 * A ring as a query sees it. */
#ifndef LIBTRACE_QUERY_RING_H
#define LIBTRACE_QUERY_RING_H

#include <p2ptrace/shm.h>

struct query_ring {
    const struct trace_shm_header *header;
    const struct trace_event *slots; /* lane 0, slot 0 */
    uint32_t lane_count, lane_events;
};

#endif
