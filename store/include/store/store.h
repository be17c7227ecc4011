/* SPDX-License-Identifier: MIT
 *
 * The store: events with their indices (history.h) and the nodes that they come from (nodes.h).  It answers the methods of
 * docs/protocol.md (ask.h).  It has no socket; traced adds one; other programs call it directly:
 *
 *     store_create(&store, bytes);
 *     store_add_node(store, &info, NODE_UNKNOWN, &node);
 *     store_append(store, node, lane, events, count);     ... any number of times, in any order
 *     store_close(store, 0);                              relative times now count from the newest event
 *     store_ask(store, "query", params, &out, &error);
 *     store_destroy(store);
 *
 * One thread appends; any number of threads ask meanwhile.  Every thread that uses a store calls store_enter_thread() first. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>
#include <store/aliases.h>
#include <store/counted.h>
#include <store/history.h>
#include <store/nodes.h>
#include <store/parts.h>

struct store {
    struct history *history;
    struct nodes *nodes;
    struct aliases *aliases; /* NULL: every id stands for itself */
    bool aliases_borrowed;   /* store_borrow_aliases */
    struct alias *told;      /* those that stand beside the events of a recording, which owns the list */
    size_t told_count;
    uint64_t instance;                /* differs from one store to the next: a query's cursor is valid for one store only */
    _Atomic uint64_t closed_ns;       /* "now" of a closed store; 0: it is open */
    _Atomic uint64_t events_answered; /* events written into answers */
    struct store_counted *counted;    /* counted.h; NULL: an event stands for itself */
    const struct store_parts *parts;  /* parts.h; NULL: it has all its events */
    struct store_lanes *lanes;        /* store.c: by node, the lanes that store_append has seen */
};

/* Registers the calling thread with RCU, once; the end of the thread unregisters it. */
void store_enter_thread(void);

/* Makes a store whose whole history is in memory from the start, for a daemon that promises a bound on its memory.
 * history_bytes: at least HISTORY_BYTES_MIN.  Returns 0, -EINVAL, -ENOMEM or another negative errno; then nothing is left to
 * free. */
int store_init(struct store *store, size_t history_bytes);
void store_fini(struct store *store);

/* Makes a store that takes memory as events come, at most about history_bytes: some 200 bytes an event.  When that is used up,
 * the oldest events are evicted; history_begin_position(store->history) is their number.  Starts no thread.  A smaller
 * history_bytes counts as HISTORY_BYTES_MIN.  Enters the calling thread.  Returns as store_init; NULL is fine for
 * store_destroy. */
int store_create(struct store **ret_store, size_t history_bytes);
void store_destroy(struct store *store);

/* Makes the table of aliases from the events that a history has, and from store->told, for one that is only read; again, when
 * their times have changed.  Returns 0, or -ENOMEM: the answers would be wrong. */
int store_read_aliases(struct store *store);

/* The aliases of another store count for an empty one: it has the same nodes at the same indices, and lives longer.  Events of
 * kind alias that are appended here change nothing. */
void store_borrow_aliases(struct store *store, const struct store *other);

/* Notes an alias without its event. */
void store_note_alias(struct store *store, uint32_t node, const struct trace_event *event);

/* What summaries ask who is who, by a picture, which must live as long; NULL for a NULL picture: nobody has several ids. */
const struct history_who *store_who(const struct alias_picture *picture, struct history_who *who);

/* ---- loading: the appending thread --------------------------------------------------------------------------------------- */

/* Adds a node.  state: NODE_LIVE or NODE_UNKNOWN, shown by `nodes` until store_end_node.  Returns 0, -EINVAL for another state,
 * or -ENOSPC as nodes_add. */
int store_add_node(struct store *store, const struct node_info *info, enum node_state state, uint32_t *ret_node);

/* Adds a description of an application of this node.  Any more than TRACE_APPS_MAX are ignored. */
void store_add_app(struct store *store, uint32_t node, const struct trace_app *app);

/* Adds aliases whose events need not be there, as aliases_add; those that are known change nothing.  Sorts the list. */
void store_add_aliases(struct store *store, struct alias *list, size_t count);

/* Appends events of one lane of a node; their timestamps are Unix nanoseconds.  Keeps the node's counters: an event of kind
 * events_lost counts as the losses that it states, any other as emitted and indexed.  (A caller that knows the node's own
 * counters may overwrite them in nodes_at(store->nodes, node).)  Returns 0; -EINVAL when there is no such node or lane is above
 * 255; or -ENOMEM. */
int store_append(struct store *store, uint32_t node, uint32_t lane, const struct trace_event *events, size_t count);

/* The node is gone; store_append has got its last event.  state: NODE_EXITED, NODE_CRASHED or NODE_UNKNOWN. */
void store_end_node(struct store *store, uint32_t node, enum node_state state);

/* Nothing is added from here on: "now" stays at now_ns, or for 0 at the newest event (1 ns after it, so that the time up to now
 * includes it).  Nodes keep their state. */
void store_close(struct store *store, uint64_t now_ns);

/* ---- any thread ---------------------------------------------------------------------------------------------------------- */

/* The origin of relative times, in Unix ns: the clock, or the end of a closed store. */
uint64_t store_now_ns(const struct store *store);

#endif
