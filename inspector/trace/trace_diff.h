/* SPDX-License-Identifier: MIT
 *
 * Two traces side by side: what one did that the other did not, where their times parted, and at whom they spent their time.  Pure.
 *
 * A step is an event that says what was done: a part of a request that begins or ends, an application's command, a message, a stream or
 * connection that opens or closes, a lost packet.  The n-th step of a node with a peer and a name is the same in both traces as the n-th
 * there, however it ended.  Packets and acknowledgements are no steps: they differ from one time to the next. */
#ifndef INSPECTOR_TRACE_DIFF_H
#define INSPECTOR_TRACE_DIFF_H

#include "timeline.h"

#define NO_STEP SIZE_MAX

struct diff_step {
    size_t item;       /* of the timeline */
    char *name;        /* "> GET_CHUNK", "< GET_CHUNK FAILED", harmless */
    size_t what_bytes; /* of the name: what was done, without how it ended */
    int64_t at_ns;     /* since the request began */
    size_t other;      /* the same step of the other trace; NO_STEP: it did not do that */
};

struct diff_side {
    const struct timeline *timeline;
    uint64_t start_ns; /* the root's, or the first event's where no root is here */
    struct diff_step *steps;
    size_t count;
};

/* Between one step that both have and the next, one trace took longer. */
struct diff_parting {
    size_t step, before; /* steps of a; before is NO_STEP for the beginning of the request */
    int64_t ns;          /* so much longer in b; below 0: in a */
};

/* What both spent at one place on their critical paths. */
struct diff_place {
    enum wait_kind kind;
    const char *node_id, *peer_id; /* as struct wait has them; NULL: none */
    uint64_t a_ns, b_ns;
};

struct trace_diff {
    struct diff_side a, b;
    struct diff_parting *partings; /* the largest first */
    size_t parting_count;
    struct diff_place *places; /* those that differ most first */
    size_t place_count;
};

/* The timelines must outlive it.  0 or -ENOMEM; trace_diff_fini in both cases. */
int trace_diff_init(struct trace_diff *diff, const struct timeline *a, const struct timeline *b);
void trace_diff_fini(struct trace_diff *diff);

/* Did both do it, and end it differently? */
bool diff_ended_otherwise(const struct trace_diff *diff, size_t step_of_a);

/* How long the request took; false when its root has no end here. */
bool diff_took(const struct timeline *timeline, uint64_t *ret_ns);

#endif
