/* SPDX-License-Identifier: MIT
 *
 * Steps: where one of two clocks was set, between two packets.  The straight line ends at a step.  Pure. */
#ifndef INSPECTOR_CLOCK_STEPS_H
#define INSPECTOR_CLOCK_STEPS_H

#include "clock_fit.h"

/* Finds the samples with which a new line begins, except the first, in rising order.  Samples are sorted by near_order.  A
 * bend that no straight line follows to within the packets' own spread counts as a step.  Finds at most 64.  The caller owns
 * *ret_begins. Returns 0 or -ENOMEM. */
int clock_steps_find(size_t **ret_begins, size_t *ret_count, const struct clock_sample *samples, size_t count);

#endif
