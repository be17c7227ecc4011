/* SPDX-License-Identifier: MIT
 *
 * The part of a wait in which a node had ended.  Pure. */
#ifndef INSPECTOR_PATH_ENDED_PART_H
#define INSPECTOR_PATH_ENDED_PART_H

#include "node_states.h"
#include "path_losses.h"

/* The part of a wait, or of a span that has not ended, for which a node no longer ran. */
struct ended_part {
    const struct node_state *log; /* of the node; NULL: the node ran, or nobody knows */
    unsigned asker;               /* the node that waited for it */
    uint64_t from_ns, to_ns;      /* to the end of the wait, or until the asker asked the next log of the node */
};

struct ended_part ended_part_of_wait(const struct node_states *states, const struct facts *facts, const struct spans *spans,
                                     const struct wait *wait);

#endif
