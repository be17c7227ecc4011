/* SPDX-License-Identifier: MIT
 *
 * `count` of a fleet by ClickHouse: it groups the events by the columns on which the answer depends, and the store counts the
 * groups (store/counted.h).  The answer is the same as from all events, to the last digit. */
#ifndef INSPECTOR_FLEET_TALLY_H
#define INSPECTOR_FLEET_TALLY_H

#include "fleet_answers.h"

/* Sets *ret_done to false, without an answer, where this cannot be done: the events are needed then.  Returns 0, or -1 with the
 * failure. */
int fleet_tally(struct fleet_question *question, const struct fleet_scope *scope, const struct fleet_limits *limits,
                bool *ret_done);

#endif
