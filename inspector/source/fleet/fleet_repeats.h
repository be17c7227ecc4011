/* SPDX-License-Identifier: MIT
 *
 * Sums over the rows of `events` that count each event once, without FINAL where that is not needed: FINAL reads and compares the
 * whole key of each row, which costs twenty times as much as most sums.
 *
 * An event has two rows only if its segment was inserted in two attempts (table `deliveries`), or if it is in recordings of two
 * traceds of one machine, because the second read the rings again.  Equal events have equal times.  So a row is certain to be the
 * only one unless a segment that was inserted twice has its time, or the recordings of two traceds of one machine have. */
#ifndef INSPECTOR_FLEET_REPEATS_H
#define INSPECTOR_FLEET_REPEATS_H

#include "fleet_scope.h"

/* A statement: SELECT ... FROM rows WHERE times AND ...  rows: the table; times: a condition. */
struct fleet_sum {
    const struct fleet_context *context;
    void (*put)(struct trace_text *out, const void *arg, const char *rows, const char *times);
    const void *arg;
    const char *around[2]; /* what stands before and after all of them; "" */
};

/* Asks it of all rows.  Where some may be there twice there are two statements, with UNION ALL between them: a group may have a
 * row from each, and the caller adds them up.  ret_rows: in RowBinary, within *room, which the caller frees.  Returns 0, or -1
 * with the failure. */
int fleet_sum_ask(const struct fleet_sum *sum, struct trace_text *room, struct row_reader *ret_rows, struct failure *failure);

/* How many events there are with a condition. */
int fleet_sum_count(const struct fleet_context *context, const char *condition, uint64_t *ret_count, struct failure *failure);

#endif
