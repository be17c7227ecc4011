/* SPDX-License-Identifier: MIT
 *
 * Medians of what other links or nodes have, without looking at all of them each time.  Pure. */
#ifndef INSPECTOR_OTHERS_H
#define INSPECTOR_OTHERS_H

#include "shared_end.h"

/* The rank of a value, at one end of it, or at both. */
struct other {
    unsigned a, b;
    size_t rank;
};

/* Values of links; several of one link are allowed, but not for others_usual. */
struct others {
    double *sorted;
    struct other *from, *to; /* by end, then rank: a is the end */
    struct other *both;      /* by sender and receiver */
    size_t count;
};

/* Returns 0 or -ENOMEM.  others_fini frees it in any case. */
int others_init(struct others *others, const struct judged_link *links, size_t count);
void others_fini(struct others *others);

/* The median of all links except this one and its reverse.  apart: if lower, the median of the links that share neither its
 * sender nor its receiver, if enough are left.  Returns false if there are no others. */
bool others_usual(const struct others *others, const struct judged_link *link, bool apart, double *ret_usual);

/* The median of all values neither from nor to a node.  Returns false if there are fewer than least_count. */
bool others_without(const struct others *others, unsigned node, size_t least_count, double *ret_usual);

#endif
