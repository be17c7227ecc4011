/* SPDX-License-Identifier: MIT
 *
 * The clocks of a fleet's machines (inspector/clocks).  Times are corrected where rows are read, and in SQL by an expression with
 * the same result, so that ClickHouse chooses and sorts by the times that are shown. */
#ifndef INSPECTOR_FLEET_CLOCKS_H
#define INSPECTOR_FLEET_CLOCKS_H

#include "fleet_order.h"
#include "fleet_who.h"
#include "machine_clocks.h"

#include <proto/text.h>

/* {0}: times are shown as they are. */
struct fleet_clocks {
    struct machine_clocks *machines; /* NULL: fewer than two */
    const struct clocks *clocks;     /* of them */
    size_t step_count;               /* that were known when they were estimated */
    uint64_t stepped_ms;             /* on CLOCK_MONOTONIC: since when just these steps are known */
    uint64_t estimated_ms;           /* likewise: when they were estimated */
    char *shown;                     /* an SQL expression for the shown time of an event; NULL: "time_ns" */
};

/* Begins: finds the machines, and takes over what is known from an earlier moment if they are still the same, and their clocks
 * were not stepped again.  *ret_estimate: otherwise, so the clocks are to be estimated.  So they are if packets were missing that
 * show how a clock relates to the others, at first or after a step: those packets may have come.  Returns 0, or -1 with the
 * failure. */
int fleet_clocks_open(struct fleet_clocks *ret_clocks, const struct fleet_logs *logs, const struct fleet_clocks *known,
                      bool *ret_estimate, struct failure *failure);

/* Estimates them from the packets in the fleet.  who: by own times; the server has its table. */
int fleet_clocks_estimate(struct fleet_clocks *clocks, const struct fleet_logs *logs, const struct fleet_order *order,
                          const struct fleet_who *who, struct clickhouse *server, struct failure *failure);

/* From now on times are corrected, those in the logs already.  It asks the server when logs began and ended whose own times do
 * not say it, because the clock showed them twice.  Returns 0, or -1 with the failure. */
int fleet_clocks_show(struct fleet_clocks *clocks, struct fleet_logs *logs, const struct fleet_order *order,
                      struct clickhouse *server, struct failure *failure);
void fleet_clocks_fini(struct fleet_clocks *clocks);

/* The column of the shown time, as SQL. */
const char *fleet_clocks_column(const struct fleet_clocks *clocks);

/* The shown time of an event.  log: its index; below 0: none that is known.  back_ns: fleet_order_back. */
uint64_t fleet_clocks_time(const struct fleet_clocks *clocks, int64_t log, uint64_t back_ns, uint64_t own_ns);

/* The shown time of something that was said, by the clock as it was at first. */
uint64_t fleet_clocks_begin(const struct fleet_clocks *clocks, int64_t log, uint64_t own_ns);

/* Are the times of this log corrected?  Then steps of its clock are, too. */
bool fleet_clocks_correct(const struct fleet_clocks *clocks, int64_t log);

/* Likewise of a machine, by its id. */
bool fleet_clocks_correct_machine(const struct fleet_clocks *clocks, const uint8_t machine[MACHINE_ID_BYTES]);

/* Turns bounds of own times into bounds of shown times, whichever machine they are of. */
void fleet_clocks_widen(const struct fleet_clocks *clocks, uint64_t *min_ns, uint64_t *max_ns);

/* Appends a condition that is true for all events with shown times in [from_ns, to_ns), by their own times: some more may have
 * it.  0: no bound. */
void fleet_clocks_put_own_times(struct trace_text *out, const struct fleet_clocks *clocks, uint64_t from_ns, uint64_t to_ns);

#endif
