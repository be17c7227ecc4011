/* SPDX-License-Identifier: MIT
 *
 * How two clocks stand to each other, from packets between them.  Pure.
 *
 * A packet that left at 10.000 of the near clock and came at 13.205 of the far one says that the far clock is at most 3.205 ahead: it
 * was under way for some time.  One in the other direction says at least how far.  As NTP does it, but over all packets: the far
 * clock's lead is a straight line in time that passes below all points of the one direction and above those of the other.
 *
 *      far - near
 *         |  ^   ^        ^    ^         forward: sent near, received far
 *         |    ^    ^  ^    ^    ^
 *         |  ------------------------    the line: offset and drift
 *         |   v  v   v   v     v
 *         | v      v       v     v       backward
 *         +---------------------------> near clock
 *
 * Whatever queues did, the truth is among the lines that do; the one in the middle is taken, and how far the others are from it is the
 * error.  Packets that contradict the rest (a send that was noted late, a number used twice) are left out where they are few.  One may
 * also be wrong and contradict nobody; so the error does not rest on the few packets that leave the least room. */
#ifndef INSPECTOR_CLOCK_FIT_H
#define INSPECTOR_CLOCK_FIT_H

#include "clock_region.h"

#include <stddef.h>
#include <stdint.h>

/* One packet between two clocks.  Orders rise with true time, whatever the clock does: the events' positions. */
struct clock_sample {
    uint64_t near_ns, far_ns;
    uint64_t near_order, far_order;
    bool forward; /* sent near */
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
    struct clock_region region; /* lines that may be true: y as in the map */
    double doubt_ns; /* added to the error: by so much do packets contradict each other that are too many to be left out */
    size_t forward, backward, outliers;
    int64_t at_most_ns, at_least_ns; /* far - near, as the packets of one direction alone say: of forward, of backward ones */
};

/* What a packet says of far - near. */
static inline int64_t clock_sample_lead(const struct clock_sample *sample) { return (int64_t)(sample->far_ns - sample->near_ns); }

/* Both directions were seen.  Otherwise only the bounds are filled in. */
static inline bool clock_fit_known(const struct clock_fit *fit) { return fit->forward && fit->backward; }

/* Fits `count` samples, in any order.  0 or -ENOMEM. */
int clock_fit_init(struct clock_fit *ret_fit, const struct clock_sample *samples, size_t count);

/* How far the truth may be from the line there, in ns. */
double clock_fit_error(const struct clock_fit *fit, uint64_t near_ns);

#endif
