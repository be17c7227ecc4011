/* SPDX-License-Identifier: MIT
 *
 * What nodes sent each other and received in one trace: packets and stream bytes, by link and by node.  Pure. */
#ifndef INSPECTOR_PATH_TRANSPORTS_H
#define INSPECTOR_PATH_TRANSPORTS_H

#include "packet_pairs.h"

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

/* Is it nothing but an acknowledgement: a packet too small for content beside one of so many bytes?  Stream bytes are content,
 * however few. */
static inline bool transport_is_small(const struct transport *transport, uint64_t beside_bytes) {
    return !transport->stream && packet_is_small(transport->bytes, beside_bytes);
}

/* What a run of neighbours in by_link has, so that a search skips those in which nothing can be found. */
struct transport_sum {
    uint64_t bytes, packet_bytes, new_bytes; /* the most: of all; of packets; of all but repetitions */
    uint64_t other_ns;                       /* of packets: the latest */
    bool streams, empty_packets, empty_new, lost;
};

/* The last entry of one direction up to a place in by_node, and the last before it with another peer: places + 1, or 0. */
struct transport_recent {
    size_t last, other;
};

struct transports {
    struct transport *by_link;            /* by node, peer, receive, position */
    size_t *by_node;                      /* places in by_link, by node and position */
    struct transport_recent (*recent)[2]; /* by place in by_node: sent, received */
    struct transport_sum *sums; /* a tree over blocks of by_link; the children of N are 2 N and 2 N + 1.  NULL: one block */
    size_t leaves;              /* of the tree */
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

/* The last entry of one direction, up to and including that time, that a node has with another than `peer`; NULL if there is
 * none. */
const struct transport *transports_last_but(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                            uint64_t until_ns);

/* Some entries of one end of a link, in one direction: as transports_of_link returns them. */
struct transport_range {
    const struct transport *items;
    size_t count;
};

/* What to look for among them. */
struct transport_wanted {
    enum { TRANSPORT_STREAM, TRANSPORT_PACKET, TRANSPORT_NEW } what; /* NEW: a packet or stream bytes, but no repetition */
    uint64_t beside_bytes; /* it is more than a small packet beside one of so many bytes (transport_is_small) */
    uint64_t after_ns;     /* of a packet: it arrived later, or never; 0: whenever it did */
    bool lost;             /* of a packet: it was lost */
};

/* The first or the last of them; NULL if there is none. */
const struct transport *transports_find(const struct transports *transports, struct transport_range range,
                                        const struct transport_wanted *wanted, bool last);

/* The most bytes of one of them; packets: only of packets. */
uint64_t transports_most(const struct transports *transports, struct transport_range range, bool packets);

#endif
