/* SPDX-License-Identifier: MIT
 *
 * The node table: every log that traced has seen and still knows.  Written by the ingest thread, read by all.
 *
 * An entry is reused only when its node is gone and no event of it is left in the history; its index is what the history keeps
 * with each event.  Constant fields are set before `used` is published; counters are single words, read relaxed, each exact at
 * the end of a drain. */
#ifndef TRACED_NODES_H
#define TRACED_NODES_H

#include <libtrace/reader.h>
#include <p2ptrace/app.h>
#include <p2ptrace/event.h>
#include <stdatomic.h>
#include <stdbool.h>

#define NODES_MAX 4096

enum node_state { NODE_LIVE, NODE_EXITED, NODE_CRASHED, NODE_REJECTED };

struct node {
    /* constant once published */
    struct trace_reader_info info; /* for a rejected object only node_name (the object's name) is meant */
    uint64_t started_unix_ns;
    enum trace_attach_fault fault;
    /* counters, written by the ingest thread */
    _Atomic uint32_t state; /* enum node_state */
    _Atomic uint64_t emitted, indexed, unfinished;
    _Atomic uint64_t lost[TRACE_LOSS_COUNT];
    _Atomic uint64_t last_unix_ns; /* 0: none yet */
    _Atomic uint32_t lanes_used;
    /* app descriptions, in the order of registration; app_count is stored with release after the description */
    _Atomic uint32_t app_count;
    struct trace_app apps[TRACE_APPS_MAX];
};

struct nodes;

int nodes_create(struct nodes **ret_nodes);
void nodes_destroy(struct nodes *nodes);

/* Number of indices ever used: entries are 0 ... count - 1. */
uint32_t nodes_count(const struct nodes *nodes);

/* The entry, or NULL when it is not in use.  Valid inside rcu_read_lock(). */
struct node *nodes_at(const struct nodes *nodes, uint32_t index);

/* A node's description of an application, or NULL. */
const struct trace_app *nodes_app(const struct node *node, const char app_id[4]);

#endif
