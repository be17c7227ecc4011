/* SPDX-License-Identifier: MIT
 *
 * Recordings of several machines: gives their events the times of one clock (inspector/clocks), and describes the clocks in
 * answers. */
#ifndef INSPECTOR_RECORDED_CLOCKS_H
#define INSPECTOR_RECORDED_CLOCKS_H

#include <jansson.h>
#include <store/store.h>

struct recorded_clocks;

/* Reads all packets of a store that was opened from recordings, estimates, and makes the store show corrected times.  With nodes
 * of one machine, or of none that is known, it does nothing, and *ret_clocks is NULL.  It reads everything: about a second for
 * two
 * million events.  Returns 0 or -ENOMEM. */
int recorded_clocks_open(struct recorded_clocks **ret_clocks, struct store *store);
void recorded_clocks_close(struct recorded_clocks *clocks); /* NULL is allowed */

/* Adds `clock_lead` (docs/protocol.md) to what answers a method, where it is an event or a node. */
void recorded_clocks_annotate(const struct recorded_clocks *clocks, const char *method, json_t *result);

#endif
