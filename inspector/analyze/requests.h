/* SPDX-License-Identifier: MIT
 *
 * Requests: the traces of an analysis, each with its critical path.  Pure. */
#ifndef INSPECTOR_REQUESTS_H
#define INSPECTOR_REQUESTS_H

#include "critical_path.h"
#include "finding.h"

/* One trace that has a root: a request. */
struct request {
    unsigned trace;
    unsigned command; /* of the root */
    unsigned node;    /* of the root */
    uint64_t took_ns; /* the root's; without an end, until the trace's last event */
    bool whole;       /* its root has both ends and no parent elsewhere */
    bool ok;
    size_t start; /* a fact */
    /* Where it failed first, if it did: */
    unsigned failed_node;    /* NO_NUMBER: it did not */
    unsigned failed_waiting; /* for whom that node waited then; NO_NUMBER: for nobody */
    size_t failed;           /* a fact */
};

/* What a request spent at one place; or, behind its end, what it caused. */
struct visit {
    size_t request;
    unsigned command;
    enum wait_kind kind;
    unsigned node, peer;
    unsigned trace;
    uint64_t ns;                   /* in all, without what it waited for what was lost */
    uint64_t lost_ns;              /* what waiting for lost packets took besides */
    uint64_t whole_ns;             /* of the request; of what came after it, from its end on */
    bool after;                    /* behind the end of the request, while what it caused went on */
    uint64_t once_ns;              /* the longest of its waits there */
    bool stopped;                  /* of a node: the longest, because it did not read its socket */
    size_t evidence[EVIDENCE_MAX]; /* facts, or NO_FACT */
};

/* What a request waited because of one lost packet. */
struct delay {
    size_t request;
    struct loss_wait loss;
    size_t lost; /* a fact: the packet_sent */
};

/* A part of a request that has not ended, and that waits for no other that has not. */
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
    struct open_part *open;
    size_t open_count, open_capacity;
    uint64_t parts; /* spans that began */
};

/* Reads all traces of sorted facts.  0 or -ENOMEM. */
int requests_read(struct requests *requests, const struct facts *facts);
void requests_fini(struct requests *requests);

#endif
