/* SPDX-License-Identifier: MIT
 *
 * The clocks of a fleet's machines (inspector/clocks).  Times are corrected where rows are read, and in SQL by an expression with
 * the same result, so that ClickHouse chooses and sorts by the times that are shown.
 *
 * An event's order is its own time, because the tables do not know in which order a machine wrote: where a clock was set back,
 * the events that it then stamped again are between those of before. */
#ifndef INSPECTOR_FLEET_CLOCKS_H
#define INSPECTOR_FLEET_CLOCKS_H

#include "fleet_who.h"
#include "machine_clocks.h"

#include <proto/text.h>

/* {0}: times are shown as they are. */
struct fleet_clocks {
    struct machine_clocks *machines; /* NULL: fewer than two */
    const struct clocks *clocks;     /* of them */
    char *shown;                     /* an SQL expression for the shown time of an event; NULL: "time_ns" */
};

/* Begins: finds the machines, and takes over what is known from an earlier moment if they are still the same.  *ret_estimate:
 * they are not, so the clocks are to be estimated.  Returns 0, or -1 with the failure. */
int fleet_clocks_open(struct fleet_clocks *ret_clocks, const struct fleet_logs *logs, const struct fleet_clocks *known,
                      bool *ret_estimate, struct failure *failure);

/* Estimates them from the packets in the fleet.  who: by own times; the server has its table. */
int fleet_clocks_estimate(struct fleet_clocks *clocks, const struct fleet_logs *logs, const struct fleet_who *who,
                          struct clickhouse *server, struct failure *failure);

/* From now on times are corrected, those in the logs already.  Returns 0, or -1 with the failure. */
int fleet_clocks_show(struct fleet_clocks *clocks, struct fleet_logs *logs, struct failure *failure);
void fleet_clocks_fini(struct fleet_clocks *clocks);

/* The column of the shown time, as SQL. */
const char *fleet_clocks_column(const struct fleet_clocks *clocks);

/* The shown time of an event.  log: its index; below 0: none that is known. */
uint64_t fleet_clocks_time(const struct fleet_clocks *clocks, int64_t log, uint64_t own_ns);

/* Are the times of this log corrected?  Then steps of its clock are, too. */
bool fleet_clocks_correct(const struct fleet_clocks *clocks, int64_t log);

/* Turns bounds of own times into bounds of shown times, whichever machine they are of. */
void fleet_clocks_widen(const struct fleet_clocks *clocks, uint64_t *min_ns, uint64_t *max_ns);

/* Appends a condition that is true for all events with shown times in [from_ns, to_ns), by their own times: some more may have
 * it.  0: no bound. */
void fleet_clocks_put_own_times(struct trace_text *out, const struct fleet_clocks *clocks, uint64_t from_ns, uint64_t to_ns);

#endif
