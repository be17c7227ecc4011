/* SPDX-License-Identifier: MIT
 *
 * How far a shipper is. */
#ifndef INSPECTOR_SHIP_PROGRESS_H
#define INSPECTOR_SHIP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct ship_progress {
    uint64_t segments, events, bytes, retries; /* since the start */
    uint64_t lost_segments, lost_events;       /* since the place was created */
    uint64_t shipped_segments, shipped_events; /* likewise */
    uint64_t waiting_segments, waiting_bytes;
    uint64_t waiting_since_ns; /* when the oldest waiting segment was written; 0: none waits */
    uint64_t newest_ns;        /* of the shipped events; 0: none */
    uint64_t success_ns;       /* when the server last accepted something; 0: never */
    bool up;                   /* the last request succeeded */
};

#endif
