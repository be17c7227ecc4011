/* SPDX-License-Identifier: MIT
 *
 * Who is who: several ids are one node (events of kind `alias`; docs/decisions/018).
 *
 * What a node says about a peer counts for the events of that log alone.  What it says about itself counts for the events of all
 * logs, unless several nodes that ran at the same time say it, or it is the id of another node's log: then it is disputed, and
 * counts for nobody.  So no node can give its deeds to another.
 *
 * The table keeps at most ALIASES_MAX of what was said.  When it is full, the node that said most loses what it has not said for
 * the longest time; that is counted.
 *
 * The appending thread notes events and never waits.  Everyone else works with a picture of the table, which never changes. */
#ifndef STORE_ALIASES_H
#define STORE_ALIASES_H

#include <proto/hex.h>
#include <store/nodes.h>

#define ALIASES_MAX 8192

struct aliases;

/* Returns 0 or -ENOMEM. */
int aliases_create(struct aliases **ret_aliases, const struct nodes *nodes);
void aliases_destroy(struct aliases *aliases);

/* The memory of the table and of the pictures that are in use at a time. */
size_t aliases_bytes(void);

/* The appending thread, before readers can see the event: notes an event of kind `alias` of the node at this index. */
void aliases_note(struct aliases *aliases, uint32_t node, const struct trace_event *event);

struct aliases_stats {
    uint64_t count;   /* now */
    uint64_t evicted; /* ever, for lack of room */
};
/* Any thread.  May wait for another one that makes a picture. */
void aliases_stats(struct aliases *aliases, struct aliases_stats *ret_stats);

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

struct alias_picture;

/* The table as it is now, or as it was when a picture was last made if nothing has changed since.  NULL when it is empty or
 * memory is short: then every id stands for itself.  The caller's, until alias_picture_release.  Any thread. */
struct alias_picture *alias_picture_take(struct aliases *aliases);
void alias_picture_release(struct alias_picture *picture);

/* Replaces *picture if the table has changed since.  Returns whether it did. */
bool alias_picture_renew(struct aliases *aliases, struct alias_picture **picture);

/* Changes with every change of the table, and of the node table. */
uint64_t aliases_generation(const struct aliases *aliases);

/* Who is the peer of an event?  The id that its peer_id stands for, for the node at this index, at this time; peer_id itself when
 * nothing is known of it.  picture: NULL is fine.  Inside rcu_read_lock().  Valid as long as the picture and peer_id. */
const struct trace_node_id *alias_picture_resolve(const struct alias_picture *picture, uint32_t node, uint64_t time_ns,
                                                  const struct trace_node_id *peer_id);

/* Is this id said to be an alias by anybody? */
bool alias_picture_has(const struct alias_picture *picture, const struct trace_node_id *id);

/* One thing that was said. */
struct alias {
    struct trace_node_id alias_id;
    struct trace_node_id peer_id; /* whose it is: the peer's; or the node_id of the log that said so of itself */
    uint32_t node;                /* who said so */
    bool own;                     /* of itself */
    bool disputed;                /* it is the id of a node that has a log: it counts for nobody */
    uint64_t time_ns;             /* when first */
    uint8_t transport;            /* enum trace_transport */
    char label[sizeof((struct trace_alias *)0)->label];
};

/* All of them, in the order in which they were said. */
size_t alias_picture_count(const struct alias_picture *picture);
const struct alias *alias_picture_at(const struct alias_picture *picture, size_t index);

/* Does it count for nobody, or not for all times?  disputed; or another node that ran at the same time says the same of itself.
 * Inside rcu_read_lock(). */
bool alias_picture_is_disputed(const struct alias_picture *picture, size_t index);

/* Whom may an id mean?  Those ids under which events of the peer `id` may be found, `id` among them.  Returns how many; more than
 * max: too many, and `out` is not all of them. */
size_t alias_picture_names_of(const struct alias_picture *picture, const struct trace_node_id *id, struct trace_node_id *out,
                              size_t max);

#endif
