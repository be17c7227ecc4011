/* SPDX-License-Identifier: MIT
 *
 * Requests: the traces of an analysis, each with its critical path.  Pure. */
#ifndef INSPECTOR_REQUESTS_H
#define INSPECTOR_REQUESTS_H

#include "critical_path.h"
#include "finding.h"

/* A request: one trace that has a root. */
struct request {
    unsigned trace;
    unsigned command; /* of the root */
    unsigned node;    /* of the root */
    uint64_t took_ns; /* duration of the root; without an end, until the trace's last event */
    bool whole;       /* we have both ends of its root, which has no parent */
    bool timed;       /* it is whole and no clock step lies in it, so its times can be judged */
    bool ok;
    bool rootless; /* we have both ends but not what caused it, so it is not whole */
    bool one_way;  /* it waited for nobody, and took almost no time compared with what it caused */
    size_t start;  /* a fact */
    /* Where it failed first, if it did; failed_after: it succeeded, and something that it caused failed later. */
    bool failed_after;
    unsigned failed_node;            /* NO_NUMBER: it did not fail */
    unsigned failed_waiting;         /* the node it was waiting for then; NO_NUMBER: none */
    unsigned failed_asker;           /* who had asked it; itself if nobody had */
    unsigned failed_from, failed_to; /* the way it was waiting for then; NO_NUMBER: none */
    unsigned failed_whom;            /* the same, if the fault is the failed node's, whomever it waits for */
    size_t failed;                   /* a fact */
};

/* The time a request spent at one place; or, after its end, the time that what it caused spent there. */
struct visit {
    size_t request;
    unsigned command;
    enum wait_kind kind;
    unsigned node, peer;
    unsigned trace;
    uint64_t ns;                   /* in total, without the waits for lost packets */
    uint64_t lost_ns;              /* the waits for lost packets, which ns does not include */
    uint64_t whole_ns;             /* duration of the request; for `after`, of everything after its end */
    bool asked;                    /* of a node: it did not begin the request */
    bool after;                    /* after the end of the request, while what it caused went on */
    uint64_t once_ns;              /* its longest single wait there */
    bool stopped;                  /* of a node: in that longest wait it did not read its socket */
    bool missing;                  /* of a peer: in that longest wait events of it are missing */
    bool full;                     /* of a node that sends: in that longest wait its congestion window was full */
    bool unanswered;               /* of a peer: it answered nothing in all these waits */
    size_t evidence[EVIDENCE_MAX]; /* facts, or NO_FACT */
};

/* How long a request waited because of one lost packet. */
struct delay {
    size_t request;
    struct loss_wait loss;
    size_t lost; /* a fact: the packet_sent */
};

/* What a node was asked in a request that succeeded. */
struct question {
    size_t request;
    unsigned command; /* of the request */
    unsigned node;    /* that was asked; or, if the question failed, that failed it first */
    unsigned asker;
    bool ok;
    bool retried;  /* it failed, and the asker asked again, or another node, which answered */
    size_t failed; /* a fact */
};

/* A part of a request that has not ended, and that waits for no other open part. */
struct open_part {
    unsigned trace, node, command;
    size_t start; /* a fact */
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
    uint64_t parts; /* spans that began */
};

/* Reads all traces of sorted facts.  Returns 0 or -ENOMEM. */
int requests_read(struct requests *requests, const struct facts *facts);
void requests_fini(struct requests *requests);

#endif
