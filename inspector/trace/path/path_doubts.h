/* SPDX-License-Identifier: MIT
 *
 * Times for which the events of one trace do not show whether a node could go on: events of other traces may.  The metrics and
 * acknowledgements of a connection often belong to no request, and a node that seems to stand still may be at work for others.
 * Pure: whoever finds a critical path asks its doubts_question, and finds the path again with the answer (facts_add_beside). */
#ifndef INSPECTOR_PATH_DOUBTS_H
#define INSPECTOR_PATH_DOUBTS_H

#include "facts.h"

/* What did a node do in that time: to anybody, or (peer) in its exchange with that peer?  Or (only peer): did that one, which had
 * ended, still do anything? */
struct doubt {
    unsigned node, peer; /* peer NO_NUMBER: anybody; node NO_NUMBER: only peer */
    uint64_t from_ns, to_ns;
};

struct doubts {
    struct doubt *items;
    size_t count, capacity;
    struct doubt stop; /* the longest one of a node while nobody seems to do anything, and nobody looked; from = to: none */
};

/* {0} is empty.  Returns 0 or -ENOMEM. */
int doubts_add(struct doubts *doubts, struct doubt doubt);
void doubts_fini(struct doubts *doubts);

/* The params of `query` for all events that may settle them; NULL if there are none.  Returns 0 or -ENOMEM. */
int doubts_question(const struct doubts *doubts, const struct facts *facts, json_t **ret_params);

/* The params of `query` for the first events of anybody during that stop; NULL if there is none.  Ask it only when what the
 * question above found is beside.  *ret_looked: as for facts_add_beside.  Returns 0 or -ENOMEM. */
int doubts_stop_question(const struct doubts *doubts, const struct facts *facts, json_t **ret_params, json_t **ret_looked);

#endif
