/* SPDX-License-Identifier: MIT
 *
 * A small ring's header for fuzz targets: 2 lanes of 64 events, none written.  Each target corrupts it in its own way. */
#ifndef TESTS_FUZZ_RING_H
#define TESTS_FUZZ_RING_H

#include "fuzz.h"

#include <libtrace/reader.h>

#define LANES 2
#define EVENTS 64
#define OBJECT_BYTES (TRACE_SHM_LANES_OFFSET + LANES * EVENTS * TRACE_EVENT_BYTES)

static inline void fuzz_ring_header(struct trace_shm_header *ret_header) {
    memset(ret_header, 0, sizeof *ret_header); /* including padding, because all of it is written */
    ret_header->magic = TRACE_SHM_MAGIC;
    ret_header->abi = TRACE_SHM_ABI;
    ret_header->header_bytes = TRACE_SHM_LANES_OFFSET;
    ret_header->object_bytes = OBJECT_BYTES;
    ret_header->event_bytes = TRACE_EVENT_BYTES;
    ret_header->lane_count = LANES;
    ret_header->lane_events = EVENTS;
    ret_header->clock_source = TRACE_CLOCK_MONOTONIC;
    strcpy(ret_header->node_name, "fuzz");
    ret_header->state = TRACE_SHM_OPEN;
    for (unsigned lane = 0; lane < LANES; lane++) ret_header->lanes[lane].state = TRACE_LANE_OWNED;
}

#endif
