/* SPDX-License-Identifier: MIT
 *
 * What all clients of the socket share: the service, the queues for turns, the pool, their total memory, and the counters.
 * Loop's thread only.
 *
 * The files of this folder include each other one way:
 *
 *     server -> connection -> exchange -> methods -> subscriptions -> clients
 *
 * A lower one reaches a higher one only through callbacks. */
#ifndef TRACED_CLIENTS_H
#define TRACED_CLIENTS_H

#include "lanes.h"
#include "service.h"
#include "turns.h"
#include <proto/text.h>
#include <uv.h>

struct connection;

struct clients_counters {
    uint64_t accepted, refused, requests, errors;
    uint64_t events_notified, events_dropped; /* of subscriptions: sent, and evicted before they could be sent */
    /* How often a limit of traced_limits.h was reached.  descriptors: how often accepting paused; memory: answers that ran out
     * of it. */
    struct {
        uint64_t clients, subscriptions, line_bytes, answer_bytes, held_bytes, memory, descriptors;
    } limits;
};

struct clients {
    struct service *service;
    uv_loop_t *loop;
    uv_idle_cb run_turns;             /* on `again`: serves the waiting connections */
    void (*on_gone)(void *again_arg); /* a connection and its descriptor are closed; gets again.data */
    bool stopping;                    /* no further line is read or answered */
    bool woken;                       /* by the ingest, since the last round */
    struct connection *connections;   /* all of them, newest first */
    uint32_t connection_count, subscription_count;
    uint32_t guest_count;    /* connections of other users */
    size_t held_bytes;       /* by all clients that are not closing */
    struct turns asks, news; /* connections with lines to answer, and with output or events to send */
    uv_idle_t again;         /* active while clients wait for a turn */
    struct lanes lanes;
    unsigned renewals;         /* of subscriptions' filters, on the pool */
    struct trace_text scratch; /* one notification at a time */
    struct clients_counters counters;
};

/* Puts a connection's turn in one of the two queues, unless it is there already. */
static inline void clients_want_turn(struct clients *clients, struct turns *turns, struct turn *turn) {
    turns_want(turns, turn);
    uv_idle_start(&clients->again, clients->run_turns);
}

#endif
