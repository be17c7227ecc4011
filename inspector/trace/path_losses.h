/* SPDX-License-Identifier: MIT
 *
 * Which lost packets a request waited for, and how long.  Pure. */
#ifndef INSPECTOR_PATH_LOSSES_H
#define INSPECTOR_PATH_LOSSES_H

#include "critical_path.h"

/* Fills path->losses: each first lost packet, and what repeats it in the end.  The waits have to be there, in order.  0 or
 * -ENOMEM. */
int path_losses_find(struct critical_path *path, const struct trace_events *events);

#endif
