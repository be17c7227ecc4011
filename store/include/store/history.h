/* SPDX-License-Identifier: MIT
 *
 * The history: a ring of fixed-size segments of events, with the indices that find them.
 *
 * One thread appends (the ingest thread); any number of registered RCU threads read at the same time, without waiting for each
 * other.  Every event ever appended has a position, counted from 0 and never reused: position / HISTORY_SEGMENT_EVENTS is its
 * segment's number.  The newest segment is appended to, a full one is sealed and never changes, the oldest is retired through
 * an RCU grace period and reused.  All memory is allocated at create. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stddef.h>

#define HISTORY_SEGMENT_EVENTS 65536

struct history;

#define HISTORY_NODES_MAX 4096

/* Where an event came from: node_index << 8 | lane.  node_index is the node table's (nodes.h), below HISTORY_NODES_MAX. */
typedef uint32_t history_source;
static inline history_source history_source_make(uint32_t node_index, uint32_t lane) { return node_index << 8 | lane; }
static inline uint32_t history_source_node(history_source source) { return source >> 8; }
static inline uint32_t history_source_lane(history_source source) { return source & 0xff; }

/* Enough for the smallest history: 3 segments, one of which is waiting for reuse. */
#define HISTORY_BYTES_MIN ((size_t)60 << 20)

/* Allocates all memory, at most bytes_max, and touches it.  If more than a quarter of the events have their own trace, the
 * history holds fewer events than events_max.  Starts a thread, which waits for the grace periods of old segments.  Returns 0,
 * -EINVAL when bytes_max is too small, -ENOMEM. */
int history_create(struct history **ret_history, size_t bytes_max);

/* The same with shares: of each node the newest events, up to its share, stay, whatever the others append.  All shares together
 * are an eighth of events_max, divided equally among the nodes that have events; what one does not need, the others get.  To
 * stay, events are appended once more when their segment is retired: they get a new position (history_is_kept). */
int history_create_shared(struct history **ret_history, size_t bytes_max);

/* The same with memory that is only reserved, and allocated as events come; and without a thread: before a segment is reused,
 * history_reserve itself waits for the readers. */
int history_create_lazy(struct history **ret_history, size_t bytes_max);
void history_destroy(struct history *history);

/* ---- ingest thread ---------------------------------------------------------------------------------------------------- */

/* Not inside rcu_read_lock(). */

/* Space for the next events, inside the newest segment, so that they are copied only once.  *ret_room: how many fit, at least
 * 1.  May seal a segment and retire the oldest; then it may wait for a reader that holds an RCU read lock. */
struct trace_event *history_reserve(struct history *history, uint32_t *ret_room);

/* Indexes and publishes the first `count` events of the reserved place, all of one source.  timestamp must be Unix ns. */
void history_append(struct history *history, uint32_t count, history_source source);

/* From now on shows `seen` each event of this kind (below 63) before readers can see it.  Once for a history. */
void history_watch(struct history *history, uint16_t kind,
                   void (*seen)(void *arg, const struct trace_event *event, history_source source), void *arg);

/* With shares: a node begins at this index, or ends.  Of the dead, those that died last have a share. */
void history_node_begins(struct history *history, uint32_t node);
void history_node_ends(struct history *history, uint32_t node);

/* With shares: has the history events of the node at this index?  Without: false. */
bool history_has_node(const struct history *history, uint32_t node);

/* ---- readers: inside rcu_read_lock(), or between two calls where a position says so -------------------------------------- */

/* The position after the newest event, and that of the oldest that is still there. */
uint64_t history_end_position(const struct history *history);
uint64_t history_begin_position(const struct history *history);

/* The event at a position.  Valid until rcu_read_unlock(). */
struct history_item {
    const struct trace_event *event;
    history_source source;
    bool kept; /* a copy of an event that was first appended elsewhere: a reader that follows the history skips it */
};

/* Returns false when the event has been evicted, or is still to come. */
bool history_at(const struct history *history, uint64_t position, struct history_item *ret_item);

