/* SPDX-License-Identifier: MIT
 *
 * The filter language, which selects events or traces.  docs/filter.md is its reference.
 *
 *     packet_lost or rtt > 100ms                                   which events
 *     any packet_lost and duration > 50ms and nodes >= 3           which traces
 *
 * A text is compiled once, for a point in time and the nodes and applications known then.  The result never changes, and any
 * number of threads may use it at once: traced, a client, a reader of recordings.  No I/O, no threads; only compile allocates.
 *
 *     struct trace_filter *filter;
 *     struct trace_filter_error error;
 *     struct trace_filter_options options = {.now_ns = now};
 *     if (trace_filter_compile(&filter, text, strlen(text), &options, &error) == -EINVAL)
 *         ... error.position, error.length, error.reason, error.suggestion
 *     if (trace_filter_match(filter, event, &origin)) ...
 *     trace_filter_destroy(filter);
 *
 * Missing fields
 * --------------
 * A comparison with a field that an event does not have is false, whatever the operator: for a packet_lost, `size < 100`,
 * `size >= 100` and `size != 100` are all false.  `not` negates the test after it: `not size == 100` is true for a packet_lost.
 * There is no third value. */
#ifndef PROTO_FILTER_H
#define PROTO_FILTER_H

#include <p2ptrace/app.h>
#include <p2ptrace/event.h>
#include <proto/hex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a text; depth of its parentheses and `not`s; operators and tests; sub filters (`any`, `all`, `count`) of one that asks
 * for traces. */
#define TRACE_FILTER_TEXT_MAX 4096
#define TRACE_FILTER_DEPTH_MAX 64
#define TRACE_FILTER_NODES_MAX 512
#define TRACE_FILTER_SUBS_MAX 16

#define TRACE_FILTER_REASON_BYTES 192
#define TRACE_FILTER_SUGGESTION_BYTES 64

struct trace_filter;

/* ---- compile ------------------------------------------------------------------------------------------------------------ */

enum trace_filter_mode { TRACE_FILTER_EVENTS, TRACE_FILTER_TRACES };

/* What names mean.  Only read by compile. */
struct trace_filter_names {
    /* Nodes by name; a name may come more than once. */
    const struct trace_filter_name {
        struct trace_node_id id;
        const char *name;
        const char *host; /* the machine that it runs on; NULL or "" when unknown */
    } * nodes;
    size_t node_count;
    /* What nodes registered. */
    const struct trace_app *const *apps;
    size_t app_count;
    /* The list is complete: anything that is neither a listed name nor the beginning of an id is an error.  Otherwise it is taken
     * as the name of a node still to come. */
    bool complete;
    /* Other ids of nodes: events of the node `by` (zero: of any) whose peer is peer_id are meant, too, by this id, and by
     * this text unless it is empty. */
    const struct trace_filter_alias {
        struct trace_node_id alias_id, peer_id, by;
        bool own; /* reported by the peer for itself: it means the node peer_id, too */
        char text[32];
    } * aliases;
    size_t alias_count;
};

struct trace_filter_options {
    enum trace_filter_mode mode;
    uint64_t now_ns;                        /* Unix time that `-5s` counts back from */
    const struct trace_filter_names *names; /* NULL: none is known, any may still come */
    bool typed;                             /* by a person: a duration below 10000 needs a unit, unless it is 0 */
};

/* What is wrong, and where.  Position and length are bytes of the text; the end of the text is a position, too. */
struct trace_filter_error {
    size_t position, length;
    char reason[TRACE_FILTER_REASON_BYTES];         /* for people, without a full stop: `there is no field "rrt"` */
    char suggestion[TRACE_FILTER_SUGGESTION_BYTES]; /* what may have been meant here; "" if nothing is similar */
};

/* Returns 0; -EINVAL with *ret_error filled in; -ENOMEM.  The text need not end with a NUL, and may be freed afterwards.
 * Allocates; bounded by the limits above. */
int trace_filter_compile(struct trace_filter **ret_filter, const char *text, size_t bytes,
                         const struct trace_filter_options *options, struct trace_filter_error *ret_error);
void trace_filter_destroy(struct trace_filter *filter);

/* True if it used names->nodes or names->aliases.  Then compile it again (with the same now_ns) when it should know a new node
 * or alias. */
bool trace_filter_uses_names(const struct trace_filter *filter);

/* A hash of what the names in the text mean: the peers that they stand for, and which are names and which are beginnings of ids.
 * If it is unchanged after compiling again, the names still mean the same.  A peer that is listed several times counts once. */
uint64_t trace_filter_names_hash(const struct trace_filter *filter);

/* ---- events: any thread, wait-free, no allocation ----------------------------------------------------------------------- */

