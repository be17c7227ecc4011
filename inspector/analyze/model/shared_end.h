/* SPDX-License-Identifier: MIT
 *
 * Bad links with a common end: if most links of a node are bad, the node is at fault.  Pure. */
#ifndef INSPECTOR_SHARED_END_H
#define INSPECTOR_SHARED_END_H

#include "finding.h"

/* A link that was judged. */
struct judged_link {
    unsigned from, to;
    double value; /* the quantity that was judged */
    bool bad;
    size_t index; /* the caller's index */
};

/* The links of a node. */
struct end_count {
    size_t bad_out, judged_out, bad_in, judged_in;
};

/* The node at one end of most bad links, if most of its judged links, in one direction or both, are bad and no other node is as
 * likely.  Otherwise a node whose judged links in one direction are all bad, if none of their other ends explains that.
 * NO_NUMBER if there is none.  room: one for each node number, and a few more. */
unsigned shared_end(const struct judged_link *links, size_t count, enum direction *ret_direction, struct end_count *room);

/* Is it one of that node's links, in that direction? */
bool is_at_end(const struct judged_link *link, unsigned node, enum direction direction);

/* By both ends, for qsort. */
int judged_link_compare(const void *left, const void *right);

#endif
