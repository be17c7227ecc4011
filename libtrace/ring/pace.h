/* SPDX-License-Identifier: MIT
 *
 * Is a writer faster than its reader?  What the reader of a lane asks itself when the writer is about to lap it.
 *
 * Being lapped proves nothing: the reader may have been kept from running, by other processes or by the host of a virtual machine.
 * What tells is the clock: the writer's pace, measured over the last quarter to half of a lap, beside the pace of our own when nothing
 * disturbs us.  Positions alone cannot tell, for a writer that waits for the cache lines that we read goes at our pace, whatever its own.
 *
 * No I/O, no clock of its own: times are passed in, CLOCK_MONOTONIC, and so are positions.  One thread. */
#ifndef LIBTRACE_PACE_H
#define LIBTRACE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    /* The stretch over which the writer is measured begins at the older of two looks; when it has made another quarter of a lap, the
     * newer takes its place. */
    uint64_t older_head, older_ns;
    uint64_t newer_head, newer_ns;
    uint64_t look_ns;    /* of our last look; 0: what lies before the next is no run */
    uint64_t look_taken; /* how many events we had taken then */
    uint64_t best_ps;    /* picoseconds that we need for an event when nothing disturbs us; 0: not known yet */
};

/* We have caught up with the writer, at `head`: measure anew. */
void pace_restart(struct pace *pace, uint64_t head, uint64_t now_ns);

/* A look at the writer, before a run is read.  head: its position; taken: events that we have taken of the lane so far; lane_events:
 * of a lap. */
void pace_look(struct pace *pace, uint64_t head, uint64_t taken, uint32_t lane_events, uint64_t now_ns);

/* Right after such a look: does it make more than two events in the time in which we, undisturbed, take three?  False as long as it
 * has not made a quarter of a lap since the restart. */
bool pace_is_faster(const struct pace *pace, uint64_t head, uint32_t lane_events, uint64_t now_ns);

#endif
