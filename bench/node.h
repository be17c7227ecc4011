/* SPDX-License-Identifier: MIT
 *
 * The benchmark's node, which emits what a QUIC node does: packets sent and received, now and then a loss, stream
 * data and a sample of the path.  1,000 peers; 20 events a trace, mixed with those of 1,000 other traces over 20,000
 * events. */
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include "daemon.h"

#include <p2ptrace/trace.h>
#include <stdatomic.h>

#define BENCH_TRACE_EVENTS 20
#define BENCH_TRACES_AT_ONCE 1000

struct bench_node {
    struct trace_log *log;
    struct trace_node_id id;
    _Atomic uint64_t emitted; /* written by the emitting thread; others may read it */
};

/* Opens its log, with lanes of lane_events, and passes it to the daemon, which has attached to it when this returns.  One
 * thread at a time may emit. */
void bench_node_open(struct bench_node *node, struct daemon *daemon, uint32_t lane_events);
void bench_node_close(struct bench_node *node);

/* As fast as it can. */
void bench_node_emit(struct bench_node *node, uint64_t count);

struct bench_pace {
    double rate;        /* events a second */
    uint64_t period_ns; /* one period's events are emitted together; between periods it sleeps, or spins if too short for that */
    uint64_t end_ns;    /* bench_now_ns */
};

/* From now until the end.  After a delay it catches up. */
void bench_node_emit_paced(struct bench_node *node, const struct bench_pace *pace);

/* `count` events, never more at a time than the ring holds, so none is lost. */
void bench_node_emit_all(struct bench_node *node, struct daemon *daemon, uint64_t count);

/* The params of a query for the trace of its n-th event, counted from 0. */
#define BENCH_TRACE_PARAMS_BYTES 64
void bench_node_trace_params(const struct bench_node *node, uint64_t event, char ret_params[BENCH_TRACE_PARAMS_BYTES]);

#endif
