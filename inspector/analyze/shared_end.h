/* SPDX-License-Identifier: MIT
 *
 * Bad links with a common end: when most links of a node are bad, it is the node.  Pure. */
#ifndef INSPECTOR_SHARED_END_H
#define INSPECTOR_SHARED_END_H

#include "finding.h"

/* A link that was judged. */
struct judged_link {
    unsigned from, to;
    double value; /* what was judged */
    bool bad;
    size_t index; /* the caller's */
};

/* How many of a node's links there are. */
struct end_count {
    size_t bad_out, judged_out, bad_in, judged_in;
};

/* The median of the links that have neither this one's sender nor its receiver, nor are it turned round; of all but these two
 * where few are left.  False when there are none.  room: as many as links. */
bool usual_elsewhere(const struct judged_link *links, size_t count, const struct judged_link *link, double *room,
                     double *ret_usual);

/* The node that is an end of most bad links, in one direction or both, when most of its judged links there are bad, too; else
 * one whose judged links in one direction are all bad, when none of their other ends explains them; NO_NUMBER when there is none.  room: as many as there are node numbers, and a few more. */
unsigned shared_end(const struct judged_link *links, size_t count, enum direction *ret_direction, struct end_count *room);

/* Is a link one of a node's, in that direction? */
bool is_at_end(const struct judged_link *link, unsigned node, enum direction direction);

#endif
