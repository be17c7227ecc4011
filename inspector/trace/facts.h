/* SPDX-License-Identifier: MIT
 *
 * Facts: what the analyses need of each event, with ids as small numbers, in a fraction of the memory of its JSON.  Pure. */
#ifndef INSPECTOR_FACTS_H
#define INSPECTOR_FACTS_H

#include "clock_lines.h"
#include "intern.h"
#include "node_clocks.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum fact_kind {
    FACT_PACKET_SENT,
    FACT_PACKET_RECEIVED,
    FACT_PACKET_LOST,
    FACT_METRICS,
    FACT_STREAM_DATA,
    FACT_STREAM_OPENED,
    FACT_STREAM_CLOSED,
    FACT_CONN_CLOSED,
    FACT_APP_START,
    FACT_APP_END,
    FACT_EVENTS_LOST,
    FACT_CONN_INIT,
    FACT_CONN_ESTABLISHED,
    FACT_APP_COMMAND,
    FACT_CUSTOM,
    FACT_MESSAGE_SENT,
    FACT_MESSAGE_RECEIVED,
    FACT_LINK,
    FACT_OTHER, /* a kind that this version does not know */
    FACT_KIND_COUNT_
};

struct fact {
    uint64_t time_ns; /* on the axis of clock_lines.h, after facts_sort; fact_unix is what the clock showed */
    union {
        uint64_t number; /* of a packet, or a message's id */
        uint64_t stream_id;
        uint64_t rtt_ns;
        uint64_t span_id; /* of a start, an end, or a link */
        uint64_t missing; /* events */
    };
    union {
        uint64_t bytes;     /* of a packet, a message, or stream data */
        uint64_t parent_id; /* of a start, 0 for a root; of a link, the span that it links to, 0 for its trace as a whole */
        uint64_t code;      /* of a stream or connection that was closed */
    };
    unsigned node, peer, trace; /* NO_NUMBER for none */
    unsigned command;           /* of a start or an end; of a message its type; of a closed connection its reason; of a link
                                   the trace that it links to, a number of traces */
    unsigned space;             /* of a packet or message, as in struct packet */
    uint32_t sequence;
    uint16_t lane;
    uint8_t clock_steps; /* on which line of its clock it has its time; 0 where its time was corrected (node_clocks.h) */
    uint8_t kind;        /* enum fact_kind */
    bool window, full;   /* of metrics: they have a congestion window; it has no room for another packet */
    bool ok;             /* of an end: it succeeded */
    bool expired;        /* of an end that is not ok: it ran out of time */
    bool again;          /* of a packet or message sent: it was sent before */
    bool sent;           /* of stream data: sent by this node; otherwise received */
    bool fin;            /* of stream data: the stream ends with it */
    bool by_peer;        /* of a closed connection: the peer closed it */
};

/* A time in which events of a node were lost: from its last event before them, on the same lane, to the next one.  Those of one
 * node do not overlap. */
struct fact_gap {
    unsigned node;
    uint64_t from_ns, to_ns;
};

static inline bool fact_is_message(const struct fact *fact) {
    return fact->kind == FACT_MESSAGE_SENT || fact->kind == FACT_MESSAGE_RECEIVED;
}

/* Is it one end of a packet or a message? */
static inline bool fact_has_number(const struct fact *fact) { return fact->kind <= FACT_PACKET_LOST || fact_is_message(fact); }

/* A packet, a message or stream data that was sent or received; and which of the two. */
static inline bool fact_sends(const struct fact *fact) {
    return fact->kind == FACT_PACKET_SENT || fact->kind == FACT_MESSAGE_SENT || (fact->kind == FACT_STREAM_DATA && fact->sent);
}
static inline bool fact_is_traffic(const struct fact *fact) {
    return fact_sends(fact) || fact->kind == FACT_PACKET_RECEIVED || fact->kind == FACT_MESSAGE_RECEIVED ||
           fact->kind == FACT_STREAM_DATA;
}

struct facts {
    struct fact *items; /* in time order, after facts_sort */
    size_t count, capacity;
    struct fact *beside; /* of other traces, at the same time; in time order.  They only show what a node could do */
    size_t beside_count;
    bool beside_cut;                       /* there were more */
    uint64_t looked_from_ns, looked_to_ns; /* Unix time, if from < to: some of those beside are there if anybody did anything */
    struct intern nodes;                   /* nodes and peers */
    struct intern traces;
    struct intern commands;    /* "DataMap GET_CHUNK"; and reasons of closed connections */
    struct node_clocks clocks; /* of nodes */
    struct fact_count {
        uint64_t events, missing;
    } * counted; /* by node, for the first `counted_nodes`: all events the source has, not only those read.  NULL: not known */
    size_t counted_nodes;
    struct fact_gap *gaps; /* by node, then time */
    size_t gap_count;
    struct clock_lines lines;
    bool *has; /* by node: it has events; facts_sort fills it in */
    unsigned has_count;
    const char **node_ids; /* by number, borrowed from nodes; facts_sort fills them in */
    const char **trace_ids;
    const char **command_names;
};

