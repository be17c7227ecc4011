/* SPDX-License-Identifier: MIT
 *
 * The waits of a critical path in order, and their sums by place.  Pure. */
#ifndef INSPECTOR_PATH_SUMS_H
#define INSPECTOR_PATH_SUMS_H

#include "critical_path.h"

/* Sorts the waits, joins adjacent ones of the same kind and place, and counts those within the request. */
void path_waits_order(struct critical_path *path);

/* Fills path->spent from the waits within, which are in order.  Returns 0 or -ENOMEM. */
int path_sum_up(struct critical_path *path);

#endif
