/* SPDX-License-Identifier: MIT
 *
 * Turns params (docs/protocol.md) of `query`, `count`, `traces` and `requests` into SQL conditions on the fleet's events.  They
 * choose every event that the store needs for the answer, and few others: the store applies the params again. */
#ifndef INSPECTOR_FLEET_SCOPE_H
#define INSPECTOR_FLEET_SCOPE_H

#include "fleet_clocks.h"
#include "fleet_sql.h"
#include "fleet_who.h"

#include <jansson.h>
#include <proto/field.h>
#include <proto/hex.h>

#define FLEET_IDS_MAX 1000 /* ids with the same beginning: an error reports how many there are */

/* What a source has. */
struct fleet_context {
    struct clickhouse *server;
    bool replicated; /* of the schema */
    struct fleet_logs logs;
    struct fleet_order order;
    struct fleet_clocks clocks; /* {0}: times are as each machine had them */
    struct store *store;        /* only the logs and the aliases, without events: resolves names */
    struct fleet_who who;       /* of its aliases */
    uint64_t now_ns;            /* relative times count back from it */
};

struct fleet_scope {
    uint64_t from_ns, to_ns;     /* [from, to); to 0: no end */
    struct trace_text matching;  /* the condition for matches, without the time; empty: none */
    struct trace_text text;      /* the condition for what was lost besides; empty: none */
    bool has_losses;             /* the two conditions differ */
    bool nothing;                /* the store will refuse the question: no events are needed */
    struct trace_id_prefix peer; /* digits 0: the params name no peer by its id */
};

/* Reads params that choose events; they are valid, except for unknown ids.  Returns 0, or -1 with the failure. */
int fleet_scope_events(struct fleet_scope *ret_scope, const struct fleet_context *context, const json_t *params,
                       struct failure *failure);

/* Of the params of `subscribe`, with a whole trace_id: names mean who has them now, and may mean more next time.  Then only
 * `matching` counts, and `nothing` says that nothing can match yet. */
int fleet_scope_stream(struct fleet_scope *ret_scope, const struct fleet_context *context, const json_t *params,
                       struct failure *failure);
void fleet_scope_fini(struct fleet_scope *scope);

/* Puts the condition for the param `node_id`: nothing for NULL.  Returns false, and puts nothing, if the store will refuse it. */
bool fleet_scope_put_node(struct trace_text *out, const struct fleet_context *context, const char *text);

/* Where the params and their filter let events be, by the rule of a store: rates are over that time, and what was lost there
 * counts. */
struct fleet_limits {
    uint64_t from_ns, to_ns; /* [from, to); 0: no bound */
    bool nothing;            /* no event can match */
    bool by_id;              /* the filter names a trace or a peer, which may not exist */
    bool by_node;
    uint64_t nodes[NODES_SET_WORDS]; /* by_node: a set of logs, by their index */
};

/* Returns 0, or -1 with the failure. */
int fleet_scope_limits(struct fleet_limits *ret_limits, const struct fleet_context *context, const struct fleet_scope *scope,
                       const json_t *params, struct failure *failure);

/* Finds a field by the name that params give it.  Returns 0, or a negative errno: the store will refuse it. */
int fleet_scope_find_field(const struct fleet_context *context, const char *text, struct trace_field **ret_field);

/* The same, with another time, [from_ns, to_ns). */
void fleet_scope_put(struct trace_text *out, const struct fleet_context *context, const struct fleet_scope *scope,
                     uint64_t from_ns, uint64_t to_ns);

/* The condition for events with shown times in [from_ns, to_ns): "(time_ns >= 1 AND time_ns < 2)", or "1". */
void fleet_scope_put_times(struct trace_text *out, const struct fleet_context *context, uint64_t from_ns, uint64_t to_ns);

/* from and to. */
int fleet_scope_times(const struct fleet_context *context, const json_t *params, uint64_t *ret_from_ns, uint64_t *ret_to_ns,
                      struct failure *failure);

/* How many traces have an id that begins with these digits, and one of them.  Returns 0, or -1 with the failure: more than
 * FLEET_IDS_MAX. */
int fleet_scope_find_traces(const struct fleet_context *context, const struct trace_id_prefix *prefix, struct trace_id *ret_id,
                            size_t *ret_count, struct failure *failure);

/* Appends the condition for the id of one trace. */
void fleet_scope_put_trace_id(struct trace_text *out, const struct trace_id *id);

/* Asks the index where the events of a trace are, and appends that as a condition: where its id need not be looked for.  "1", and
 * *ret_first_ns after *ret_last_ns: there are none. */
int fleet_scope_put_trace_place(struct trace_text *out, const struct fleet_context *context, const struct trace_id *id,
                                uint64_t *ret_first_ns, uint64_t *ret_last_ns, struct failure *failure);

/* Appends the condition for the events of one trace, using the index. */
int fleet_scope_put_trace(struct trace_text *out, const struct fleet_context *context, const struct trace_id *id,
                          struct failure *failure);

#endif
