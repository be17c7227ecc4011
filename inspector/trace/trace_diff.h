/* SPDX-License-Identifier: MIT
 *
 * Two traces side by side: what one did that the other did not, where their times parted, and where they spent their time.  Pure.
 *
 * A step is an event that says what was done: a part of a request begins or ends, a command of an application, a message, a
 * stream or connection opens or closes, a lost packet.  The steps of each node are aligned by their longest common
 * subsequence, and what is left by its order, however it ended: a question that one trace asked once more is what it did
 * besides.  Packets and acknowledgements are not steps: they differ each time. */
#ifndef INSPECTOR_TRACE_DIFF_H
#define INSPECTOR_TRACE_DIFF_H

#include "timeline.h"

#define NO_STEP SIZE_MAX

struct diff_step {
    size_t item;       /* an index into the timeline's items */
    char *name;        /* "> GET_CHUNK", "< GET_CHUNK FAILED", escaped */
    size_t what_bytes; /* length of the part of the name that says what was done, without how it ended */
    int64_t at_ns;     /* since the request began */
    bool stepped;      /* a step of the clock lies in at_ns: it is the least that it was */
    size_t other;      /* the same step of the other trace; NO_STEP: it did not take this step */
};

struct diff_side {
    const struct timeline *timeline;
    uint64_t start_ns; /* of the root, or of the first event when no root is here */
    struct diff_step *steps;
    size_t count;
};

/* One trace took longer from one step that both have to the next.  No step of the clock lies between the two, in either trace. */
struct diff_parting {
    size_t step, before; /* steps of a; before is NO_STEP for the beginning of the request */
    int64_t ns;          /* how much longer b took; below 0: how much longer a took */
};

/* What both traces spent at one place on their critical paths. */
struct diff_place {
    enum wait_kind kind;
    const char *node_id, *peer_id; /* as in struct wait; NULL: none */
    uint64_t a_ns, b_ns;
};

struct trace_diff {
    struct diff_side a, b;
    struct diff_parting *partings; /* the largest first */
    size_t parting_count;
    struct diff_place *places; /* the largest difference first */
    size_t place_count;
};

/* The timelines must outlive it.  Returns 0 or -ENOMEM; call trace_diff_fini in both cases. */
int trace_diff_init(struct trace_diff *diff, const struct timeline *a, const struct timeline *b);
void trace_diff_fini(struct trace_diff *diff);

/* Did both take the step, and end it differently? */
bool diff_ended_otherwise(const struct trace_diff *diff, size_t step_of_a);

/* How long the request took, at least if *ret_stepped: a step of the clock lies in it.  Returns false when the end of its root is
 * not here. */
bool diff_took(const struct timeline *timeline, uint64_t *ret_ns, bool *ret_stepped);

#endif
