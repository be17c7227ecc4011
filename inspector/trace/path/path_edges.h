/* SPDX-License-Identifier: MIT
 *
 * A request's way from one span to another and back, from transport events.  Pure. */
#ifndef INSPECTOR_PATH_EDGES_H
#define INSPECTOR_PATH_EDGES_H

#include "path_transports.h"

#define RIGHT_AFTER_NS_MAX UINT64_C(1000000) /* from an answer until those who sent and got it have reported their ends */

/* The way from one span's node to another's and back, its moments in order:
 *
 *
 *     asked ... received ... began ... worked ... answered ... returned
 *
 *
 * From asked to received, and from answered to returned, it was on a link; from received to answered it was at the other node,
 * which worked in the span from began to worked. */
struct way {
    uint64_t asked_ns, received_ns, began_ns, worked_ns, answered_ns, returned_ns;
    bool asked_known; /* we know when it was asked, from the transport or from a span that only asks */
    bool gone;        /* the end of the answer was lost and never arrived: returned_ns is UINT64_MAX */
    /* Over a node without a span, which passed both on: when it received and sent the question, and the answer.  relayed_there:
     * it passed on the question; of the answer, that is not known. */
    bool relayed, relayed_there;
    unsigned relay;
    uint64_t there_in_ns, there_out_ns, back_in_ns, back_out_ns;
};

/* The way from `parent` to `child`, on another node, and back.  The question was sent after lower_ns; the answer, if
 * any, arrived by upper_ns. */
void way_find(struct way *ret_way, const struct transports *transports, const struct span *parent, const struct span *child,
              uint64_t lower_ns, uint64_t upper_ns);

/* Replaces it by the way over a relay, if packets show all of that; if they show only the way there, replaces that.
 * shared: others pass there, too, so only the packets that the relay got last before it sent, and sent first after it got,
 * belong to this way. */
void way_find_relayed(struct way *way, const struct transports *transports, const struct span *parent, const struct span *child,
                      unsigned relay, bool shared, uint64_t lower_ns, uint64_t upper_ns);

/* Did `asker` have the answer of `child`, although it ended first?  A node may send its answer before it reports its end.  The
 * answer is the last thing that the asker received, and both ended right after it. */
bool way_was_answered(const struct transports *transports, const struct span *asker, const struct span *child);

#endif
