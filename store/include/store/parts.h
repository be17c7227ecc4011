/* SPDX-License-Identifier: MIT
 *
 * A store that does not hold all of its events: the rest come in parts, one after the other, so that any number of them can be
 * asked in the memory of one part.  Each part has whole traces, which are in no other part, nor in the store.  Its nodes have the
 * same indices.  Only `traces` without a trace_id and `requests` see the parts; what was lost, the store has itself. */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H

struct history;

struct store_parts {
    void *owner;
    /* Gives the next part, or NULL after the last, and from then on the first again.  The one before it is gone.  Returns 0, or
     * a negative errno; the owner knows more. */
    int (*next)(void *owner, struct history **ret_part);
};

#endif
