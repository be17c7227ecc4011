/* SPDX-License-Identifier: MIT
 *
 * A finding: one thing that is wrong, with its numbers and the events that show it; and the list of findings of an analysis. */
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

/* For a node whose links are bad: those it sends on, or those it receives on. */
enum direction { DIRECTION_NONE, DIRECTION_OUT = 1, DIRECTION_IN = 2, DIRECTION_BOTH = 3 };

#define EVIDENCE_MAX 4U
#define PEERS_MAX 6U /* named by one finding */
#define NO_FACT ((size_t)-1)

/* What each number counts depends on the kind; 0 and NO_NUMBER where it has no meaning. */
struct finding {
    enum finding_kind kind;
    enum severity severity;
    double weight;                 /* orders findings of one severity, largest first */
    unsigned node;                 /* the node at fault, or the sending end of a link */
    unsigned peer;                 /* the other end */
    unsigned trace;                /* an example */
    unsigned command;              /* of the requests */
    uint64_t count;                /* lost packets, requests, samples, streams */
    uint64_t of;                   /* out of this many */
    unsigned peers[PEERS_MAX];     /* of several peers: those that requests waited for longest */
    uint64_t peer_count;           /* all of them; 0: the finding is about one */
    uint64_t links, links_of;      /* how many links it stands for; of a network: that lose, out of this many */
    unsigned common;               /* of a network: a node that is an end of all of them, or NO_NUMBER */
    double usual_rate;             /* of the others; the finding's own rate is count / of */
    uint64_t ns;                   /* the time found: rtt after, time on the way or at the node, age, silence */
    uint64_t usual_ns;             /* rtt before, the others' time, the longest silence before */
    uint64_t time_ns;              /* Unix time: the jump, the last event, the beginning of the stall */
    uint64_t until_ns;             /* if all nodes paused: when the last pause ended */
    uint64_t code;                 /* of closed connections */
    struct loss_wait loss;         /* of a delay: the longest */
    enum direction direction;      /* of a node's links */
    uint64_t delays;               /* of what loses packets: how often requests waited for them; `ns` is the longest wait */
    bool on_way;                   /* of failed requests: they waited for the way from `node` to `peer` */
    bool usual_known;              /* there were others to compare with */
    bool stopped;                  /* of a node: it did not read its socket */
    bool divided;                  /* of a place: no place has most of the time */
    bool sometimes;                /* of a node: only part of its requests are slow there */
    bool sending, full;            /* of a link: the node had sent part of it; its congestion window was full */
    bool missing;                  /* of a node: its events are missing, so it may have waited for another */
    bool unanswered;               /* of a peer: it answered nothing */
    bool gone;                     /* of a peer: packets to it are lost, and nothing came from it meanwhile */
    bool after;                    /* of a place or a failure: after the request's end, in what the request caused */
    bool one_asker;                /* of failed requests: only what one node asked failed; it is `node`, or `peer` */
    bool any;                      /* of failed requests: it fails whomever it waits for */
    bool messages;                 /* of a flood: of messages, of one type, which is `command` */
    bool waited;                   /* of outliers: the longest one waited for `node`, of which we have nothing */
    bool elsewhere;                /* of outliers: no place has most of the longest one's time */
    bool rootless;                 /* of failed requests: we do not have what caused them */
    bool returned;                 /* of a crashed node: it is running again */
    size_t evidence[EVIDENCE_MAX]; /* facts */
    unsigned evidence_count;
};

/* How much was examined, so that "nothing found" means something. */
struct coverage {
    uint64_t links, links_judged;      /* with packets; with enough of them */
    uint64_t paths, paths_judged;      /* links whose packets were seen at both ends */
    uint64_t rtt_series, rtt_judged;   /* pairs of node and peer */
    uint64_t requests, requests_whole; /* spans that began; traces whose root ended */
    uint64_t streams;                  /* streams that were opened */
    uint64_t nodes;
    uint64_t events_missing;
};

/* A time in which a node did nothing although others sent to it. */
struct pause {
    unsigned node;
    uint64_t from_ns, to_ns;
};

struct analysis {
    const struct facts *facts;
    struct messages packets;  /* of all facts; their events are indices into facts */
    uint64_t now_ns;          /* ages count up to here */
    bool one_trace;           /* the facts belong to one trace: only its hops are judged */
    struct finding *findings; /* most severe first */
    size_t count, capacity;
    struct pause *pauses;
    size_t pause_count, pause_capacity;
    struct coverage coverage;
    bool failed; /* out of memory */
};

const char *finding_name(enum finding_kind kind);
const char *severity_name(enum severity severity);

/* Adds a finding.  Out of memory sets `failed`. */
void analysis_add(struct analysis *analysis, const struct finding *finding);

/* Did the node do nothing, although others sent to it, for at least half of that time? */
bool analysis_paused(const struct analysis *analysis, unsigned node, uint64_t from_ns, uint64_t to_ns);

/* The time up to which ages of a node's events count: now; or, if its clock cannot be compared with others', its newest
 * comparable event. */
uint64_t analysis_now(const struct analysis *analysis, unsigned node);

/* Records a fact that shows the finding; ignores those beyond EVIDENCE_MAX. */
void finding_show(struct finding *finding, size_t fact);

/* Did any node have an event in the middle of that time?  If none did, the machine stood still. */
bool facts_active(const struct facts *facts, uint64_t from_ns, uint64_t to_ns);

void sort_values(double *values, size_t count);

/* The median of sorted values without one or two of them (`own`); 0 when no others are left. */
double median_without(const double *sorted, size_t count, const double *own, unsigned own_count);

#endif
