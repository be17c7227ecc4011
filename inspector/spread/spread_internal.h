/* SPDX-License-Identifier: MIT
 *
 * The steps of spread_init, in order; each fills in its part of the spread.  They return 0 or -ENOMEM. */
#ifndef INSPECTOR_SPREAD_INTERNAL_H
#define INSPECTOR_SPREAD_INTERNAL_H

#include <stdbool.h>

struct facts;
struct spread;

/* deliveries.c: finds the deliveries, unsorted, from messages or spans; also the questions that spans ask. */
int deliveries_find(struct spread *spread, const struct facts *facts, const bool *traced, bool one_key);

/* culprits.c: finds which steps took unusually long, and which nodes are late because of them. */
int culprits_find(struct spread *spread, const struct facts *facts);

#endif
