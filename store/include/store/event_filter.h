/* SPDX-License-Identifier: MIT
 *
 * Which events match: ids, kinds, times and a filter expression, resolved against a store.  event_params.h makes one from
 * params. */
#ifndef STORE_EVENT_FILTER_H
#define STORE_EVENT_FILTER_H

#include <store/limits.h>
#include <store/store.h>

struct expression;

struct event_filter {
    struct history_query query;                        /* by_node is not set yet: the next four say which nodes */
    bool has_peer;                                     /* of this peer: query.peer_id, whatever other ids it has */
    bool has_peer_name;                                /* of the peers of a name, which `peer` says */
    struct expression *peer;                           /* which says so where there are aliases, or may be; or NULL */
    struct trace_node_id peer_ids[STORE_PEER_IDS_MAX]; /* event_filter_prepare: where to look for peers */
    bool has_node;
    struct trace_node_id node_id;
    char node_name[TRACE_NODE_NAME_BYTES + 1]; /* when not empty: nodes of this name instead of node_id */
    struct expression *expression;             /* NULL: none */
};

void event_filter_fini(struct event_filter *filter);

/* Only events of this peer, or that this id is an alias of.  later: aliases that come later count, too, after
 * event_filter_renew_aliases.  Returns 0 or -ENOMEM. */
int event_filter_set_peer(struct event_filter *filter, const struct store *store, const struct trace_node_id *peer_id,
                          bool later);

/* Only events of the peers that are nodes of this name.  Returns 0 or -ENOMEM. */
int event_filter_set_peer_name(struct event_filter *filter, const struct store *store, const char *name);

/* For a filter that lives long: knows from now on who is who as the store does now.  Names in its expression are not looked up
 * again: that is event_filter_renew.  Returns 0, or -ENOMEM: then it may not know it. */
int event_filter_renew_aliases(struct event_filter *filter);

/* Completes filter->query, for history_select, with the index that serves it best.  `set` is the caller's, and must live as
 * long as the query.  Searches the history. */
void event_filter_prepare(struct event_filter *filter, const struct store *store, uint64_t set[NODES_SET_WORDS]);

/* Adds the work of the filter to *work, which also limits searches with it.  *work must live as long as the filter. */
void event_filter_count(struct event_filter *filter, struct history_work *work);

/* Does an event of a stream match?  Inside rcu_read_lock(). */
bool event_filter_match(const struct event_filter *filter, const struct store *store, const struct trace_event *event,
                        history_source source);

/* ---- for long-lived filters ---------------------------------------------------------------------------------------- */

/* The approximate work of looking up the names in its expression again, in units of struct history_work; 0: no new node can
 * match them. */
uint64_t event_filter_renewal_work(const struct event_filter *filter);

/* Looks them up again.  The filter stays unchanged: event_filter_take applies and frees the result.  If too many nodes have such
 * a name, the old meaning stays until another node comes.  Any thread; nobody else may use the filter meanwhile. */
struct event_filter_renewal *event_filter_renew(const struct event_filter *filter);

/* Returns 0, or -ENOMEM: the names have to be looked up once more. */
int event_filter_take(struct event_filter *filter, struct event_filter_renewal *renewal_new);

#endif
