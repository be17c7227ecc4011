/* SPDX-License-Identifier: MIT
 *
 * Idle times: nothing is in flight between two nodes, so a request waits for the node that acts next, not for the link.  Pure. */
#ifndef INSPECTOR_PATH_IDLE_H
#define INSPECTOR_PATH_IDLE_H

#include "path_transports.h"

struct idle {
    uint64_t from_ns, to_ns;
    unsigned node;   /* who ended it */
    unsigned sender; /* who went on sending then; last_ns: when it had sent something before, 0: nothing */
    uint64_t last_ns,
        acked_ns; /* acked_ns: when it got the acknowledgement of all that it had sent; UINT64_MAX: packets do not show it */
};

/* One direction: what was sent, and the stream bytes that arrived. */
struct idle_direction {
    const struct transport *sent, *received;
    size_t sent_count, received_count;
    size_t next_sent, next_received;
    uint64_t stream_sent, stream_received;
    size_t missing;               /* packets with content that did not arrive, and were not sent again */
    uint64_t last_ns, arrived_ns; /* when content was last sent, and when the last of it arrived */
    uint64_t acked_ns;            /* when the sender first got a packet that was sent after that; UINT64_MAX: not yet */
    uint64_t all_arrived_ns;      /* when the last packet arrived, small ones too */
    bool open;                    /* a packet neither arrived nor was given up, small ones too */
};

/* A walk over what two nodes sent each other. */
struct idle_walk {
    struct idle_direction directions[2];
    uint64_t from_ns, to_ns;
    uint64_t busy_until_ns; /* UINT64_MAX: no packet has arrived */
    struct idle_signal {
        unsigned node; /* NO_NUMBER: none */
        uint64_t sent_ns, received_ns;
    } signal; /* a small packet in an idle time: an acknowledgement, or a grant of credit */
};

/* The state of a walk over a link after some sendings: a walk whose time is later begins there. */
struct idle_mark {
    unsigned nodes[2]; /* the lower number first: the directions of `walk` are from the first, and from the second */
    uint64_t time_ns;  /* of the last of these sendings */
    struct idle_walk walk;
};

/* Marks on all links that have many sendings. */
struct idle_marks {
    const struct transports *transports;
    struct idle_mark *items; /* by nodes, then time */
    size_t count, capacity;
};

/* Returns 0 or -ENOMEM.  idle_marks_fini frees them in any case. */
int idle_marks_init(struct idle_marks *marks, const struct transports *transports);
void idle_marks_fini(struct idle_marks *marks);

/* Begins a walk over the idle times of a link between two times. */
void idle_walk_init(struct idle_walk *walk, const struct idle_marks *marks, unsigned from, unsigned to, uint64_t from_ns,
                    uint64_t to_ns);

/* After the last idle time: when everything that `from` had sent had arrived, small packets too.  The end of the walk if it
 * never had, or less than a millisecond before. */
uint64_t idle_walk_end(struct idle_walk *walk);

/* The next idle time.  It lasts at least a millisecond, and everything sent before it had arrived, according to packets and
 * stream bytes.  Returns false at the end. */
bool idle_walk_next(struct idle_walk *walk, struct idle *ret_idle);

#endif
