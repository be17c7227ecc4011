/* SPDX-License-Identifier: MIT
 *
 * The requests of an analysis, from the critical path of each trace.  Pure. */
#ifndef INSPECTOR_REQUESTS_H
#define INSPECTOR_REQUESTS_H

#include "finding.h"

/* A request: one trace that has a root. */
struct request {
    unsigned trace;
    unsigned command; /* of the root */
    unsigned node;    /* of the root */
    unsigned asker;   /* who began it: the peer that asked for the root; itself if nobody had */
    uint64_t took_ns; /* duration of the root; without an end, up to the trace's last event */
    bool ended;       /* its root has both ends */
    bool caused;      /* its root has a parent, which is missing: its node did not begin it */
    bool timed;       /* it is whole, and no clock was set meanwhile, so its times can be judged */
    bool ok;
    bool one_way; /* it waited for nobody, and took almost no time compared with what it caused */
    size_t start; /* a fact */
    /* What it took part in: requests with the same way and number of events did the same. */
    unsigned nodes;  /* that answered, with the one that began it */
    uint64_t way;    /* a hash of these nodes */
    uint64_t events; /* of its trace */
    /* Where it failed first.  failed_after: it succeeded, but something that it caused failed later. */
    bool failed_after;
    bool expired;                    /* it did not fail: it ran out of time, or what failed later did */
    unsigned failed_node;            /* NO_NUMBER: it did not fail */
    unsigned failed_waiting;         /* the node that it was waiting for then; NO_NUMBER: none */
    unsigned failed_asker;           /* who had asked it; itself if nobody had */
    unsigned failed_from, failed_to; /* the link that it was waiting for then; NO_NUMBER: none */
    bool failed_held;                /* or for the node at its end, which did nothing meanwhile */
    bool failed_calm;                /* no node had an event while it waited: perhaps the whole machine stood still */
    unsigned failed_whom;            /* the node that it was waiting for, if the failed node itself is at fault */
    unsigned failed_before;          /* of one that ran out of time: another node that had failed before; NO_NUMBER: none */
    size_t failed;                   /* a fact */
};

/* Do we have its root, with both ends? */
static inline bool request_is_whole(const struct request *request) { return request->ended && !request->caused; }

/* The time that a request spent at one place; or that the work which it caused spent there after its end. */
struct visit {
    size_t request;
    unsigned command;
    enum wait_kind kind;
    unsigned node, peer;
    unsigned trace;
    uint64_t ns;            /* in total, except for waits for lost packets */
    uint64_t lost_ns;       /* waits for lost packets, which ns does not include */
    uint64_t whole_ns;      /* duration of the request; if `after`, of the work after its end */
    bool asked;             /* of a node: it did not begin the request */
    bool after;             /* after the end of the request, while work that it caused went on */
    uint64_t once_ns;       /* its longest single wait there */
    bool stopped;           /* it did not read its socket during that wait; of a link: its receiver, or the link was held up */
    bool unseen;            /* of a link: no packet shows when anything was on it during that wait */
    bool missing;           /* of a peer: events of it are missing during that wait */
    bool full;              /* of a node that sends: its congestion window was full during that wait */
    bool unanswered;        /* of a peer: it did not answer in any of these waits */
    bool far, near;         /* of a peer: it answered hardly later than its round-trip time allows; much later */
    bool seen;              /* of a peer: it has events of the request */
    bool ignored;           /* of a node: it had received the question and not answered, in all of these waits */
    enum reaction reaction; /* then: what it had sent, as far as it is known */
    const struct node_state *ended; /* of a peer: its log, which had ended; NULL: it ran, or nobody knows */
    size_t evidence[EVIDENCE_MAX];  /* facts, or NO_FACT */
};

/* How long a request waited because of one lost packet. */
struct delay {
    size_t request;
    struct loss_wait loss;
    size_t lost; /* a fact: the packet_sent */
};

/* A question to a node, in a request that succeeded. */
struct question {
    size_t request;
    unsigned command; /* of the request */
    unsigned node;    /* that was asked; or, if the question failed, where it failed first */
    unsigned asker;
    bool ok;
    bool retried;  /* it failed; then the asker asked again, or asked another node, and got an answer */
    size_t failed; /* a fact */
};

/* Part of a request that has not ended and waits for no other open part. */
struct open_part {
    unsigned trace, node, command;
    size_t start;                   /* a fact */
    bool asks;                      /* it waits for another node */
    bool root;                      /* it has no parent */
    bool alone;                     /* it caused no other part, and its node has no other of the request */
    bool settled;                   /* it asks, and its cause has succeeded without the answer */
    const struct node_state *ended; /* the log in which it began, which ended without it; NULL: it may still end */
    unsigned asked;                 /* of one that waits: the node it asked, of which no part is known; NO_NUMBER: none */
    unsigned waits_for;             /* a node that ended before it answered this part; NO_NUMBER: none */
};

/* A part of a request that has ended, whatever came of it. */
struct done_part {
    unsigned node, command;
    bool asks, root; /* as of open parts */
    uint64_t ns;
};

struct requests {
    struct request *items;
    size_t count, capacity;
    struct visit *visits;
    size_t visit_count, visit_capacity;
    struct delay *delays;
    size_t delay_count, delay_capacity;
    struct question *questions;
    size_t question_count, question_capacity;
    struct open_part *open;
    size_t open_count, open_capacity;
    struct done_part *done;
    size_t done_count, done_capacity;
    uint64_t parts; /* spans that began */
};

/* Reads all traces of sorted facts.  Returns 0 or -ENOMEM. */
int requests_read(struct requests *requests, const struct facts *facts, const struct node_states *states);
void requests_fini(struct requests *requests);

/* ---- parts of it ---- */

/* Adds the visits of the newest request, and the delays because of lost packets (requests_visits.c).  Returns 0 or -ENOMEM. */
int requests_add_visits(struct requests *requests, const struct critical_path *path, const struct trace_events *events,
                        const struct node_states *states);

/* By request: where it spent most of its time up to its end, including waits for lost packets; NULL if nowhere.  The visits must
 * stay where they are.  NULL when out of memory. */
const struct visit **requests_longest_new(const struct requests *requests);

/* The fact at a position of a trace, or NO_FACT. */
static inline size_t fact_at(const struct trace_events *events, size_t position) {
    return position == NO_POSITION ? NO_FACT : events->places[position];
}

#endif
