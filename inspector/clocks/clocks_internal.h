/* SPDX-License-Identifier: MIT
 *
 * The inside of struct clocks. */
#ifndef INSPECTOR_CLOCKS_INTERNAL_H
#define INSPECTOR_CLOCKS_INTERNAL_H

#include "clock_fit.h"

/* A machine's clock was stepped between two of its events. */
struct step {
    uint32_t machine;
    uint64_t first_order, last_order; /* of the two events, the smaller first */
    uint64_t before_ns, after_ns;     /* their own times */
    uint64_t before_here, after_here; /* their shown times */
};

/* Two clocks with packets between them. */
struct link {
    uint32_t near, far; /* clocks */
    struct clock_fit fit;
    size_t begin, end; /* of its samples */
};

/* One machine's clock between two steps. */
struct clock {
    uint32_t machine;
    uint32_t parent; /* a clock; CLOCKS_NOBODY: a root, or not known */
    uint32_t root;   /* a clock */
    size_t link;     /* the link to the parent */
    double error_ns; /* the sum of the links' errors in their middle; decides the best path */
    bool reached;
    struct clock_map own;   /* from shown time to this clock's */
    struct clock_map chain; /* the same, by the links to the root only */
};

struct clocks {
    uint32_t machine_count, clock_count;
    uint32_t *first_clock; /* by machine, and one more: machine m has clocks first_clock[m] to first_clock[m + 1] - 1 */
    uint64_t *packets;     /* by machine */
    uint32_t reference;    /* a machine */
    uint32_t root;         /* the root of most clocks: a clock of the reference; CLOCKS_NOBODY: there are no links */
    struct step *steps;    /* by machine, then order: the step after clock c of machine m is steps[c - m] */
    size_t step_count;
    struct clock *clocks;
    struct link *links;
    size_t link_count;
};

static inline uint64_t magnitude(int64_t number) { return number < 0 ? -(uint64_t)number : (uint64_t)number; }

/* ---- clocks_map.c ---- */

/* The clock of an event. */
uint32_t clocks__find(const struct clocks *clocks, uint32_t machine, uint64_t order, uint64_t raw_ns);

/* Converts between a clock's own time and shown time. */
uint64_t clocks__show(const struct clocks *clocks, uint32_t clock, uint64_t raw_ns);
uint64_t clocks__unshow(const struct clocks *clocks, uint32_t clock, uint64_t time_ns);

/* ---- clocks_links.c ---- */

/* Chooses the best paths from the roots, and moves clocks where two paths contradict each other.  samples: of all
 * links.  Returns 0 or -ENOMEM. */
int clocks__join(struct clocks *clocks, const struct clock_sample *samples);

#endif
