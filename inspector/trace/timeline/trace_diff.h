/* SPDX-License-Identifier: MIT
 *
 * Two traces side by side: the steps that only one took, where their times diverge, and where they spent their time.  Pure.
 *
 * A step is an event that says what was done: a part of a request begins or ends, an application's command, a message, a
 * stream or connection opens or closes, a packet is lost.  The steps of each node are aligned by their longest common
 * subsequence, and the remaining ones in order, even if they ended differently.  A question that one trace asked once more is
 * an extra step.  Packets and acknowledgements are not steps: they differ each time. */
#ifndef INSPECTOR_TRACE_DIFF_H
#define INSPECTOR_TRACE_DIFF_H

#include "timeline.h"

#define NO_STEP SIZE_MAX

struct diff_step {
    size_t item;       /* an index into the timeline's items */
    char *name;        /* "> GET_CHUNK", "< GET_CHUNK FAILED", escaped */
    size_t what_bytes; /* the length of the part of the name that says what was done, not how it ended */
    /* Numbers of its node, of what was done with which peer, and of the same with how it ended: the same in both traces. */
    unsigned node, what, whole;
    int64_t at_ns; /* since the request began */
    bool stepped;  /* a step of the clock lies in at_ns: it is the least that it was */
    size_t other;  /* the same step of the other trace; NO_STEP: it did not take this step */
    bool unwanted; /* trace_diff_keep chose others */
};

struct diff_side {
    const struct timeline *timeline;
    uint64_t start_ns; /* of the root, or of the first event if we have no root */
    struct diff_step *steps;
    size_t count;
};

/* From one common step to another, which came later in both, one trace took longer than the other.  No clock step lies between
 * them, in either trace. */
struct diff_parting {
    size_t step, before; /* steps of a; before is NO_STEP for the beginning of the request */
    int64_t a_ns, b_ns;  /* from one to the other */
    int64_t ns;          /* b_ns - a_ns: how much longer b took; negative: a took longer */
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

/* Keeps what a node did, and where it spent time, or what was done with a peer, or both.  NULL: any.  The ids have all digits.
 * Of partings that share a wait, the largest stays. */
void trace_diff_keep(struct trace_diff *diff, const char *node_id, const char *peer_id);

/* Did both take the step, with different ends? */
bool diff_ended_otherwise(const struct trace_diff *diff, size_t step_of_a);

/* How long the request took; at least that if *ret_stepped, because a clock step lies in it.  Returns false if we do not have the
 * end of its root. */
bool diff_took(const struct timeline *timeline, uint64_t *ret_ns, bool *ret_stepped);

#endif
