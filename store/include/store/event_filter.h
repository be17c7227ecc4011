/* SPDX-License-Identifier: MIT
 *
 * Which events are wanted: ids, kinds, times and a filter expression, resolved against a store.  event_params.h makes one of
 * params. */
#ifndef STORE_EVENT_FILTER_H
#define STORE_EVENT_FILTER_H

#include <store/store.h>

struct expression;

struct event_filter {
    struct history_query query; /* by_node is not set yet: the next four say which nodes */
    bool has_node;
    struct trace_node_id node_id;
    char node_name[TRACE_NODE_NAME_BYTES + 1]; /* when not empty: nodes of this name instead of node_id (subscribe) */
    struct expression *expression;             /* NULL: none */
};

void event_filter_fini(struct event_filter *filter);

/* Completes filter->query, for history_select, with the index that serves it best.  `set` is the caller's, and must live as
 * long as the query.  Searches the history. */
void event_filter_prepare(struct event_filter *filter, const struct store *store, uint64_t set[NODES_SET_WORDS]);

/* Does an event of a stream match?  Inside rcu_read_lock(). */
bool event_filter_match(const struct event_filter *filter, const struct store *store, const struct trace_event *event,
                        history_source source);

/* For a filter that lives long: looks up the names in its expression again when nodes have come since.  Not while another
 * thread uses it. */
void event_filter_refresh(struct event_filter *filter);

#endif
