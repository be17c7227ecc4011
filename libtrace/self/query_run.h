/* SPDX-License-Identifier: MIT
 *
 * A whole question: all lanes, with the index or without. */
#ifndef LIBTRACE_QUERY_RUN_H
#define LIBTRACE_QUERY_RUN_H

#include "query_index.h"

/* Gives what the search finds to its sink.  index: NULL for none.  Returns 0 or -ENOMEM; then *ret_ring is untouched. */
int query__run(const struct query_ring *ring, struct query_index *index, const struct query_search *search,
               struct trace_query_ring *ret_ring);

#endif
