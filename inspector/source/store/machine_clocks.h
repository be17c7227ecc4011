/* SPDX-License-Identifier: MIT
 *
 * The clocks of the machines that some nodes run on (inspector/clocks), and how answers describe them.  It knows nodes by their
 * index in the store that answers.
 *
 *     machine_clocks_create(&clocks, infos, count)
 *     machine_clocks_end(clocks, event, node, &end)     for each event; the caller adds its order, and keeps it
 *     machine_clocks_estimate(clocks, &ends) */
#ifndef INSPECTOR_MACHINE_CLOCKS_H
#define INSPECTOR_MACHINE_CLOCKS_H

#include "clock_ends.h"

#include <jansson.h>
#include <store/nodes.h>

struct machine_clocks;

/* nodes: by index; NULL entries are allowed.  With nodes of one machine, or of none that is known, *ret_clocks is NULL.  Returns
 * 0 or -ENOMEM. */
int machine_clocks_create(struct machine_clocks **ret_clocks, const struct node_info *const *nodes, uint32_t count);
void machine_clocks_destroy(struct machine_clocks *clocks); /* NULL is allowed */

uint32_t machine_clocks_count(const struct machine_clocks *clocks);

/* The machine of a node; CLOCKS_NOBODY: not known. */
uint32_t machine_clocks_machine(const struct machine_clocks *clocks, uint32_t node);
const struct machine *machine_clocks_at(const struct machine_clocks *clocks, uint32_t machine);

/* Is it an end of a packet between two machines?  `end` has everything but its machine and key, which this fills in.  peer_id:
 * whom the packet came from or went to, after aliases. */
bool machine_clocks_end(struct machine_clocks *clocks, uint32_t node, const struct trace_node_id *peer_id, struct clock_end *end);

/* Estimates the clocks, once.  Sorts the ends.  Returns 0 or -ENOMEM. */
int machine_clocks_estimate(struct machine_clocks *clocks, struct clock_ends *ends);

/* Instead of that: has what was estimated for the same machines. */
void machine_clocks_share(struct machine_clocks *clocks, struct machine_clocks *with);

/* What was estimated; NULL before. */
const struct clocks *machine_clocks_estimated(const struct machine_clocks *clocks);

/* Adds `clock_lead` (docs/protocol.md) to what answers a method, where it is an event or a node. */
void machine_clocks_annotate(const struct machine_clocks *clocks, const char *method, json_t *result);

/* Likewise to an array of events. */
void machine_clocks_annotate_events(const struct machine_clocks *clocks, json_t *events);

#endif
