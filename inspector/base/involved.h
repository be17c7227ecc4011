/* SPDX-License-Identifier: MIT
 *
 * What explains some events: the nodes and aliases that they need to be read as they are, without those of all others. */
#ifndef INSPECTOR_INVOLVED_H
#define INSPECTOR_INVOLVED_H

#include <jansson.h>

/* Picks rows of `nodes` and of `who`.  ids: an object whose keys are the ids that the events have, in hex; adds those that stand
 * for the same nodes, or are claimed to.  So each claim has its rivals beside it.  The caller owns the lists.  Returns 0, or -1
 * when out of memory. */
int involved_pick(json_t *ids, const json_t *nodes, const json_t *who, json_t **ret_nodes, json_t **ret_who);

#endif