/* What the event itself does not say. */
struct trace_filter_origin {
    const struct trace_node_id *node_id;
    const char *node_name; /* NULL when unknown */
    uint32_t lane;
    const struct trace_app *app; /* the node's description of the event's application; NULL when unknown or not an app event */
    const char *host;            /* the machine that the node runs on; NULL or "" when unknown */
    const struct trace_node_id *peer_id; /* who the event's peer_id stands for; NULL: itself */
};

/* Which of these the filter looks at; the others may be zero.  NODE: also name and host. */
enum trace_filter_use {
    TRACE_FILTER_USES_NODE = 1,
    TRACE_FILTER_USES_LANE = 2,
    TRACE_FILTER_USES_APP = 4,
    TRACE_FILTER_USES_PEER = 8
};
unsigned trace_filter_uses(const struct trace_filter *filter);

/* Does the event match?  event->timestamp is Unix ns.  Of a filter made for events. */
bool trace_filter_match(const struct trace_filter *filter, const struct trace_event *event,
                        const struct trace_filter_origin *origin);

/* The same, for callers that bound the work of filters: *work grows by about one for each simple comparison, and for each glob
 * by the length of the pattern and of the text.  A unit is some nanoseconds.  One event takes at most some 200 for each byte
 * of the filter's text, whatever its pattern. */
bool trace_filter_match_counted(const struct trace_filter *filter, const struct trace_event *event,
                                const struct trace_filter_origin *origin, uint64_t *work);

/* Can an event of this kind match?  Cheap: ask before making an origin. */
bool trace_filter_allows_kind(const struct trace_filter *filter, uint16_t kind);

/* Bounds that every matching event is within, for searches by an index: necessary conditions, not sufficient ones.  A filter for
 * traces has no bounds. */
struct trace_filter_bounds {
    uint64_t kinds;               /* bit set of kinds, bit 63 for all from 63 up; ~0: any; 0: nothing can match */
    uint64_t min_ns, max_ns;      /* both included; min above max: nothing can match */
    struct trace_id_prefix trace; /* digits 0: any */
};
void trace_filter_bounds(const struct trace_filter *filter, struct trace_filter_bounds *ret_bounds);

/* Has every match one of these peers, by the id that its event has or by the one that this stands for?  Those whose id begins
 * with *ret_prefix (digits 0: none), and *ret_count more, in no particular order and perhaps several times, of which up to max
 * are written to list.  False: any peer may match. */
bool trace_filter_peers(const struct trace_filter *filter, struct trace_id_prefix *ret_prefix, struct trace_node_id *list,
                        size_t max, size_t *ret_count);

/* Can an event of this node match?  False only when none can.  name may be NULL. */
bool trace_filter_allows_node(const struct trace_filter *filter, const struct trace_node_id *node_id, const char *name);

/* True if the text may exclude some node.  If not, there is no need to ask for each node. */
bool trace_filter_limits_nodes(const struct trace_filter *filter);

/* ---- whole traces ------------------------------------------------------------------------------------------------------- */

/* A filter made for traces decides by the trace's summary, and by how many of the trace's events match each of its sub filters:
 *
 *     int known = trace_filter_decide(filter, NULL, &summary);         true, false, or it depends on the events
 *     if (known < 0) {
 *         struct trace_filter_tally tally = {0};
 *         for each event of the trace: trace_filter_tally_add(filter, &tally, event, &origin);
 *         known = trace_filter_decide(filter, &tally, &summary);
 *     } */
struct trace_filter_tally {
    uint64_t events;
    uint64_t matched[TRACE_FILTER_SUBS_MAX];
    uint64_t work; /* so far, as trace_filter_match_counted has it */
};

enum trace_filter_outcome {
    TRACE_FILTER_OUTCOME_NONE,
    TRACE_FILTER_OUTCOME_OK,
    TRACE_FILTER_OUTCOME_FAILED,
    TRACE_FILTER_OUTCOME_OPEN,
    TRACE_FILTER_OUTCOME_EXPIRED,
};

/* A trace, as `traces` of the socket has it. */
struct trace_filter_summary {
    struct trace_id trace_id;
    uint64_t first_ns, last_ns;
    uint64_t now_ns; /* what `age` counts up to */
    uint64_t events, packets_lost;
    uint32_t nodes, peers;
    enum trace_filter_outcome outcome;
    bool unfinished;
    bool stepped;  /* it has no duration: a step of the clock lies in it */
    bool has_took; /* the next is meant */
    uint64_t took_ns;
    bool truncated;
    bool has_app; /* the next four are meant */
    char app_id[4];
    uint16_t cmd;
    const char *app, *command; /* as registered; NULL when not */
};

/* Counts one event of the trace. */
void trace_filter_tally_add(const struct trace_filter *filter, struct trace_filter_tally *tally, const struct trace_event *event,
                            const struct trace_filter_origin *origin);

/* 1: the trace matches, 0: it does not.  Without a tally also -1: that depends on its events. */
int trace_filter_decide(const struct trace_filter *filter, const struct trace_filter_tally *tally,
                        const struct trace_filter_summary *summary);

#endif
