/* SPDX-License-Identifier: MIT
 *
 * The index of a query: chains by trace and by peer. */
#ifndef LIBTRACE_QUERY_INDEX_H
#define LIBTRACE_QUERY_INDEX_H

#include "query_scan.h"

struct query_index;

/* NULL without memory. */
struct query_index *query__index_create(uint32_t lane_events);

/* NULL is fine. */
void query__index_destroy(struct query_index *index);

/* Reads what is new in the lane.  Returns 0 or -ENOMEM; all positions below *ret_end are indexed. */
int query__index_catch_up(struct query_index *index, struct query_lane *lane, uint64_t *ret_end);

/* Reads the indexed events of the filter's trace, or else of its peer, newest first. */
void query__index_search(struct query_index *index, struct query_lane *lane, const struct query_search *search);

#endif
