/* SPDX-License-Identifier: MIT
 *
 * The inside of struct clocks. */
#ifndef INSPECTOR_CLOCKS_INTERNAL_H
#define INSPECTOR_CLOCKS_INTERNAL_H

#include "clock_fit.h"
#include "clocks.h"

/* A machine's clock was stepped between two of its events. */
struct step {
    uint32_t machine;
    uint64_t first_order, last_order; /* of the two, whichever came first */
    uint64_t before_ns, after_ns;     /* their own times */
    uint64_t before_here, after_here; /* as they are shown */
};

/* Two clocks with packets between them. */
struct link {
    uint32_t near, far; /* clocks */
    struct clock_fit fit;
    size_t begin, end; /* its samples */
};

/* One machine's clock between two steps. */
struct clock {
    uint32_t machine;
    uint32_t parent; /* a clock; CLOCKS_NOBODY: a root, or not known */
    uint32_t root;   /* a clock */
    size_t link;     /* to the parent */
    double error_ns; /* in the middle of the links: what the best way is chosen by */
    bool reached;
    struct clock_map own;   /* from shown time to this clock's */
    struct clock_map chain; /* the same by the links to the root alone */
};

struct clocks {
    uint32_t machine_count, clock_count;
    uint32_t *first_clock; /* by machine, and one behind the last: of machine m are first_clock[m] up to first_clock[m + 1] */
    uint64_t *packets;     /* by machine */
    uint32_t reference;    /* a machine */
    uint32_t root;         /* of most: a clock of the reference; CLOCKS_NOBODY: there are no links */
    struct step *steps;    /* by machine, then order: the step behind clock c of machine m is steps[c - m] */
    size_t step_count;
    struct clock *clocks;
    struct link *links;
    size_t link_count;
};

/* The clock of an event. */
uint32_t clocks__find(const struct clocks *clocks, uint32_t machine, uint64_t order, uint64_t raw_ns);

/* A clock's time as it is shown, and back. */
uint64_t clocks__show(const struct clocks *clocks, uint32_t clock, uint64_t raw_ns);
uint64_t clocks__unshow(const struct clocks *clocks, uint32_t clock, uint64_t time_ns);

/* clocks_links.c: chooses the best ways from the roots, and moves clocks where two ways contradict each other.  samples: of all
 * links.  0 or -ENOMEM. */
int clocks__join(struct clocks *clocks, const struct clock_sample *samples);

#endif
