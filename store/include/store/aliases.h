/* SPDX-License-Identifier: MIT
 *
 * Who is who: several ids are one node (events of kind `alias`; docs/decisions/018).
 *
 * What a node says about a peer applies only to the events of that log.  What it says about itself applies to the events of
 * all logs, unless several nodes that ran at the same time say it, or it is the id of another node's log: then it is disputed
 * and ignored.  So no node can attribute its events to another.
 *
 * The table keeps at most ALIASES_MAX aliases.  When it is full, the node with the most loses the one that it has not
 * repeated for the longest time; that is counted.
 *
 * The appending thread notes events and never waits.  All other threads use a picture of the table, which never changes. */
#ifndef STORE_ALIASES_H
#define STORE_ALIASES_H

#include <proto/hex.h>
#include <store/nodes.h>

#define ALIASES_MAX 8192

struct aliases;

/* One alias. */
struct alias {
    struct trace_node_id alias_id;
    struct trace_node_id peer_id; /* the owner: the peer; or, for a node's own alias, the node_id of its log */
    uint64_t log;                 /* the node_info.log of who said so */
    uint64_t time_ns;             /* when it was first said */
    uint32_t node;                /* who said so */
    bool own;                     /* the node said it about itself */
    uint8_t transport;            /* enum trace_transport */
    char label[sizeof((struct trace_alias *)0)->label];
};

/* Returns 0 or -ENOMEM. */
int aliases_create(struct aliases **ret_aliases, const struct nodes *nodes);
void aliases_destroy(struct aliases *aliases);

/* The memory of the table and of the pictures that are in use at the same time. */
size_t aliases_bytes(void);

/* The appending thread, before readers can see the event: notes an event of kind `alias` of the node at this index. */
void aliases_note(struct aliases *aliases, uint32_t node, const struct trace_event *event);

/* The appending thread: the same for an alias without its event.  Sets its log, and the owner of a node's own alias.  Of what a
 * node said about one id, the earliest comes first. */
void aliases_add(struct aliases *aliases, const struct alias *said);

/* What the table has from the log at this index, the one repeated last at the end.  Writes at most `max` of them, and returns how
 * many it wrote.  Any thread.  May wait for a thread that is making a picture. */
size_t aliases_said_by(struct aliases *aliases, uint32_t node, struct alias *list, size_t max);

struct aliases_stats {
    uint64_t count;   /* now */
    uint64_t evicted; /* ever, for lack of room */
};
/* Any thread.  May wait for a thread that is making a picture. */
void aliases_stats(struct aliases *aliases, struct aliases_stats *ret_stats);

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

struct alias_picture;

/* A picture of the table as it is now; the last one again if nothing has changed since.  NULL if the table is empty, or memory
 * is short: then every id stands for itself.  The caller owns it, and calls alias_picture_release.  Any thread. */
struct alias_picture *alias_picture_take(struct aliases *aliases);

/* Was there no memory for the picture that was taken?  Without it, every id stands for itself. */
bool alias_picture_is_missing(struct aliases *aliases, const struct alias_picture *picture);
void alias_picture_release(struct alias_picture *picture);

/* Replaces *picture if the table has changed since.  Returns 0, or -ENOMEM and leaves it. */
int alias_picture_renew(struct aliases *aliases, struct alias_picture **picture);

/* Changes with every change of the table, and of the node table.  A thread that has seen an event gets a generation that
 * includes the aliases noted before it.  Any thread. */
uint64_t aliases_generation(struct aliases *aliases);

/* Who is the peer of an event?  The id that its peer_id stands for, for the node at this index, at this time; peer_id itself if
 * nothing is known about it.  picture: NULL is fine.  Inside rcu_read_lock().  Valid as long as the picture and peer_id. */
const struct trace_node_id *alias_picture_resolve(const struct alias_picture *picture, uint32_t node, uint64_t time_ns,
                                                  const struct trace_node_id *peer_id);

/* May a node claim this id as an alias?  Rarely true if none does. */
bool alias_picture_has(const struct alias_picture *picture, const struct trace_node_id *id);

/* All aliases, in no particular order: the number of places, and the alias in one of them; NULL if it is empty, or its node is
 * forgotten.  Inside rcu_read_lock(). */
size_t alias_picture_count(const struct alias_picture *picture);
const struct alias *alias_picture_at(const struct alias_picture *picture, size_t index);

/* Orders two of them, as qsort wants it: by when they were first said, and then the same for every table. */
int alias_picture_compare(const struct alias_picture *picture, size_t one, size_t other);

/* Is it ignored, or not valid at all times?  True if it is the id of a node that has a log, or if another node that ran at the
 * same time claims the same.  index: of a place that is not empty.  Inside rcu_read_lock(). */
bool alias_picture_is_disputed(const struct alias_picture *picture, size_t index);

/* Which ids may ids stand for?  The list has `count` of at most `max` ids.  The first adds the ids of the table with this
 * prefix, the second all ids under which events of the listed peers may be found.  Both add each id once and return how many
 * there are then; if more than max, the list does not have all of them. */
size_t alias_picture_find(const struct alias_picture *picture, const struct trace_id_prefix *prefix, struct trace_node_id *list,
                          size_t count, size_t max);
size_t alias_picture_names_of(const struct alias_picture *picture, struct trace_node_id *list, size_t count, size_t max);

#endif
