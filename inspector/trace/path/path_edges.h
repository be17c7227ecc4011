/* SPDX-License-Identifier: MIT
 *
 * A request's way from one span to another and back, from transport events.  Pure. */
#ifndef INSPECTOR_PATH_EDGES_H
#define INSPECTOR_PATH_EDGES_H

#include "packet_pairs.h"

#define RIGHT_AFTER_NS_MAX UINT64_C(1000000) /* from an answer until those who sent and got it have reported their ends */

/* A packet or stream bytes, at one end of a link. */
struct transport {
    unsigned node, peer;
    bool receive, stream;
    uint64_t time_ns;
    size_t position;
    uint64_t bytes;
    bool repeat;       /* a packet that repeats a lost one */
    bool lost;         /* a packet that its sender gave up, and that nobody received */
    uint64_t other_ns; /* of a packet: when the other end sent or received it; UINT64_MAX when that is not known */
};

struct transports {
    struct transport *by_link; /* by node, peer, receive, position */
    size_t *by_node;           /* places in by_link, by node and position */
    size_t count;
    bool *unsure; /* by node: a step of the clock hides which packets, from or to it, repeat which; NULL: none of any node */
};

/* Returns 0 or -ENOMEM. */
int transports_init(struct transports *transports, const struct trace_events *events, const struct messages *messages);
void transports_fini(struct transports *transports);

/* The place in by_node of the node's first entry at or after a time. */
size_t transports_of_node(const struct transports *transports, unsigned node, uint64_t from_ns);

/* The entries of one end of a link and one direction, between two times, both included. */
const struct transport *transports_of_link(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                           uint64_t from_ns, uint64_t to_ns, size_t *ret_count);

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
};

/* The way from `parent` to `child`, on another node, and back.  The question was sent after lower_ns; the answer, if
 * any, arrived by upper_ns. */
void way_find(struct way *ret_way, const struct transports *transports, const struct span *parent, const struct span *child,
              uint64_t lower_ns, uint64_t upper_ns);

/* Did `asker` have the answer of `child`, although it ended first?  A node may send its answer before it reports its end.  The
 * answer is the last thing that the asker received, and both ended right after it. */
bool way_was_answered(const struct transports *transports, const struct span *asker, const struct span *child);

#endif
