/* SPDX-License-Identifier: MIT
 *
 * The waits of a critical path in order, and their sums by place.  Pure. */
#ifndef INSPECTOR_PATH_SUMS_H
#define INSPECTOR_PATH_SUMS_H

#include "path_losses.h"

/* The request's total wait at one place. */
struct spent {
    enum wait_kind kind;
    unsigned node, peer;
    bool held; /* of a link: or its receiver stood still */
    uint64_t ns;
    size_t longest; /* an index into waits */
};

/* Sorts the waits, and joins adjacent ones of the same kind and place.  Returns how many are left, *ret_within of them before
 * end_ns. */
size_t path_waits_order(struct wait *waits, size_t count, uint64_t end_ns, size_t *ret_within);

/* Sums the waits, which must be in order, without the untimed ones; the longest sum comes first.  The caller frees *ret_spent.
 * Returns 0 or -ENOMEM. */
int path_sum_up(struct spent **ret_spent, size_t *ret_count, const struct wait *waits, size_t wait_count);

/* "node", "link", "sending" or "peer". */
const char *wait_kind_name(enum wait_kind kind);

#endif
