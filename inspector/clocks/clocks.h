/* SPDX-License-Identifier: MIT
 *
 * The clocks of several machines as one: what each is ahead of a reference, when, and within which error.  Pure, and the same
 * for the same packets: all that shows times of several machines asks here, so that no two views disagree.
 *
 * A machine's clock runs evenly (clock_fit.h) from one step to the next (clock_steps.h); each such part is a clock of its own.
 * Two clocks with packets in both directions are linked.  Times of a clock go over the best links to the clock of the
 * reference, the
 * machine with most packets; the errors of the links add up.  A clock that no link leads to is not known, and keeps its times.
 *
 * Orders are what clock_sample has: numbers that rise with true time within one machine, whatever its clock does. */
#ifndef INSPECTOR_CLOCKS_H
#define INSPECTOR_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clocks;

#define CLOCKS_NOBODY UINT32_MAX

/* A packet or message from one machine to another, seen at both. */
struct clocks_packet {
    uint32_t from, to; /* machines, below machine_count */
    uint64_t sent_ns, received_ns;
    uint64_t sent_order, received_order;
};

/* Estimates.  Of equals, the machine with the lowest number is the reference.  Returns 0 or -ENOMEM. */
int clocks_create(struct clocks **ret_clocks, uint32_t machine_count, const struct clocks_packet *packets, size_t count);
void clocks_destroy(struct clocks *clocks); /* NULL is allowed */

/* The time of an event of that machine on the reference's clock; its own where that is not known. */
uint64_t clocks_time(const struct clocks *clocks, uint32_t machine, uint64_t order, uint64_t raw_ns);

/* Do events of these orders, both included, share one clock?  Then their times keep their order. */
bool clocks_is_one(const struct clocks *clocks, uint32_t machine, uint64_t first_order, uint64_t last_order);

/* Makes bounds of times of a machine (CLOCKS_NOBODY: of any) into bounds of what is shown, whichever clock they are of. */
void clocks_widen(const struct clocks *clocks, uint32_t machine, uint64_t *min_ns, uint64_t *max_ns);

/* A machine's clock at a moment. */
struct clocks_lead {
    bool known;         /* there is a link.  Of the reference, and of a machine alone, false */
    bool is_reference;  /* others are measured by it */
    uint32_t reference; /* by whom it is measured; CLOCKS_NOBODY: nobody */
    bool apart;         /* that is not by whom most are measured: how these and those stand to each other is not known */
    int64_t lead_ns;    /* so far is it ahead: the event's own time minus the shown one; 0 where it is not known */
    uint64_t error_ns;  /* the lead is right to within this */
    double drift;       /* and grows by so much: 1e-6 is 1 us a second */
    uint32_t steps;     /* how often the clock was stepped, or changed its pace */
    uint64_t packets;   /* what the link rests on */
    /* Not known, but packets came or went in one direction: bounds of the lead on `beside`'s clock.  Else CLOCKS_NOBODY. */
    uint32_t beside;
    bool has_most, has_least;
    int64_t most_ns, least_ns;
};

/* time_ns: as clocks_time tells it. */
void clocks_lead(const struct clocks *clocks, uint32_t machine, uint64_t time_ns, struct clocks_lead *ret_lead);

/* Where a machine's clock was stepped, or changed its pace: `index` from 0; false: there are no more.  The two moments are those
 * between which it happened. */
struct clocks_step {
    uint64_t before_ns, after_ns; /* as clocks_time tells them */
    int64_t by_ns;                /* what the clock gained */
};
bool clocks_step(const struct clocks *clocks, uint32_t machine, uint32_t index, struct clocks_step *ret_step);

#endif
