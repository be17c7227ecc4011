/* SPDX-License-Identifier: MIT
 *
 * The order of a machine's events where its clock was set back.  Own times do not show it: the clock showed the time around the
 * step twice.  The number of steps that an event follows does, and so does the traced that recorded it: a later one goes on with
 * the clock as an earlier one left it, and the one with the earliest event is the first, as in a recording.
 *
 *     order of an event = its own time + how far the clock had been set back by then
 *
 * Only the newest steps back of a machine count: a statement has 256 KiB. */
#ifndef INSPECTOR_FLEET_ORDER_H
#define INSPECTOR_FLEET_ORDER_H

#include "fleet_logs.h"

#define FLEET_STEPS_BACK_MAX 8 /* of a machine */

/* What a traced recorded between two steps, after a step back. */
struct fleet_line {
    uint8_t machine[MACHINE_ID_BYTES];
    uint64_t instance;
    uint8_t number;   /* of the events: clock_steps */
    uint64_t back_ns; /* not 0 */
};

/* The recording of a traced. */
struct fleet_run {
    uint8_t machine[MACHINE_ID_BYTES]; /* zero: not known */
    uint64_t instance, first_ns, last_ns;
};

/* {0}: no clock was set back. */
struct fleet_order {
    struct fleet_line *lines; /* by machine, then back_ns */
    size_t line_count;
    const struct fleet_line **by_run; /* the same, by instance, then number */
    struct fleet_run *runs;           /* by machine, then first_ns */
    size_t run_count;
};

/* Asks the server for the runs, if a clock was set back.  Returns 0, or -1 with the failure. */
int fleet_order_read(struct fleet_order *ret_order, const struct fleet_logs *logs, struct clickhouse *server,
                     struct failure *failure);
void fleet_order_fini(struct fleet_order *order);

/* Fills in the lines, of its runs and the steps of the logs, of which there is at least one.  Returns 0, or -1 when out of
 * memory. */
int fleet_order_make(struct fleet_order *order, const struct fleet_logs *logs);

/* How far the clock had been set back before an event.  Cheap: each event that is read asks. */
uint64_t fleet_order_back(const struct fleet_order *order, uint64_t instance, uint8_t number);

#endif
