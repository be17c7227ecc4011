/* SPDX-License-Identifier: MIT
 *
 * A finding: one thing that is wrong, with the numbers and the events that show it; and the list that an analysis makes of
 * them. */
#ifndef INSPECTOR_FINDING_H
#define INSPECTOR_FINDING_H

#include "critical_path.h"

enum finding_kind {
#define FINDING(NAME, name, meaning) FINDING_##NAME,
#include "analyze.def"
    FINDING_COUNT_
};

/* Most severe first. */
enum severity { SEVERITY_SEVERE, SEVERITY_NOTABLE, SEVERITY_NOTE };

/* Of a node whose links are bad: those on which it sends, those on which it receives. */
enum direction { DIRECTION_NONE, DIRECTION_OUT = 1, DIRECTION_IN = 2, DIRECTION_BOTH = 3 };

#define EVIDENCE_MAX 4U
#define NO_FACT ((size_t)-1)

/* What a number is of depends on the kind; 0 and NO_NUMBER where it means nothing. */
struct finding {
    enum finding_kind kind;
    enum severity severity;
    double weight;                 /* orders findings of one severity, greatest first */
    unsigned node;                 /* who is meant, or the sending end of a link */
    unsigned peer;                 /* the other end */
    unsigned trace;                /* one to look at */
    unsigned command;              /* of the requests */
    uint64_t count;                /* of these: lost packets, requests, samples, streams */
    uint64_t of;                   /* out of these */
    double usual_rate;             /* of the others; the own is count / of */
    uint64_t ns;                   /* the own time: rtt after, time under way, at the node, age, silence */
    uint64_t usual_ns;             /* rtt before, the others', the longest silence before */
    uint64_t time_ns;              /* when: the jump, the last event, the beginning of the stall */
    uint64_t code;                 /* of closed connections */
    struct loss_wait loss;         /* of a delay, the longest */
    enum direction direction;      /* of a node's links */
    bool usual_known;              /* there were others to compare with */
    bool stopped;                  /* of a node: it did not read its socket */
    bool after;                    /* of a place: behind the request, in what it caused */
    bool returned;                 /* of a crashed node: it runs again */
    size_t evidence[EVIDENCE_MAX]; /* facts */
    unsigned evidence_count;
};

/* What was looked at: so that "nothing found" means something. */
struct coverage {
    uint64_t links, links_judged;      /* with packets sent; with enough of them */
    uint64_t paths, paths_judged;      /* links whose packets were seen at both ends */
    uint64_t rtt_series, rtt_judged;   /* pairs of node and peer */
    uint64_t requests, requests_whole; /* spans that began; traces with a root that ended */
    uint64_t streams;                  /* that were opened */
    uint64_t nodes;
    uint64_t events_missing;
};

struct analysis {
    const struct facts *facts;
    struct messages packets;  /* of all facts; their events are facts */
    uint64_t now_ns;          /* ages are counted to here */
    bool one_trace;           /* the facts are one trace's: its hops are judged alone */
    struct finding *findings; /* most severe first */
    size_t count, capacity;
    struct coverage coverage;
    bool failed; /* no memory */
};

const char *finding_name(enum finding_kind kind);
const char *severity_name(enum severity severity);

/* Adds a finding; without memory sets failed. */
void analysis_add(struct analysis *analysis, const struct finding *finding);

/* What ages of a node's events are counted to: now; or, where others' times cannot be compared with its own, the newest event that can. */
uint64_t analysis_now(const struct analysis *analysis, unsigned node);

/* Notes a fact that shows a finding; more than EVIDENCE_MAX are left out. */
void finding_show(struct finding *finding, size_t fact);

void sort_values(double *values, size_t count);

/* The middle one of sorted values without these, one or two of them; 0 when no others are left. */
double median_without(const double *sorted, size_t count, const double *own, unsigned own_count);

#endif
