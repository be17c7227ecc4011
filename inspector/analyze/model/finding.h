/* SPDX-License-Identifier: MIT
 *
 * A finding: one thing that is wrong, with its numbers and the events that show it; and the list of findings of an analysis. */
#ifndef INSPECTOR_FINDING_H
#define INSPECTOR_FINDING_H

#include "closings.h"
#include "path_ended.h"

enum finding_kind {
#define FINDING(NAME, name, meaning) FINDING_##NAME,
#include "analyze.def"
    FINDING_COUNT_
};

/* Most severe first. */
enum severity { SEVERITY_SEVERE, SEVERITY_NOTABLE, SEVERITY_NOTE };

/* Which links of a node are bad: those that it sends on, or those that it receives on. */
enum direction { DIRECTION_NONE, DIRECTION_OUT = 1, DIRECTION_IN = 2, DIRECTION_BOTH = 3 };

#define EVIDENCE_MAX 4U
#define PEERS_MAX 6U /* named by one finding */
#define NO_FACT ((size_t)-1)

/* What a number counts depends on the kind; it is 0 or NO_NUMBER where it has no meaning. */
struct finding {
    enum finding_kind kind;
    enum severity severity;
    double weight;             /* orders findings of one severity, largest first */
    unsigned node;             /* the node at fault, or the sending end of a link */
    unsigned peer;             /* the other end */
    unsigned trace;            /* an example */
    unsigned command;          /* of the requests */
    uint64_t count;            /* lost packets, requests, samples, streams */
    uint64_t of;               /* out of this many */
    unsigned peers[PEERS_MAX]; /* if there are several: those that requests waited for longest */
    uint64_t peer_count;       /* how many there are; 0: the finding is about one */
    uint64_t links, links_of;  /* how many links it covers; of a network: how many lose, out of this many */
    uint64_t ways;             /* of failed requests: how many links they waited for; `links` is how many nodes did */
    unsigned common;           /* of a network: the node at one end of all of them, or NO_NUMBER; if `held`: the sender */
    double usual_rate;         /* of the others; the finding's own rate is count / of */
    uint64_t ns;               /* the time measured: rtt after, one-way delay, time at the node, age, silence */
    uint64_t usual_ns;         /* rtt before, the others' time, the longest silence before */
    uint64_t time_ns;          /* Unix time: the jump, the last event, the beginning of the stall */
    uint64_t until_ns;         /* if all nodes paused: end of the last pause */
    uint64_t after_ns, by_ns;  /* of a node that ended: it had not at the first time, and had at the second; 0: not known */
    uint64_t code;             /* of closed connections */
    struct loss_wait loss;     /* of a delay: the longest one */
    enum direction direction;  /* which of a node's links */
    uint64_t delays;           /* of losses: how often requests waited for these packets; of a node that ended: how many
                                      waited for it afterwards; `ns` is the longest wait */
    bool on_way;               /* of failed requests: they waited for the link from `node` to `peer` */
    unsigned before;           /* of requests that ran out of time: the node that had failed before; NO_NUMBER: several */
    uint64_t before_count;     /* in how many of them one had */
    bool usual_known;          /* there was something to compare with */
    bool stopped;              /* of a node: it did not read its socket */
    bool divided;              /* of a place: no place has most of the time */
    bool sometimes;            /* of a node: only some of its requests are slow */
    bool sending, full;        /* of a link: the node had sent a part, and continued later; its congestion window was full */
    bool missing;              /* of a node: its events are missing, so it may have waited for another */
    bool unanswered;           /* of a peer: it did not answer */
    bool partly;               /* of an open part: the peer has sent a part of its answer */
    bool lost;                 /* of open parts: their questions were declared lost; on_way: and never arrived */
    bool told;                 /* of an open part: it names no peer, but sent packets to one, which acknowledged none */
    bool ignored;              /* of a node: it received the questions, began no part for them, and did not answer */
    enum reaction reaction;    /* then: what it sent afterwards, as far as it is known of all */
    bool seen;                 /* of a peer, or one of several: it has events of a request that waited for it */
    uint64_t open;             /* of a silent node: parts of requests that it works on; of one that ended: that it left open */
    bool all_lost;             /* of a silent node: its senders declared all `count` packets lost, so perhaps none reached it */
    bool gone;                 /* of a peer: packets to it were lost, and it sent nothing meanwhile */
    bool after;                /* of a place or a failure: in the work that continued after the request ended */
    uint64_t failures;         /* of failed requests: which of them they are, a number; 0: none */
    bool one_asker;            /* of failed requests: only questions of one node failed, which is `node`, or `peer` */
    bool any;                  /* of failed requests: the node fails whichever node it waits for */
    bool messages;             /* of a flood: it consists of messages of the type `command` */
    bool waited;               /* of outliers: the longest waited for `node`, whose events we do not have */
    bool same_way;             /* of outliers: `usual_ns` is that of requests that went the same way, */
    bool as_many;              /* or that as many nodes answered; otherwise, that any others did, or none did */
    uint64_t alike;            /* how many these are */
    bool many;                 /* of outliers: they are not few */
    bool elsewhere;            /* of outliers: no place has most of the time of the longest; of many, of most of them */
    bool calm;                 /* no node had an event meanwhile: of outliers, of the longest; of a place, of most; of a pause */
    bool unseen;               /* of a link: no packets show what was on it, so it may have been the node `peer` */
    bool held;                 /* of a pause, or a link: the node `peer` did nothing, or the link to it held up what was sent */
    bool rootless;             /* of failed requests: the spans that caused them are missing */
    bool returned;             /* of a node that ended: it is running again */
    unsigned example;          /* of nodes that all stood still: one of them */
    uint64_t tries;            /* of a node that ended: packets and messages that others sent it afterwards */
    size_t evidence[EVIDENCE_MAX]; /* facts */
    unsigned evidence_count;
    uint64_t requests; /* of a place: how many the command has, whether they waited there or not */
    /* Of outliers: the nodes where they spent most of their time; none if these are too many, or not known. */
    unsigned places[PEERS_MAX], place_count;
};

