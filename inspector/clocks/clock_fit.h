/* SPDX-License-Identifier: MIT
 *
 * How two clocks relate, from the packets between them.  Pure.
 *
 * A packet that left at 10.000 of the near clock and arrived at 13.205 of the far clock shows that the far clock is at most 3.205
 * ahead, because the packet took some time.  A packet in the other direction gives a lower bound.  As in NTP, but over all
 * packets: the far clock's lead is a straight line in time that passes below all points of one direction and above those of the
 * other.
 *
 *      far - near
 *         |  ^   ^        ^    ^         forward: sent near, received far
 *         |    ^    ^  ^    ^    ^
 *         |  ------------------------    the line: offset and drift
 *         |   v  v   v   v     v
 *         | v      v       v     v       backward
 *         +---------------------------> near clock
 *
 * Whatever queues did, the truth is among the lines that do so.  We take the one in the middle; the distance to the others is the
 * error.  Packets that contradict the rest (a send recorded late, a number used twice) are left out if they are few.  A packet
 * may also be wrong and contradict none; so the error does not depend on the few packets that leave the least room. */
#ifndef INSPECTOR_CLOCK_FIT_H
#define INSPECTOR_CLOCK_FIT_H

#include "clock_region.h"

#include <stddef.h>
#include <stdint.h>

/* One packet between two clocks.  Orders rise with true time, whatever the clock does: they are positions of events. */
struct clock_sample {
    uint64_t near_ns, far_ns;
    uint64_t near_order, far_order;
    bool forward; /* sent by the near machine */
};

/* From one clock to another. */
struct clock_map {
    uint64_t origin_ns; /* of the near clock: x is 0 there */
    int64_t base_ns;    /* far - near is base_ns + the line */
    struct clock_line line;
};

/* The same moment on the other clock. */
uint64_t clock_map_to_far(const struct clock_map *map, uint64_t near_ns);
uint64_t clock_map_to_near(const struct clock_map *map, uint64_t far_ns);

struct clock_fit {
    struct clock_map map;
    struct clock_region region; /* lines that may be true, with y as in the map */
    double doubt_ns;            /* added to the error: how far packets contradict each other if they are too many to leave out */
    size_t forward, backward, outliers;
    int64_t at_most_ns, at_least_ns; /* bounds of far - near from one direction alone: forward, backward */
};

/* The value of far - near that a packet gives. */
static inline int64_t clock_sample_lead(const struct clock_sample *sample) { return (int64_t)(sample->far_ns - sample->near_ns); }

/* Packets went in both directions.  Otherwise only the bounds are filled in. */
static inline bool clock_fit_known(const struct clock_fit *fit) { return fit->forward && fit->backward; }

/* Fits `count` samples, in any order.  Returns 0 or -ENOMEM. */
int clock_fit_init(struct clock_fit *ret_fit, const struct clock_sample *samples, size_t count);

/* How far the truth may be from the line at that point, in ns. */
double clock_fit_error(const struct clock_fit *fit, uint64_t near_ns);

#endif
