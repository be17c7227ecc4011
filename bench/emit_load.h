/* SPDX-License-Identifier: MIT
 *
 * What bench_emit.c and peers/peers.c measure: one payload, the loop that emits it, and the floor below
 * it.
 *
 * Every event is a packet_sent with a context and a peer: all 128 bytes, with a trace id, a peer id and data that change from
 * event to event.
 *
 * The floor is the least work that puts the same event into a ring of the same size: read the same clock, store
 * the same 128 bytes into the next of 65536 slots of shared memory, and store the mark last, with release.  No log, no mask,
 * no sampling, no reservation, no busy mark, no reader.  It is measured with and without the prefetch that the library uses,
 * and the faster of the two is the floor. */
#ifndef BENCH_EMIT_LOAD_H
#define BENCH_EMIT_LOAD_H

#include "bench.h"

#include <p2ptrace/trace.h>

#define EMIT_EVENTS (4U * TRACE_LANE_EVENTS) /* in one repetition: 4 laps of the ring, some milliseconds */
#define EMIT_REPETITIONS 101

/* 64 requests and 64 peers, in memory like those of a program's connections.  They are made once: reading a context
 * that was just written would measure the processor's store forwarding. */
#define EMIT_VARIETY 64U

struct emit_payload {
    struct trace_context contexts[EMIT_VARIETY];
    struct trace_node_id peers[EMIT_VARIETY];
    uint64_t number;
};

void emit_payload_init(struct emit_payload *payload);

static inline const struct trace_context *emit_payload_context(const struct emit_payload *payload) {
    return &payload->contexts[payload->number % EMIT_VARIETY];
}
static inline const struct trace_node_id *emit_payload_peer(const struct emit_payload *payload) {
    return &payload->peers[payload->number % EMIT_VARIETY];
}
static inline uint32_t emit_payload_size(const struct emit_payload *payload) { return 1200 + (uint32_t)(payload->number & 63); }

struct trace_node_id emit_node_id_new(void);

/* A log for a node of this id; control as in struct trace_log_options.  hidden: no traced on this machine can read it.  Ends
 * the benchmark when it cannot be opened. */
struct trace_log *emit_log_open(const struct trace_node_id *node_id, uint64_t control, bool hidden);

/* A loop of `count` events, each with the next payload, into whatever `target` is. */
typedef void emit_loop(void *target, struct emit_payload *payload, unsigned count);

emit_loop emit_log_events; /* target: a struct trace_log */

struct emit_floor; /* a ring of the floor */
struct emit_floor *emit_floor_open(void);
void emit_floor_close(struct emit_floor *floor);
emit_loop emit_floor_events; /* target: a struct emit_floor */

/* A reader of the floor, in another thread: copies the events from this position on, and returns the position of the next. */
uint64_t emit_floor_read(const struct emit_floor *floor, uint64_t position);

/* One of the things that alternate. */
struct emit_turn {
    emit_loop *loop;
    void *target;
    struct bench_series *series; /* ns of processor time for an event */
};

/* Measures each of turns[] and both forms of the floor alternately, after a lap of each to warm up; copies the faster floor to
 * `floor`.  settle, if not NULL, is called before each turn; the turn's loop then runs once more
 * before it is measured, to wake its reader; neither is measured. */
void emit_measure(struct bench *bench, const struct emit_turn turns[], unsigned turn_count, void (*settle)(void),
                  struct bench_series *floor);

#endif
