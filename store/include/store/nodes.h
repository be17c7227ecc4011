/* SPDX-License-Identifier: MIT
 *
 * The node table: every log that traced has seen and still knows.  Written by the ingest thread, read by all.
 *
 * An entry is reused only when its node is gone and no event of it is left in the history; its index is what the history keeps
 * with each event.  Constant fields are set before `used` is published; counters are single words, read relaxed, each exact at
 * the end of a drain.  All memory is taken at create, but pages are only touched with the entries that lie on them. */
#ifndef STORE_NODES_H
#define STORE_NODES_H

#include <libtrace/reader.h>
#include <p2ptrace/app.h>
#include <p2ptrace/event.h>
#include <stdatomic.h>
#include <stdbool.h>

#define NODES_MAX 4096

/* Once this many indices are in use, dead nodes without events are forgotten, longest dead first, before new indices are taken.
 */
#define NODES_KEPT 256

/* Rejected objects that may have an entry; more are only counted. */
#define NODES_REJECTED_MAX 64

enum node_state { NODE_LIVE, NODE_EXITED, NODE_CRASHED, NODE_REJECTED };

struct node {
    /* constant once published */
    struct trace_reader_info info; /* for a rejected object only node_name (the object's name) is meant */
    uint64_t started_unix_ns;
    /* written by the ingest thread; fault is set before a state of NODE_REJECTED is stored with release */
    _Atomic uint32_t state; /* enum node_state */
    _Atomic uint32_t fault; /* enum trace_attach_fault: why it was rejected, also later (its object shrank) */
    _Atomic uint64_t emitted, indexed, unfinished;
    _Atomic uint64_t lost[TRACE_LOSS_COUNT];
    _Atomic uint64_t last_unix_ns; /* 0: none yet */
    _Atomic uint32_t lanes_used;
    _Atomic uint64_t control; /* while it lives: its ring's control word (p2ptrace/shm.h) */
    /* app descriptions, in the order of registration; app_count is stored with release after the description */
    _Atomic uint32_t app_count;
    struct trace_app apps[TRACE_APPS_MAX];
};

struct nodes;

int nodes_create(struct nodes **ret_nodes);
void nodes_destroy(struct nodes *nodes);

/* The memory of a table whose indices were all used. */
size_t nodes_bytes(void);

/* ---- ingest thread ------------------------------------------------------------------------------------------------------ */

/* Makes an entry: NODE_LIVE, or NODE_REJECTED with a fault.  history_begin: the position of the oldest event that the history
 * has; it decides which dead nodes may be forgotten.  May wait for readers that hold an RCU read lock. Returns 0, or -ENOSPC when
 * every index belongs to a node that is live, or has events in the history, or when a rejected object is one too many. */
int nodes_add(struct nodes *nodes, const struct trace_reader_info *info, uint64_t started_unix_ns, enum trace_attach_fault fault,
              uint64_t history_begin, uint32_t *ret_index);

/* The node is gone, and its reader too.  history_end: the position behind its last event. */
void nodes_end(struct nodes *nodes, uint32_t index, enum node_state state, enum trace_attach_fault fault, uint64_t history_end);

/* Takes an entry without events out of the table: the name of a rejected object has gone. */
void nodes_forget(struct nodes *nodes, uint32_t index);

/* Adds a description.  One more than TRACE_APPS_MAX is ignored. */
void nodes_add_app(struct nodes *nodes, uint32_t index, const struct trace_app *app);

/* ---- any thread --------------------------------------------------------------------------------------------------------- */

/* Another number than before once an entry has been added. */
uint64_t nodes_generation(const struct nodes *nodes);

/* Number of indices ever used: entries are 0 ... count - 1. */
uint32_t nodes_count(const struct nodes *nodes);

/* The entry, or NULL when it is not in use.  Valid inside rcu_read_lock(). */
struct node *nodes_at(const struct nodes *nodes, uint32_t index);

/* A node's description of an application, or NULL. */
const struct trace_app *nodes_app(const struct node *node, const char app_id[4]);

#endif