/* How many events before that position are copies. */
uint64_t history_kept_before(const struct history *history, uint64_t position);

/* The work of an answer so far, and when it must end.  Used by the asking thread only. */
struct history_work {
    uint64_t done;                 /* in units of some nanoseconds: HISTORY_WORK_EVENT for each event, and what tests add */
    uint64_t max;                  /* beyond this the answer ends with -E2BIG; 0: no limit */
    const _Atomic bool *abandoned; /* or NULL; true: nobody wants the answer, and it ends with -ECANCELED */
    void (*pause)(void *arg);      /* or NULL: called now and then outside rcu_read_lock(), to yield the processor */
    void *pause_arg;
};
#define HISTORY_WORK_EVENT 8

/* Must the answer end?  Returns 0, -E2BIG or -ECANCELED.  NULL is fine, and means no. */
int history_work_check(const struct history_work *work);

/* A query: an event matches if it meets every condition that is set. */
struct history_query {
    bool by_trace, by_peer, by_node; /* which of the next three are set */
    struct trace_id trace_id;
    struct trace_node_id peer_id;
    const struct trace_node_id *peer_ids; /* by_peer: any of these, each once, instead of peer_id; NULL: only peer_id */
    size_t peer_id_count;
    const uint64_t *node_set; /* by_node: bit set of node indices, node_set_bits long */
    uint32_t node_set_bits;
    uint64_t kinds;          /* bit set of kinds, bit 63 for all kinds from 63 up; 0: all */
    uint64_t from_ns, to_ns; /* [from, to); to 0: no end */
    uint64_t examine_max;    /* history_select fails with -E2BIG rather than examine more events; 0: no limit */
    /* Conditions that no index serves, called last and under the read lock; NULL: none.  An event must pass both. */
    bool (*test)(const void *test_arg, const struct trace_event *event, history_source source);
    const void *test_arg;
    bool (*peer_test)(const void *peer_test_arg, const struct trace_event *event, history_source source);
    const void *peer_test_arg;
    /* Or NULL.  A test adds its work here.  After each millisecond or so of work the RCU read lock is released for a moment, so
     * that no test delays the ingest. */
    struct history_work *work;
};

/* Does one event match? */
bool history_match(const struct history_query *query, const struct trace_event *event, history_source source);

/* One event of an answer: a copy, which outlives the history's. */
struct history_hit {
    struct trace_event event;
    history_source source;
    uint64_t position;
};

/* The order of answers: time, then node (index), lane, sequence. */
int history_compare(const struct history_hit *a, const struct history_hit *b);

struct history_answer {
    struct history_hit *hits; /* sorted; free with history_answer_fini */
    size_t count;
    bool more;         /* limit cut the answer */
    uint64_t examined; /* events looked at */
    const char *index; /* the narrowest one used: "trace", "peer", "time", "kind", "node", or "scan" for none */
};

/* Runs a query over everything in [begin, end) positions: the `limit` first in answer order, or the last when newest_first
 * (then sorted newest first).  after: NULL, or only hits that come after this one in the answer's direction.  Takes and
 * releases the RCU read lock itself, segment by segment.  Returns 0, -E2BIG, -ECANCELED (query->work) or -ENOMEM.  Callable
 * from any registered thread. */
int history_select(struct history *history, const struct history_query *query, uint64_t begin, uint64_t end, size_t limit,
                   bool newest_first, const struct history_hit *after, struct history_answer *ret_answer);
void history_answer_fini(struct history_answer *answer);

/* What history_visit reports besides. */
struct history_visited {
    uint64_t examined;
    const char *index; /* as in history_answer */
};

/* Calls `visit` for every match in [begin, end) positions, in no particular order.  It runs inside rcu_read_lock() and must not
 * retain the event.  A result other than 0 ends the visit and is returned; query->work may end it, too.  Callable from any
 * registered thread. */
