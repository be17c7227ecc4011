/* SPDX-License-Identifier: MIT
 *
 * The clocks of a fleet's machines (inspector/clocks).  Times are corrected where rows are read, and in SQL by an expression with
 * the same result, so that ClickHouse chooses and sorts by the times that are shown.
 *
 * An event's order is its own time, because the tables do not know in which order a machine wrote: where a clock was set back,
 * the events that it then stamped again are between those of before. */
#ifndef INSPECTOR_FLEET_CLOCKS_H
#define INSPECTOR_FLEET_CLOCKS_H

#include "fleet_logs.h"
#include "machine_clocks.h"

#include <proto/text.h>

/* {0}: times are shown as they are. */
struct fleet_clocks {
    struct machine_clocks *machines; /* NULL: fewer than two */
    const struct clocks *clocks;     /* of them */
    char *shown;                     /* an SQL expression for the shown time of an event; NULL: "time_ns" */
};

/* Estimates them from the packets in the fleet, and corrects the times in the logs.  known: clocks of an earlier moment, used
 * if the machines are still the same; then nothing is estimated.  Returns 0, or -1 with the failure. */
int fleet_clocks_open(struct fleet_clocks *ret_clocks, struct fleet_logs *logs, struct clickhouse *server,
                      const struct fleet_clocks *known, struct failure *failure);
void fleet_clocks_fini(struct fleet_clocks *clocks);

/* The column of the shown time, as SQL. */
const char *fleet_clocks_column(const struct fleet_clocks *clocks);

/* The shown time of an event.  log: its index; below 0: none that is known. */
uint64_t fleet_clocks_time(const struct fleet_clocks *clocks, int64_t log, uint64_t own_ns);

/* Turns bounds of own times into bounds of shown times, whichever machine they are of. */
void fleet_clocks_widen(const struct fleet_clocks *clocks, uint64_t *min_ns, uint64_t *max_ns);

/* Appends a condition that is true for all events with shown times in [from_ns, to_ns), by their own times: some more may have
 * it.  0: no bound. */
void fleet_clocks_put_own_times(struct trace_text *out, const struct fleet_clocks *clocks, uint64_t from_ns, uint64_t to_ns);

#endif
