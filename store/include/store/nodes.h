/* SPDX-License-Identifier: MIT
 *
 * The node table: every log that the store has seen and still knows.  One thread writes it (the one that appends to the history),
 * any thread reads it.
 *
 * An entry is reused only when its node is gone and the history has no event of it left; the history keeps the entry's index with
 * each event.  Constant fields are set before `used` is published.  Counters are single words, read relaxed, each exact at the
 * end of a drain.  All address space is reserved at create, but memory is used only for entries in use. */
#ifndef STORE_NODES_H
#define STORE_NODES_H

#include <p2ptrace/app.h>
#include <p2ptrace/event.h>
#include <p2ptrace/shm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <store/clock_steps.h>
#include <store/machine.h>

#define NODES_MAX 4096

/* Words of a bit set of node indices. */
#define NODES_SET_WORDS (NODES_MAX / 64)

/* Once this many indices are in use, dead nodes without events (longest dead first) are forgotten before new indices are used. */
#define NODES_KEPT 256

/* The maximum number of rejected objects with an entry; further ones are only counted. */
#define NODES_REJECTED_MAX 64

/* Why an object was rejected, in words, with its NUL. */
#define NODES_REASON_BYTES 96

enum node_state {
    NODE_LIVE,
    NODE_EXITED,   /* it closed its log */
    NODE_CRASHED,  /* it ended without closing its log */
    NODE_REJECTED, /* its log could not be read */
    NODE_UNKNOWN,  /* its events come from a source that does not say */
};

/* What a node is. */
struct node_info {
    struct trace_node_id node_id; /* zero: not known */
    char node_name[TRACE_NODE_NAME_BYTES +
                   1];        /* valid UTF-8 without control characters; of a rejected object, the object's name */
    struct machine machine;   /* whose clock its times have; zero: not known */
    int32_t pid;              /* 0: not known */
    uint64_t log;             /* distinguishes the logs of one node: different at each start */
    uint64_t started_unix_ns; /* 0: not known */
    bool has_ring;            /* the following are known */
    uint32_t lane_count, lane_events;
    uint64_t ring_bytes;
    enum trace_policy policy;
    enum trace_clock_source clock_source;
    uint64_t control; /* when it was added; node->control follows its changes */
};

struct node {
    struct node_info info; /* constant once published */
    /* Written by the appending thread.  `reason` is written once, before NODE_REJECTED is stored with release. */
    _Atomic uint32_t state; /* enum node_state */
    char reason[NODES_REASON_BYTES];
    _Atomic uint64_t emitted, indexed, unfinished;
    _Atomic uint64_t lost[TRACE_LOSS_COUNT];
    _Atomic uint64_t last_unix_ns; /* of its newest event; 0: none yet */
    /* Of a log that has ended: it had not at `after`, and had at `by` (the same if it says itself when it was closed).  Unix
     * time; 0: nobody saw it live, so that only its newest event is known.  In a recording, of one that had not: `after` is when
     * that was recorded, and `by` is 0. */
    _Atomic uint64_t ended_after_ns, ended_by_ns;
    _Atomic uint32_t lanes_used;
    _Atomic uint64_t control; /* while it is live: its ring's control word (p2ptrace/shm.h) */
    /* App descriptions, in the order of registration.  app_count is stored with release after the description. */
    _Atomic uint32_t app_count;
    const struct trace_app *apps[TRACE_APPS_MAX];
};

struct history;
struct nodes;

/* history: holds the nodes' events.  It is informed when nodes come and go, and asked whether it still has events of a node.
 * NULL: there is none. */
int nodes_create(struct nodes **ret_nodes, struct history *history);
void nodes_destroy(struct nodes *nodes);

/* The memory of a table with every index in use. */
size_t nodes_bytes(void);

/* ---- the appending thread ----------------------------------------------------------------------------------------------- */

/* Makes an entry.  state: NODE_LIVE or NODE_UNKNOWN; or NODE_REJECTED, with a reason (else NULL), which is copied.
 * history_begin_position: the position of the oldest event in the history; it determines which dead nodes may be forgotten.
 * May wait for readers that hold an RCU read lock.  Returns 0; or -ENOSPC when every index belongs to a node that is not dead
 * or has events in the history, or when NODES_REJECTED_MAX is reached. */
int nodes_add(struct nodes *nodes, const struct node_info *info, enum node_state state, const char *reason,
              uint64_t history_begin_position, uint32_t *ret_index);

/* The node is gone, and nothing more will be appended for it.  reason: for NODE_REJECTED, else NULL. history_end_position: the
 * position after its last event. */
void nodes_end(struct nodes *nodes, uint32_t index, enum node_state state, const char *reason, uint64_t history_end_position);

/* Before nodes_end, or for an entry that nobody else uses: when the log ended.  It did not before its newest event. */
void nodes_set_ended(struct node *node, uint64_t after_ns, uint64_t by_ns);

/* The same as nodes_set_ended for a log that says when it was closed.  Changes nothing if that cannot be: if it was before the
 * log's newest event or after by_ns, when it was known to have ended. */
void nodes_set_closed(struct node *node, uint64_t closed_ns, uint64_t by_ns);

/* For an entry that nobody else uses: it had not ended at that time, and nobody says whether it has since. */
void nodes_set_alive(struct node *node, uint64_t at_ns);

/* Removes an entry without events from the table: the rejected object is gone. */
void nodes_forget(struct nodes *nodes, uint32_t index);

/* Adds a copy of a description.  Any more than TRACE_APPS_MAX are ignored.  Returns 0, or -ENOMEM: then it is missing. */
int nodes_add_app(struct nodes *nodes, uint32_t index, const struct trace_app *app);

/* Puts an entry without applications at an index of the caller's choice, below NODES_MAX, which was never used: for a table
 * that is read from a recording, by the only thread that uses it. */
void nodes_put(struct nodes *nodes, uint32_t index, const struct node *node);

/* ---- any thread --------------------------------------------------------------------------------------------------------- */

/* The steps of the clocks of the machines that nodes ran on.  As long as the table. */
struct clock_steps *nodes_clock_steps(struct nodes *nodes);

/* Changes whenever an entry is added. */
uint64_t nodes_generation(const struct nodes *nodes);

/* Changes whenever a node has ended, or was rejected later. */
uint64_t nodes_deaths(const struct nodes *nodes);

/* Number of indices ever used: entries are 0 ... count - 1. */
uint32_t nodes_count(const struct nodes *nodes);

/* The entry, or NULL when it is not in use.  Valid inside rcu_read_lock(). */
struct node *nodes_at(const struct nodes *nodes, uint32_t index);

/* A node's description of an application, or NULL. */
const struct trace_app *nodes_app(const struct node *node, const char app_id[4]);

/* The node's description of the event's application; NULL when there is none, or when the event is not an application's. */
const struct trace_app *nodes_event_app(const struct node *node, const struct trace_event *event);

/* Until when its log is known to have been live, in Unix time; UINT64_MAX while it is. */
uint64_t nodes_live_until(const struct node *node);

/* False for the zero id of an object that was rejected before its header was checked. */
bool nodes_id_is_known(const struct trace_node_id *id);

#endif