/* How much was examined: without it, "nothing found" means little. */
struct coverage {
    uint64_t links, links_judged;      /* with packets; with enough of them */
    uint64_t paths, paths_judged;      /* links whose packets were seen at both ends */
    uint64_t rtt_series, rtt_judged;   /* pairs of node and peer */
    uint64_t requests, requests_whole; /* spans that began; traces whose root ended */
    uint64_t streams;                  /* streams that were opened */
    uint64_t nodes;
    uint64_t events_missing;
};

/* A period in which a node did nothing although others sent to it. */
struct pause {
    unsigned node, machine; /* machine: as of node_clocks_machine */
    uint64_t from_ns, to_ns;
    size_t send, receive; /* facts: a packet that waited */
    bool still;           /* nor did any other node of its machine: perhaps all of them stood still */
    bool held;            /* only what one node had sent it waited: perhaps the link between them held that up */
};

/* A request that failed, and who it was waiting for then: a node, or a link.  NO_NUMBER: none. */
struct failed_request {
    uint64_t failures; /* as of the finding that it is part of */
    unsigned trace;
    unsigned waiting, from, to;
};

struct analysis {
    const struct facts *facts;
    const struct node_states *states;
    struct messages packets; /* of all facts; their events are indices into facts */
    struct closings closings;
    uint64_t now_ns;          /* ages are measured up to this time */
    bool one_trace;           /* the facts belong to one trace: only its hops are judged */
    struct finding *findings; /* most severe first */
    size_t count, capacity;
    struct pause *pauses;
    size_t pause_count, pause_capacity;
    struct failed_request *failures; /* the requests that failed, by finding */
    size_t failure_count, failure_capacity;
    struct coverage coverage;
    bool failed; /* out of memory */
};

const char *finding_name(enum finding_kind kind);
const char *severity_name(enum severity severity);

/* Adds a finding.  Out of memory sets `failed`. */
void analysis_add(struct analysis *analysis, const struct finding *finding);

/* Did the node, rather than its machine, do nothing for at least half of that time, although others sent to it?  may_be_held:
 * also if perhaps a link held that up. */
bool analysis_paused(const struct analysis *analysis, unsigned node, uint64_t from_ns, uint64_t to_ns, bool may_be_held);

/* Did all nodes of a machine, or perhaps all, do nothing for at least half of that time, although others sent to one of them? */
bool analysis_stood_still(const struct analysis *analysis, uint64_t from_ns, uint64_t to_ns);

/* The time up to which the ages of a node's events are measured: now; or, if its clock cannot be compared with that of every
 * node, the newest event that it can be compared with. */
uint64_t analysis_now(const struct analysis *analysis, unsigned node);

/* Records a fact that shows the finding; ignores those beyond EVIDENCE_MAX. */
void finding_show(struct finding *finding, size_t fact);

/* Did any node of a machine (NO_NUMBER: of any) have an event in the middle of that period, of these or those beside? */
bool facts_active(const struct facts *facts, unsigned machine, uint64_t from_ns, uint64_t to_ns);

void sort_values(double *values, size_t count);

/* The median of sorted values, at least one; of an even number the lower one, so that half of them are no smaller. */
static inline double median_of(const double *sorted, size_t count) { return sorted[(count - 1) / 2]; }

/* The median of sorted values without one or two of them (`own`); 0 when no others are left. */
double median_without(const double *sorted, size_t count, const double *own, unsigned own_count);

#endif
