/* SPDX-License-Identifier: MIT
 *
 * Is a writer faster than its reader?  The reader of a lane needs to know when the writer is about to lap it.
 *
 * Being lapped proves nothing: other processes, or the host of a virtual machine, may have kept the reader from running.  So we
 * use the clock: the writer's pace over the last quarter to half of a lap is compared with our own pace when nothing disturbs
 * us.  Positions alone cannot tell, because a writer that waits for cache lines that we read goes at our pace, whatever its own.
 *
 * No I/O and no clock: times (CLOCK_MONOTONIC) and positions are passed in.  One thread. */
#ifndef LIBTRACE_PACE_H
#define LIBTRACE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    /* The writer is measured from the older of two looks on; when it has emitted another quarter of a lap, the newer look
     * replaces the older. */
    uint64_t older_head, older_ns;
    uint64_t newer_head, newer_ns;
    uint64_t look_ns;    /* of our last look; 0: what lies before the next is no run */
    uint64_t look_taken; /* how many events we had taken then */
    uint64_t best_ps;    /* picoseconds that we need for an event when nothing disturbs us; 0: not known yet */
};

/* We have caught up with the writer, at `head`: restart the measurement. */
void pace_restart(struct pace *pace, uint64_t head, uint64_t now_ns);

/* Records a look at the writer, before a run is read.  head: its position; taken: events that we have taken from the lane so far;
 * lane_events: events in a lap. */
void pace_look(struct pace *pace, uint64_t head, uint64_t taken, uint32_t lane_events, uint64_t now_ns);

/* Right after such a look: does the writer emit more than two events in the time that we, undisturbed, need to take three?
 * False until it has emitted a quarter of a lap since the restart. */
bool pace_is_faster(const struct pace *pace, uint64_t head, uint32_t lane_events, uint64_t now_ns);

#endif