int history_visit(struct history *history, const struct history_query *query, uint64_t begin, uint64_t end,
                  int (*visit)(void *context, const struct trace_event *event, history_source source), void *context,
                  struct history_visited *ret_visited);

/* How many events in [begin, end) positions match and, where `after` is not NULL, come after it in the answer's direction.
 * Events evicted meanwhile may be counted or not.  If query->work ends it, history_work_check reports that, and the number is
 * meaningless.  Callable from any registered thread. */
uint64_t history_count(struct history *history, const struct history_query *query, uint64_t begin, uint64_t end,
                       bool newest_first, const struct history_hit *after);

/* Do the indices give that number, except for a few blocks?  If not, every event of the blocks that may match is examined. */
bool history_counts_by_index(const struct history_query *query);

/* Ids with a prefix, for unambiguous-prefix params: how many different ids in the history have the prefix; up to max are
 * written. */
size_t history_find_traces(struct history *history, const uint8_t *prefix, unsigned digits, struct trace_id *out, size_t max);
size_t history_find_peers(struct history *history, const uint8_t *prefix, unsigned digits, struct trace_node_id *out, size_t max);

/* ---- summaries ---------------------------------------------------------------------------------------------------------- */

#define HISTORY_SUMMARY_NODES_MAX 64

enum history_outcome {
    HISTORY_OUTCOME_NONE,
    HISTORY_OUTCOME_OPEN,
    HISTORY_OUTCOME_OK,
    HISTORY_OUTCOME_FAILED,
    HISTORY_OUTCOME_EXPIRED
};

/* The event that ended a span. */
struct history_span_end {
    uint64_t time_ns;
    history_source source;
    uint32_t sequence;
};

/* Summary of a trace, over the events that the history still has. */
struct history_trace {
    struct trace_id trace_id;
    uint64_t first_ns, last_ns;
    uint64_t events, packets_lost;
    uint32_t nodes[HISTORY_SUMMARY_NODES_MAX]; /* node indices, in the order of their first event */
    uint32_t node_count;
    struct trace_node_id peers[HISTORY_SUMMARY_NODES_MAX];
    uint32_t peer_count;
    enum history_outcome outcome;
    bool unfinished;    /* some start has no end, whatever the outcome */
    bool has_root;      /* the start of its root span, which has no parent, is here */
    uint64_t root_ns;   /* its time, */
    uint32_t root_node; /* and its node, an index */
    bool has_end;       /* the end of that span is here, too */
    struct history_span_end end;
    bool has_took;    /* both are here, in this order, and no step of the clock lies between them */
    uint64_t took_ns; /* from root to end; last_ns - first_ns also includes late acknowledgements */
    /* A step of the clock lies between some of its events (proto/event_clock.h), so its duration is unknown; or between the two
     * ends of its root span. */
    bool stepped, took_stepped;
    bool has_app; /* it is a request; otherwise a connection */
    char app_id[4];
    uint16_t cmd;
    uint32_t app_node; /* node index whose registration names the command */
    bool truncated;
};

/* The caller's test of which traces history_traces returns.  Called for one trace after another, on the asking thread. */
struct history_trace_test {
    void *context;
    /* One event of the trace, in no particular order; inside rcu_read_lock().  Adds its work to the query's. */
    void (*see)(void *context, const struct trace_event *event, history_source source);
    /* All events were seen: include this trace?  The next event belongs to another. */
    bool (*keep)(void *context, const struct history_trace *trace);
};

enum history_trace_order {
    HISTORY_TRACES_NEWEST, /* last event */
    HISTORY_TRACES_OLDEST, /* first event */
    HISTORY_TRACES_SLOWEST /* longest first, by `took`, or from first to last event if that is unknown */
};

enum history_trace_kind { HISTORY_TRACES_ALL, HISTORY_TRACES_REQUESTS, HISTORY_TRACES_CONNECTIONS };

