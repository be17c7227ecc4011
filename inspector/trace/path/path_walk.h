/* SPDX-License-Identifier: MIT
 *
 * The walk that finds a critical path (critical_path.c), and the waits that it adds on the way: each time to a node, a link or
 * a peer, as far as it is known to whom.  Pure. */
#ifndef INSPECTOR_PATH_WALK_H
#define INSPECTOR_PATH_WALK_H

#include "path_doubts.h"
#include "path_hidden.h"
#include "path_idle.h"
#include "path_losses.h"

/* A time in which a span waits for something that it caused. */
struct branch {
    uint64_t from_ns, until_ns;
    size_t child; /* a span; NO_POSITION: an exchange with a peer without a span */
    struct way way;
    unsigned peer;                /* of an exchange */
    uint64_t arrived_ns, sent_ns; /* of an exchange, at the peer; UINT64_MAX: not known */
    bool hidden;                  /* perhaps it waits here for a span whose cause or end is not known */
    bool late;                    /* it did not end in time, or we do not have its end */
    bool lost;                    /* of an exchange: packets of the question were lost */
    bool again;                   /* of an exchange: the peer has a span for another question */
    bool unanswered;              /* of an exchange */
    bool vain; /* of an exchange: it was a question, or told a node something that had ended; nobody knows which.  Of a child: it
                    answered to a relay that had ended, perhaps before it passed the answer on */
    bool probed;                   /* of an exchange: nothing came from the peer, and its sender probed it */
    uint64_t last_sent_ns, gap_ns; /* of an exchange: the last packet sent; how long after the one before */
};

/* What one span waits for. */
struct branches {
    struct branch *items; /* the last answer first; of two at once, the one that was asked first */
    size_t count;
    uint64_t *earliest_ns; /* of each, and all before it: when the first was asked */
    /* Those that did not end in time: the first one; and the first whose end we do not have.  child NO_POSITION: none. */
    struct branch late, unended;
    unsigned *others; /* the nodes of its children and their peers, sorted */
    size_t other_count;
    bool unseen; /* it is not known when it waited for one of its children */
};

/* A part of a span's time, to be divided into waits. */
struct task {
    size_t span;
    uint64_t from_ns, to_ns;
};

struct critical_path;

struct walk {
    const struct trace_events *events;
    struct transports transports;
    struct critical_path *path;
    const struct spans *spans;
    struct doubts *doubts;
    size_t root;        /* a span */
    struct wait *waits; /* in any order */
    size_t wait_count;
    struct branches **branches; /* by span; NULL: not needed yet */
    struct branch *room;        /* for the branches of any span */
    bool *has_spans;            /* by node number */
    unsigned *named;            /* by node number: how many children of the span at hand name it as their asker */
    struct task *tasks;
    size_t task_count, task_capacity;
    size_t wait_capacity;
    bool *has_events;                 /* by node number */
    size_t *ordered;                  /* children of one span, by node and start */
    struct hidden_wait *hidden_waits; /* of one span */
    struct hidden hidden;
    struct idle_marks idle_marks;
    bool failed;
};

/* Is it known of two nodes which packets between them repeat which? */
bool walk_is_sure(const struct walk *walk, unsigned a, unsigned b);

/* Is the difference of two times the time that passed? */
bool walk_is_steady(const struct walk *walk, uint64_t from_ns, uint64_t to_ns);

/* Can a span's times be compared with the root's?  If the clocks are not known, the events of its node do not help. */
bool walk_is_timed(const struct walk *walk, const struct span *span);

/* Adds a time of a span; nothing if it is empty.  Out of memory sets `failed`.  A time is untimed if its length, or what
 * the span waited for, is unknown; hidden if that is because events are missing. */
void walk_add_untimed(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns);
void walk_add_vain(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns);
void walk_add_hidden(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns);
void walk_add_node(struct walk *walk, size_t span, unsigned node, uint64_t from_ns, uint64_t to_ns);
/* The same of a span's own node; but not while the node may have waited for an acknowledgement of what it had sent to the one
 * that asked it. */
void walk_add_own(struct walk *walk, size_t span, unsigned asker, uint64_t from_ns, uint64_t to_ns);
void walk_add_link(struct walk *walk, size_t span, unsigned from, unsigned to, uint64_t from_ns, uint64_t to_ns);
void walk_add_peer(struct walk *walk, size_t span, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns,
                   bool unanswered);

/* A span that failed asked a node through another one, which got the question, and ended before it passed on the question or, if
 * the node had `answered`, the answer.  Since when can the node behind it, and the link to it, not be at fault any more?
 * UINT64_MAX: there was no such relay, or that is not sure: the question or the answer may have gone another way, perhaps in
 * another trace, as those of a connection do. */
uint64_t walk_relay_ended(struct walk *walk, size_t index, unsigned node, bool answered, uint64_t to_ns, unsigned *ret_relay);

/* Notes that events of other traces may change what was concluded about a node, or its exchange with a peer (path_doubts.h). */
void walk_doubt(struct walk *walk, unsigned node, unsigned peer, uint64_t from_ns, uint64_t to_ns);

/* A part of a span's time that is still to be divided. */
void walk_add_task(struct walk *walk, size_t span, uint64_t from_ns, uint64_t to_ns);

#endif
