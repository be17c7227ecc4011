/* SPDX-License-Identifier: MIT
 *
 * What a filter's names can mean (proto/filter.h), for those who compile filters themselves. */
#ifndef STORE_FILTER_NAMES_H
#define STORE_FILTER_NAMES_H

#include <proto/filter.h>
#include <store/store.h>

/* Whom each alias means, and for whose events.  only: of this id alone, or NULL.  The caller frees *ret_list, which has the
 * length *ret_count.  picture: may be NULL.  Inside rcu_read_lock().  Returns 0 or -ENOMEM. */
int filter_names_aliases(const struct store *store, const struct alias_picture *picture, const struct trace_node_id *only,
                         struct trace_filter_alias **ret_list, size_t *ret_count);

/* Writes `peer == "NAME"`, of a node's name. */
#define FILTER_NAMES_PEER_BYTES (sizeof "peer == \"\"" + 2 * (TRACE_NODE_NAME_BYTES + 1))
void filter_names_peer_text(char out[FILTER_NAMES_PEER_BYTES], const char *name);

#endif
