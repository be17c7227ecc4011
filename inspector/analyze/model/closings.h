/* SPDX-License-Identifier: MIT
 *
 * Packets that say nothing about a link, because a connection was closed: what was sent to a node that did nothing until then,
 * and what was sent to the node that had closed it.  Pure. */
#ifndef INSPECTOR_CLOSINGS_H
#define INSPECTOR_CLOSINGS_H

#include "facts.h"

/* That a node closed a connection with a peer. */
struct closing {
    unsigned node, peer;
    uint64_t time_ns;
    bool by_peer;      /* the peer had closed it */
    uint64_t heard_ns; /* when it had last received something from the peer; 0: never */
    uint64_t again_ns; /* when it next received something from the peer, or the peer opened a new connection; UINT64_MAX: never */
    uint64_t number;   /* of the last packet that the peer had sent it in the space of application data */
};

struct closings {
    const struct facts *facts;
    struct closing *items; /* by node, peer, time */
    size_t count;
    size_t *events; /* facts, by node, then time */
    size_t *begins; /* by node: where its events begin; one more at the end */
};

/* Reads sorted facts, which must outlive it.  Returns 0 or -ENOMEM; closings_fini frees it in any case. */
int closings_init(struct closings *closings, const struct facts *facts);
void closings_fini(struct closings *closings);

/* A packet was sent from a node to another and did not arrive.  Is it likely that this is not because of the link?  So it is if
 * the receiver had closed their connection, has got nothing from the sender since, and the sender has no new one; or if the
 * receiver had no event for STALL_NS_MIN, and when it went on, it closed their connection without having read the packet.  If it
 * never went on, or its events are missing, it is enough that the sender has closed it. */
bool closings_before(const struct closings *closings, unsigned from, unsigned to, uint64_t sent_ns); /* the first of these */
bool closings_explain(const struct closings *closings, unsigned from, unsigned to, uint64_t sent_ns);

/* Was a packet read only when its receiver went on after STALL_NS_MIN without any event? */
bool closings_read_late(const struct closings *closings, unsigned to, uint64_t sent_ns, uint64_t received_ns);

#endif
