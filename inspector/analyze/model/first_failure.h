/* SPDX-License-Identifier: MIT
 *
 * Where a request failed first, and whom that node was waiting for.  Pure.
 *
 * A question that was given up because another one had failed is no first failure; nor is one that its asker replaced by another,
 * which was answered.  A node is only said to have been waited for if it had most of the time, and had not answered. */
#ifndef INSPECTOR_FIRST_FAILURE_H
#define INSPECTOR_FIRST_FAILURE_H

#include "critical_path.h"
#include "node_states.h"

struct first_failure {
    const struct span *first;  /* NULL: nothing failed */
    const struct span *before; /* of a request that ran out of time: what had failed before; NULL: it did not run out of time */
    unsigned waiting;          /* the node that it was waiting for; NO_NUMBER: none */
    unsigned from, to;         /* the link that it was waiting for; NO_NUMBER: none */
    bool held;                 /* or for the node at its end, which did nothing meanwhile */
};

/* For a request whose root has an end.  Returns 0 or -ENOMEM. */
int first_failure_find(struct first_failure *ret_failure, const struct critical_path *path, const struct trace_events *events,
                       const struct node_states *states);

#endif
