/* SPDX-License-Identifier: MIT
 *
 * Whose time it was: for each moment of a request, who it waited for.  Pure.  All that tells where a request's time went asks
 * here: the views of a trace, its graph, and what analyzes requests.
 *
 * A span waits for the spans that it caused.  Of those that are under way at a moment, it waits for the one whose answer comes
 * last: the others delay nothing.  While none is under way the time is the span's own.  A span that outlives who asked for it
 * is not waited for, unless who asked failed, did not end, or did nothing until it asked somebody else.
 *
 * On the way from one node to another the time is the link's, from the first stream bytes or packet that was sent to the last
 * that was received.  Where the transport tells nothing the way counts as the asker's own, but for a span that names whom it
 * asks: it does nothing else. A node that takes nothing from its socket for long while others send to it is stopped, or busy
 * elsewhere: that time is the node's. A peer that has no span here is waited for from what was sent to it until it answered. */
#ifndef INSPECTOR_CRITICAL_PATH_H
#define INSPECTOR_CRITICAL_PATH_H

#include "packet_pairs.h"

enum wait_kind {
    WAIT_NODE, /* a node, which worked, or did nothing */
    WAIT_LINK, /* from node to peer */
    WAIT_PEER  /* a peer that tells nothing of this request */
};

struct wait {
    uint64_t from_ns, to_ns;
    enum wait_kind kind;
    unsigned node; /* who: the node; the sending end of a link; for a peer, who waited for it */
    unsigned peer; /* the receiving end; the peer; else NO_NUMBER */
    size_t span;   /* in which it was waited */
    bool stopped;  /* a node that took nothing from its socket */
};

/* What one place took of the request in all. */
struct spent {
    enum wait_kind kind;
    unsigned node, peer;
    uint64_t ns;
    size_t longest; /* a wait */
};

/* Packets that were lost, one the repetition of the other, and what the request waited because of that. */
struct loss_wait {
    unsigned from, to;
    uint64_t first_number, repeat_number;
    unsigned lost_count;
    bool gone; /* the last repetition was lost, too */
    uint64_t ns;
    size_t first_lost; /* the position of the first packet_sent */
};

struct critical_path {
    struct spans spans;
    struct messages messages;
    size_t root;               /* a span, or NO_POSITION: nothing began here, and all else is 0 */
    uint64_t start_ns, end_ns; /* of the root; without an end, the last event */
    uint64_t reach_ns;         /* the last that is known of what it caused: end_ns, or later */
    size_t reach;              /* a span */
    struct wait *waits;        /* in time order, without holes, from start_ns to reach_ns */
    size_t count;
    size_t within;       /* so many of them are before end_ns */
    struct spent *spent; /* of those within, the greatest first */
    size_t spent_count;
    struct loss_wait *losses; /* within, the longest first */
    size_t loss_count;
};

/* 0 or -ENOMEM. */
int critical_path_init(struct critical_path *path, const struct trace_events *events);
void critical_path_fini(struct critical_path *path);

#endif
