/* SPDX-License-Identifier: MIT
 *
 * The clocks of several machines as one: how far each is ahead of a reference, when, and with what error.  Pure and
 * deterministic: everything that shows times of several machines asks here, so that no two views disagree.
 *
 * A machine's clock runs evenly (clock_fit.h) from one step to the next (clock_steps.h); each such part is a clock of its own.
 * Two clocks with packets in both directions are linked.  Times of a clock are mapped over the best links to the reference's
 * clock; the reference is the machine with the most packets.  The errors of the links add up.  A clock without such links is not
 * known, and keeps its times.
 *
 * Orders are those of clock_sample: numbers that rise with true time within one machine, whatever its clock does. */
#ifndef INSPECTOR_CLOCKS_H
#define INSPECTOR_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clocks;

#define CLOCKS_NOBODY UINT32_MAX

/* A packet or message from one machine to another, seen at both ends. */
struct clocks_packet {
    uint32_t from, to; /* machines, below machine_count */
    uint64_t sent_ns, received_ns;
    uint64_t sent_order, received_order;
};

/* Estimates the clocks.  If several machines have the most packets, the one with the lowest number is the reference.  Returns 0
 * or -ENOMEM. */
int clocks_create(struct clocks **ret_clocks, uint32_t machine_count, const struct clocks_packet *packets, size_t count);
void clocks_destroy(struct clocks *clocks); /* NULL is allowed */

/* The time of an event of that machine on the reference's clock; its own time if the clock is not known. */
uint64_t clocks_time(const struct clocks *clocks, uint32_t machine, uint64_t order, uint64_t raw_ns);

/* Do events with these orders, both included, share one clock?  Then their times keep their order. */
bool clocks_is_one(const struct clocks *clocks, uint32_t machine, uint64_t first_order, uint64_t last_order);

/* Turns bounds of a machine's own times (CLOCKS_NOBODY: of any machine) into bounds of shown times, whichever clock they
 * are of. */
void clocks_widen(const struct clocks *clocks, uint32_t machine, uint64_t *min_ns, uint64_t *max_ns);

/* How the times of one stretch of a machine's clock are shown, for a program that cannot call clocks_time, as a database:
 *
 *     plus_ns + llround(((double)(int64_t)(own_ns - minus_ns) - at) / pace)
 *
 * with the same result to the last bit.  It holds where an event's order is its own time plus a constant. */
struct clocks_formula {
    uint64_t before_ns; /* for own times below this, from the formula before it on; UINT64_MAX: all further times */
    bool same;          /* times are shown as they are */
    uint64_t minus_ns, plus_ns;
    double at, pace;
};

/* The formulas of a machine, for events with the order own_ns + later_ns, sorted by their times; the caller owns *ret_formulas.
 * Returns 0 or -ENOMEM. */
int clocks_formulas(const struct clocks *clocks, uint32_t machine, uint64_t later_ns, struct clocks_formula **ret_formulas,
                    size_t *ret_count);

/* Turns bounds of shown times into bounds of the own times of one clock: index from 0 to clocks_count() - 1. */
uint32_t clocks_count(const struct clocks *clocks);
void clocks_unwiden(const struct clocks *clocks, uint32_t index, uint64_t *min_ns, uint64_t *max_ns);

/* A machine's clock at a moment. */
struct clocks_lead {
    bool known;         /* there is a link; false for the reference, and for a machine without others */
    bool is_reference;  /* others are measured against it */
    uint32_t reference; /* the machine it is measured against; CLOCKS_NOBODY: none */
    bool apart;         /* its reference differs from that of most machines: the two groups cannot be compared */
    int64_t lead_ns;    /* how far it is ahead: the event's own time minus the shown one; 0: not known */
    uint64_t error_ns;  /* the lead's error is at most this */
    double drift;       /* the lead's growth: 1e-6 is 1 us a second */
    uint32_t steps;     /* how often the clock was stepped, or changed its pace */
    uint64_t packets;   /* the packets of its link */
    /* Not known, but packets went in one direction: bounds of the lead over `beside`'s clock.  Otherwise CLOCKS_NOBODY. */
    uint32_t beside;
    bool has_most, has_least;
    int64_t most_ns, least_ns;
};

/* Is the machine's clock the reference, or linked to one, also after each of its steps?  Then none of its times is as recorded
 * unless that is right. */
bool clocks_is_known(const struct clocks *clocks, uint32_t machine);

/* time_ns: as from clocks_time. */
void clocks_lead(const struct clocks *clocks, uint32_t machine, uint64_t time_ns, struct clocks_lead *ret_lead);

/* A step of a machine's clock, or a change of its pace: `index` from 0; returns false if there are no more.  It happened between
 * before_ns and after_ns. */
struct clocks_step {
    uint64_t before_ns, after_ns; /* as from clocks_time */
    int64_t by_ns;                /* what the clock gained */
};
bool clocks_step(const struct clocks *clocks, uint32_t machine, uint32_t index, struct clocks_step *ret_step);

#endif
