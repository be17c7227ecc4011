/* SPDX-License-Identifier: MIT
 *
 * A store whose events were counted elsewhere: each stands for many that have the same values, as far as `count` is asked for
 * them.  The number of an event in its `sequence` is its place in `all`.  Only `count` answers rightly then. */
#ifndef STORE_COUNTED_H
#define STORE_COUNTED_H

#include <stddef.h>
#include <stdint.h>

struct store_counted_event {
    uint64_t events;
    uint64_t first_ns, last_ns;
    uint64_t max;               /* of the measured number, which is the least in the event itself; all in one bucket */
    uint64_t sum_high, sum_low; /* of them: the sums of their upper and lower 32 bits */
};

struct store_counted {
    struct store_counted_event *all;
    size_t count;
    uint64_t begin_ns;       /* where the history begins */
    uint64_t from_ns, to_ns; /* the time that was asked for, as in history_query */
    uint64_t lost;           /* what `count` says was lost */
};

#endif