/* Who the peer of an event is, where a peer has several ids.  Called inside rcu_read_lock(). */
struct history_who {
    const void *context;
    bool (*is_alias)(const void *context, const struct trace_node_id *id); /* may it be another one's? */
    const struct trace_node_id *(*resolve)(const void *context, const struct trace_event *event, history_source source);
};

struct history_traces_query {
    uint64_t from_ns, to_ns;         /* with an event in [from, to); to 0: no end */
    const char *app_id;              /* with an event of this application, 4 characters; NULL: any */
    const struct trace_id *trace_id; /* only this one; NULL: any */
    uint64_t until_ns;               /* only events before that count, as if there were no later ones; 0: all */
    /* NULL: all.  With a test, and in any order but newest first, every event of every trace is examined. */
    const struct history_trace_test *test;
    enum history_trace_order order;
    enum history_trace_kind kind;
    size_t limit;
    const struct history_who *who; /* or NULL */
    struct history_work *work;     /* or NULL */
};

/* The first `limit` traces in that order.  *ret_total is their number without the limit.  Returns 0, -E2BIG, -ECANCELED
 * (query->work) or -ENOMEM; free(*ret_traces). */
int history_traces(struct history *history, const struct history_traces_query *query, struct history_trace **ret_traces,
                   size_t *ret_count, size_t *ret_total);

/* For qsort_r, with an enum history_trace_order as its argument: in the order of history_traces. */
int history_traces_compare(const void *one, const void *other, void *order);

struct history_peer {
    struct trace_node_id peer_id;
    uint64_t first_ns, last_ns; /* of all events about it */
    uint64_t heard_ns;          /* when a node last received something from it; 0: never */
    uint64_t events, packets_sent, packets_received, packets_lost, messages_sent, messages_received;
    uint64_t bytes_sent, bytes_received; /* of packets */
    uint64_t rtt_ns, min_rtt_ns;
    bool has_rtt, has_min_rtt;                 /* the two above are valid: there was a sample, which may be 0 */
    uint32_t nodes[HISTORY_SUMMARY_NODES_MAX]; /* node indices, ascending; the lowest, if not all fit */
    uint32_t node_count;
};

/* Whose events count: those of all nodes, or of the nodes in the set. */
struct history_peers_query {
    const uint64_t *node_set; /* NULL: all */
    uint32_t node_set_bits;
    uint64_t until_ns; /* only events before that; 0: all */
    size_t limit;
    const struct history_who *who; /* or NULL */
    struct history_work *work;     /* or NULL */
};

/* The first `limit` peers, most events first.  *ret_total is how many there are without the limit.  There may be as many as
 * events:
 * the answer takes memory for `limit` of them, and some 40 MiB.  Returns 0, -E2BIG, -ECANCELED or -ENOMEM; free(*ret_peers). */
int history_peers_first(struct history *history, const struct history_peers_query *query, struct history_peer **ret_peers,
                        size_t *ret_count, size_t *ret_total);

/* All of them.  Returns 0 or -ENOMEM; free(*ret_peers). */
int history_peers(struct history *history, const uint64_t *node_set, uint32_t node_set_bits, struct history_peer **ret_peers,
                  size_t *ret_count);

struct history_stats {
    uint64_t events, events_max, evicted;
    size_t bytes, bytes_max;
    uint32_t segments, segments_max;
    uint64_t first_ns, last_ns; /* 0 while empty */
    uint64_t traces, peers;     /* in the directories */
    uint64_t whole_from_ns;     /* all events after this time are there; 0: none was evicted */
    uint64_t kept,
        share;      /* of the events, those that shares keep; events that each node's share has now, 0: all that there are */
    uint64_t early; /* evicted because of too many traces, while there was memory for more */
    uint64_t rare_peer_events; /* events of peers that are, or were on arrival, not in the directory */
};
/* Returns 0, or -ENOMEM when a backed history cannot count its traces and peers: then these two are 0, and the rest is
 * valid. */
int history_stats(struct history *history, struct history_stats *ret_stats);

#endif
