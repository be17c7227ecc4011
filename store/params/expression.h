/* SPDX-License-Identifier: MIT
 *
 * A filter's text (proto/filter.h, docs/filter.md) compiled against what a store knows: its nodes' names and applications. */
#ifndef STORE_EXPRESSION_H
#define STORE_EXPRESSION_H

#include <proto/field.h>
#include <proto/filter.h>
#include <proto/rpc.h>
#include <store/limits.h>
#include <store/store.h>

struct expression {
    const struct store *store;
    struct trace_filter *filter;
    struct alias_picture *aliases; /* or NULL: who is who, for expression_match, as when its names were looked up */
    uint64_t now_ns;               /* the origin of relative times */
    uint64_t generation;           /* of the node table and of the aliases when it was compiled */
    bool complete;
    bool is_of_peer; /* of expression_create_peer: the text is a whole id, peer_id */
    struct trace_node_id peer_id;
    uint64_t *work; /* or NULL: where expression_match adds its work */
    char text[];    /* NUL-terminated */
};

/* Compiles text.  complete: an unknown node, application, command or field is an error; otherwise it may still come.  Returns
 * 0; -EINVAL with ret_error: TRACE_RPC_INVALID_PARAMS with data.param, data.position and data.length (in bytes of the text),
 * data.reason and, if there is one, data.suggestion.  Allocates; any registered RCU thread. */
int expression_create(struct expression **ret_expression, const struct store *store, const char *param, const char *text,
                      enum trace_filter_mode mode, bool complete, uint64_t now_ns, struct trace_rpc_error *ret_error);
void expression_destroy(struct expression *expression);

/* Compiles `peer == ID`.  Returns 0 or -ENOMEM. */
int expression_create_peer(struct expression **ret_expression, const struct store *store, const struct trace_node_id *peer_id);

/* Compiles `peer == NAME`, of a node's name: all nodes of that name.  Returns 0 or -ENOMEM. */
int expression_create_peer_name(struct expression **ret_expression, const struct store *store, const char *name);

/* Finds a known field (proto/field.h).  Returns as expression_create; end with trace_field_destroy. */
int expression_find_field(const struct store *store, const char *param, const char *text, struct trace_field **ret_field,
                          struct trace_rpc_error *ret_error);

/* The approximate work of compiling it again, in units of struct history_work, if it uses names and nodes have come since; else
 * 0. */
uint64_t expression_renewal_work(const struct expression *expression);

/* Compiles it again, without changing it.  *ret_again NULL: the names match too many nodes.  *ret_generation: of the nodes and
 * aliases, from before that.  Returns 0 or -ENOMEM.  Any thread. */
int expression_compile_again(const struct expression *expression, struct expression **ret_again, uint64_t *ret_generation);

/* Uses the new compilation and its aliases from now on, and frees the rest; NULL: keeps the old ones until another node or alias
 * comes.  Not while another thread uses it. */
void expression_take(struct expression *expression, struct expression *again_new, uint64_t generation);

/* What trace_filter_match, trace_filter_tally_add and trace_field_read need besides the event.  aliases: may be NULL.  uses:
 * TRACE_FILTER_USES_ bits; the rest is omitted.  Inside rcu_read_lock(), and valid there. */
void expression_origin(const struct store *store, const struct alias_picture *aliases, unsigned uses,
                       const struct trace_event *event, history_source source, struct trace_filter_origin *ret_origin);

/* Takes over the current aliases of the store.  With names in it, it keeps the aliases that its names were looked up in: with
 * newer ones an event's peer could be an id that it does not look for yet.  Returns 0 or -ENOMEM. */
int expression_renew_aliases(struct expression *expression);

/* A hash of what its names mean (trace_filter_names_hash), to compare with a later compilation of the same text; 0 for NULL. */
uint64_t expression_names(const struct expression *expression);

/* Does an event match?  For expressions over events; as history_query.test.  Inside rcu_read_lock(). */
bool expression_match(const void *expression, const struct trace_event *event, history_source source);

/* Narrows a query to what the expression can match: kinds, times, the trace if only one can match, and the ids of its peers, in
 * peer_ids; and removes the nodes that cannot match from `set`.  Both are the caller's, and must live as long as the query.
 * Returns whether it restricts nodes.  Searches the history. */
bool expression_narrow(const struct expression *expression, struct history_query *query, uint64_t set[NODES_SET_WORDS],
                       struct trace_node_id peer_ids[STORE_PEER_IDS_MAX]);

#endif
