/* SPDX-License-Identifier: MIT
 *
 * Where one of two clocks was set: between two packets, behind which no straight line goes on.  Pure. */
#ifndef INSPECTOR_CLOCK_STEPS_H
#define INSPECTOR_CLOCK_STEPS_H

#include "clock_fit.h"

/* Finds the samples with which another line begins, all but the first, in rising order.  Samples are sorted by near_order.  A
 * bend
 * that no straight line follows to within the packets' own spread counts as a step.  At most 64 are found.  *ret_begins is the
 * caller's.  0 or -ENOMEM. */
int clock_steps_find(size_t **ret_begins, size_t *ret_count, const struct clock_sample *samples, size_t count);

#endif
