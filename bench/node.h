/* SPDX-License-Identifier: MIT
 *
 * A node of the benchmark's own, which emits what a QUIC node does: packets sent and received, now and then a loss, stream data and a
 * sample of the path.  1,000 peers; 20 events a trace, spread over the 20,000 events that its 1,000 contemporaries make with it. */
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include "daemon.h"

#include <p2ptrace/trace.h>

#define BENCH_TRACE_EVENTS 20
#define BENCH_TRACES_AT_ONCE 1000

struct bench_node {
    struct trace_log *log;
    struct trace_node_id id;
    uint64_t emitted;
};

/* Opens its log, with lanes of lane_events, and hands it to the daemon, which has attached to it when this returns.  Emit in this thread: it has
 * the first lane. */
void bench_node_open(struct bench_node *node, struct daemon *daemon, uint32_t lane_events);
void bench_node_close(struct bench_node *node);

/* As fast as it can. */
void bench_node_emit(struct bench_node *node, uint64_t count);

/* `rate` events a second from now on until `end_ns` (bench_now_ns), those of each period together.  Between two periods it sleeps, or spins
 * where the period is too short to sleep.  When it could not go on for a while it makes up for that. */
void bench_node_emit_paced(struct bench_node *node, double rate, uint64_t period_ns, uint64_t end_ns);

/* `count` events, never more at a time than the ring holds: none is lost. */
void bench_node_emit_all(struct bench_node *node, struct daemon *daemon, uint64_t count);

/* The trace of its n-th event, counted from 0. */
struct trace_id bench_node_trace(const struct bench_node *node, uint64_t event);

#endif
