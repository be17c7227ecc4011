/* SPDX-License-Identifier: MIT
 *
 * Nodes that had ended while a request waited for them: they crashed, or closed their logs.  What `trace`, its graph, its JSON
 * and `analyze` say about them follows from here.  Pure. */
#ifndef INSPECTOR_PATH_ENDED_H
#define INSPECTOR_PATH_ENDED_H

#include "critical_path.h"
#include "node_states.h"
#include "path_ended_part.h"

/* The log in which a span began, if it has ended without the span's end: the span will never end.  NULL: it may. */
const struct node_state *ended_log_of_span(const struct node_states *states, const struct facts *facts, const struct span *span);

/* A node that had ended, and what a request had to do with it. */
struct ended {
    const struct node_state *log;
    uint64_t waited_ns; /* how long the request waited for it after its last event */
    uint64_t open;      /* parts of the request that had not ended there */
};

/* Finds these nodes, in the order of their numbers.  Notes in path->doubts what may show that they ran.  The caller frees
 * *ret_ended.  Returns 0 or -ENOMEM. */
int path_ended_find(struct ended **ret_ended, size_t *ret_count, const struct node_states *states, const struct facts *facts,
                    struct critical_path *path);

#endif
