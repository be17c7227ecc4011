/* SPDX-License-Identifier: MIT
 *
 * The parts of a spread: each fills in what the one before it left out.  0 or -ENOMEM. */
#ifndef INSPECTOR_SPREAD_INTERNAL_H
#define INSPECTOR_SPREAD_INTERNAL_H

#include "spread.h"

/* The deliveries, unsorted, and by what they are known; also the questions that spans ask.  deliveries.c */
int deliveries_find(struct spread *spread, const struct facts *facts, const bool *traced, bool one_key);

/* Which steps are out of the ordinary, and which nodes are late because of them.  culprits.c */
int culprits_find(struct spread *spread);

#endif
