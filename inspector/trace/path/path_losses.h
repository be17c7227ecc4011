/* SPDX-License-Identifier: MIT
 *
 * How long lost packets made a request wait.  Pure. */
#ifndef INSPECTOR_PATH_LOSSES_H
#define INSPECTOR_PATH_LOSSES_H

#include "packet_pairs.h"

enum wait_kind {
    WAIT_NODE,    /* a node, working or idle */
    WAIT_LINK,    /* from node to peer */
    WAIT_SENDING, /* from node to peer: the node had sent part, and perhaps waited for its acknowledgement */
    WAIT_PEER     /* a peer without events of this request */
};

/* Does it pass between two nodes? */
static inline bool wait_kind_is_way(enum wait_kind kind) { return kind == WAIT_LINK || kind == WAIT_SENDING; }

struct wait {
    uint64_t from_ns, to_ns;
    enum wait_kind kind;
    unsigned node;    /* the node; the sending end of a link; for a peer, the node that waited for it */
    unsigned peer;    /* the receiving end; the peer; else NO_NUMBER */
    size_t span;      /* the span that waited */
    bool stopped;     /* the node read nothing from its socket; of a link: its receiver did not, or the link was held up, */
    uint64_t read_ns; /* until then: perhaps longer than anybody waited */
    bool unseen;      /* of a link: no packet or message shows when anything was on it, so its ends may have waited */
    bool unwitnessed; /* no node had an event in the middle of that time, of any trace: perhaps all nodes stood still */
    bool unanswered;  /* no packet shows an answer of the peer */
    bool untimed;     /* a clock step lies in it: nobody knows how long it was, or whom it waited for */
    bool full;        /* of a node that sends: its congestion window was full */
    bool hidden;      /* untimed only because events are missing: nobody knows whom it waited for */
    bool vain; /* untimed only because a node that had ended may have been asked: nobody knows whether it waited for that */
};

/* Was it for a node that did nothing, or for the link to it, which held up what was sent: nothing shows which? */
static inline bool wait_is_held(const struct wait *wait) { return wait->kind == WAIT_LINK && wait->stopped; }

/* A lost packet and its lost repetitions, and how long the request waited because of them.  Or (again) a message, or a packet
 * that keeps its number, which arrived only after it was sent again: nobody says whether the first one was lost, or late. */
struct loss_wait {
    unsigned from, to;
    unsigned space; /* as in struct packet */
    uint64_t first_number, repeat_number;
    unsigned lost_count; /* before the last repetition */
    bool again, after;   /* after: it delayed the work that continued after the request */
    bool gone;           /* the last repetition was lost, too */
    uint64_t ns;
    size_t first_lost; /* the position of the first packet_sent */
};

/* Finds the losses: each lost packet that is not itself a repetition, with the last packet that repeats it. waits: the request's,
 * in time order; those before its end, `within`, come first.  The caller frees *ret_losses, also after a failure.  Returns 0 or
 * -ENOMEM. */
int path_losses_find(struct loss_wait **ret_losses, size_t *ret_count, const struct wait *waits, size_t within, size_t count,
                     const struct messages *messages, const struct trace_events *events);

#endif