/* The name of a kind, as in events. */
const char *fact_kind_name(enum fact_kind kind);

/* Is the difference of two times the time that passed?  No if a step of a clock lies between them. */
static inline bool facts_steady(const struct facts *facts, uint64_t from_ns, uint64_t to_ns) {
    const struct clock_seam *seam = clock_lines_seam(&facts->lines, from_ns);
    return !seam || seam->to_ns > to_ns;
}

/* When the line of the clock began that is in force at a time; 0: no step lies before it. */
uint64_t facts_line_begin(const struct facts *facts, uint64_t time_ns);

/* The first fact at or after a time; `count` if there is none. */
size_t facts_first(const struct facts *facts, uint64_t time_ns);

/* The newest fact of a node's lane before a time, of these or those beside; NULL if there is none. */
const struct fact *facts_last_of(const struct facts *facts, unsigned node, unsigned lane, uint64_t before_ns);

/* A walk over facts and those beside, in time order, from one time to before another. */
struct fact_walk {
    const struct facts *facts;
    size_t next, next_beside;
    uint64_t to_ns;
};

struct fact_walk facts_walk(const struct facts *facts, uint64_t from_ns, uint64_t to_ns);
const struct fact *fact_walk_next(struct fact_walk *walk); /* NULL at the end */

/* Does a node have an event?  It has none if it is only mentioned by others, or all its events are missing. */
bool facts_has(const struct facts *facts, unsigned node);

/* Did a traced node receive what was sent to that one, which has no events?  Then it is perhaps only an address of the other.
 * The first message in a trace decides. */
bool facts_got_by_other(const struct facts *facts, unsigned node);

/* The first gap of a node that overlaps a time; NULL: none of its events are missing there. */
const struct fact_gap *facts_gap(const struct facts *facts, unsigned node, uint64_t from_ns, uint64_t to_ns);

/* Does a step lie between any of them? */
static inline bool facts_stepped(const struct facts *facts) { return facts->lines.seam_count > 0; }

/* What the clock showed: when a fact was, and at a time of a node.  facts_now is the way back, for the present. */
uint64_t fact_unix(const struct facts *facts, const struct fact *fact);
uint64_t facts_unix(const struct facts *facts, unsigned node, uint64_t time_ns);
uint64_t facts_now(const struct facts *facts, uint64_t unix_ns);

/* Takes over an array of events; skips those without a node or a time.  Returns 0 or -ENOMEM. */
int facts_add(struct facts *facts, const json_t *events);

/* Takes over the events of an answer to `query` that happened beside those of one trace, instead of those before; skips those of
 * that trace.  Call it after facts_sort or facts_index.  "looked" in the answer, [from, to] in microseconds: it also has the
 * first events of everybody from the one to the other.  Returns 0 or -ENOMEM. */
int facts_add_beside(struct facts *facts, const json_t *answer);

/* Does what is beside show whether anybody did anything between two times of a node? */
bool facts_looked(const struct facts *facts, unsigned node, uint64_t from_ns, uint64_t to_ns);

/* Reads an answer to `count` by node with the value `count`, a field that only events_lost has: how many events each
 * node has, and how many are missing.  only_known: only for nodes that have facts.  Call it before facts_sort.  Returns
 * 0 or -ENOMEM. */
int facts_count(struct facts *facts, const json_t *answer, bool only_known);

/* Reads one event; its node may be NO_NUMBER, and its time is 0 if it has none.  Returns 0 or -ENOMEM. */
int fact_read(struct facts *facts, struct fact *ret_fact, const json_t *event);

/* Reserves memory for `count` facts in total.  Returns 0 or -ENOMEM. */
int facts_reserve(struct facts *facts, size_t count);

/* Puts their times on one axis, sorts them by it, and fills in the arrays of ids by number.  Call it once, after the last
 * facts_add.  Returns 0 or -ENOMEM. */
int facts_sort(struct facts *facts);

/* The same for facts that a caller has in the order of Unix time, and sorts itself if a step lies between them. */
int facts_index(struct facts *facts);

void facts_fini(struct facts *facts);

/* The texts of numbers; NULL for NO_NUMBER. */
const char *facts_node(const struct facts *facts, unsigned node);
const char *facts_trace(const struct facts *facts, unsigned trace);
const char *facts_command(const struct facts *facts, unsigned command);

#endif
