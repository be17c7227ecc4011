/* SPDX-License-Identifier: MIT
 *
 * See event_filter.h. */
#include "expression.h"
#include <store/event_filter.h>
#include <store/id_lookup.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What looking at one alias takes, in units of struct history_work. */
#define WORK_ALIAS 10

/* ---- the peer ------------------------------------------------------------------------------------------------------------ */

void event_filter_fini(struct event_filter *filter) {
    expression_destroy(filter->expression);
    expression_destroy(filter->peer);
    filter->expression = filter->peer = NULL;
}

/* Which events are of a peer is what the filter `peer == ID` says; without aliases, the id that they have. */
static void use_peer(struct event_filter *filter) {
    bool alone = filter->has_peer && !filter->peer->aliases;
    filter->query.by_peer = alone;
    filter->query.peer_test = alone ? NULL : expression_match;
    filter->query.peer_test_arg = filter->peer;
}

int event_filter_set_peer(struct event_filter *filter, const struct store *store, const struct trace_node_id *peer_id,
                          bool later) {
    struct alias_picture *aliases = alias_picture_take(store->aliases);
    bool alone = !aliases && !later;
    alias_picture_release(aliases);
    filter->has_peer = true;
    filter->query.by_peer = true;
    filter->query.peer_id = *peer_id;
    if (alone) return 0;
    if (expression_create_peer(&filter->peer, store, peer_id)) return -ENOMEM;
    use_peer(filter);
    return 0;
}

int event_filter_set_peer_name(struct event_filter *filter, const struct store *store, const char *name) {
    if (expression_create_peer_name(&filter->peer, store, name)) return -ENOMEM;
    filter->has_peer_name = true;
    use_peer(filter);
    return 0;
}

int event_filter_renew_aliases(struct event_filter *filter) {
    struct expression *peer = filter->peer, *again;
    uint64_t generation;
    if (filter->expression && expression_renew_aliases(filter->expression)) return -ENOMEM;
    if (!peer || !expression_renewal_work(peer)) return 0;
    if (expression_compile_again(peer, &again, &generation)) return -ENOMEM;
    expression_take(peer, again, generation);
    if (peer->work) *peer->work += alias_picture_count(peer->aliases) * WORK_ALIAS;
    use_peer(filter);
    return 0;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------- */

void event_filter_prepare(struct event_filter *filter, const struct store *store, uint64_t set[NODES_SET_WORDS]) {
    struct history_query *query = &filter->query;
    if (!filter->has_node)
        memset(set, 0xff, NODES_SET_WORDS * sizeof *set);
    else if (filter->node_name[0])
        (void)id_lookup_logs_of_name(store, filter->node_name, set); /* empty: no node has this name yet */
    else
        id_lookup_logs(store, &filter->node_id, set);
    if (filter->peer && (filter->has_peer_name || filter->peer->aliases))
        (void)expression_narrow(filter->peer, query, set, filter->peer_ids);
    bool limited = filter->expression && expression_narrow(filter->expression, query, set, filter->peer_ids);
    if (!filter->has_node && !limited) return;
    query->by_node = true;
    query->node_set = set;
    query->node_set_bits = NODES_MAX;
}

void event_filter_count(struct event_filter *filter, struct history_work *work) {
    filter->query.work = work;
    if (filter->expression) filter->expression->work = &work->done;
    if (filter->peer) filter->peer->work = &work->done;
}

bool event_filter_match(const struct event_filter *filter, const struct store *store, const struct trace_event *event,
                        history_source source) {
    if (!history_match(&filter->query, event, source)) return false;
    if (!filter->has_node) return true;
    /* By the node's own id or name, not by a set of indices: logs come and go while a subscription lives. */
    const struct node *node = nodes_at(store->nodes, history_source_node(source));
    if (!node) return false;
    if (filter->node_name[0]) return !strcmp(node->info.node_name, filter->node_name);
    return !memcmp(&node->info.node_id, &filter->node_id, sizeof filter->node_id);
}

uint64_t event_filter_renewal_work(const struct event_filter *filter) {
    return filter->expression ? expression_renewal_work(filter->expression) : 0;
}

struct event_filter_renewal {
    struct expression *expression;
    uint64_t generation; /* of the nodes and aliases, before they were looked at */
    int error;
};

struct event_filter_renewal *event_filter_renew(const struct event_filter *filter) {
    struct event_filter_renewal *renewal = malloc(sizeof *renewal);
    if (!renewal) return NULL;
    renewal->error = expression_compile_again(filter->expression, &renewal->expression, &renewal->generation);
    return renewal;
}

int event_filter_take(struct event_filter *filter, struct event_filter_renewal *renewal_new) {
    int error = renewal_new ? renewal_new->error : -ENOMEM;
    if (!error) expression_take(filter->expression, renewal_new->expression, renewal_new->generation);
    free(renewal_new);
    return error;
}
