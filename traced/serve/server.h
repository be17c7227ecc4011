/* SPDX-License-Identifier: MIT
 *
 * The server: the listening socket, its connections, and whose turn it is.  Everything here but server_wake is for the loop's
 * thread.
 *
 * A connection waits in one queue with lines to answer, and in another with events to send.  In each round of the loop first all
 * lines get a turn, then the events, and each of the two a bounded amount of work (limits.h), in equal shares for each
 * connection;
 * what one does not need is the others'.  Between two rounds the loop looks at its sockets.  So no client, no burst of events
 * and no filter delays a request by more than a round, and a subscription whose filter takes more than its share falls behind
 * alone. */
#ifndef TRACED_SERVER_H
#define TRACED_SERVER_H

#include "credentials.h"
#include "lanes.h"
#include "service.h"
#include "turns.h"
#include <proto/text.h>
#include <uv.h>

struct connection;

struct server_counters {
    uint64_t accepted, refused, requests, errors;
    uint64_t events_notified, events_dropped; /* of subscriptions: sent, and evicted before they could be */
    /* How often a limit of limits.h was reached; descriptors: how often accepting paused; memory: answers that ran out of it. */
    struct {
        uint64_t clients, subscriptions, line_bytes, answer_bytes, held_bytes, memory, descriptors;
    } limits;
};

struct server {
    struct service *service;
    uv_loop_t *loop;
    uv_poll_t listener;
    uv_timer_t accept_pause, stop_limit;
    uv_async_t wake;
    uv_idle_t again; /* active while clients wait for a turn */
    uv_signal_t signals[3];
    int listen_fd;
    gid_t group; /* who is served besides this user and root; CREDENTIALS_NO_GROUP: nobody */
    bool accepting, accept_paused, stopping;
    void (*on_stop)(void *arg); /* stops the ingest; no event comes after it */
    void *on_stop_arg;
    struct connection *connections; /* all of them, newest first */
    uint32_t connection_count, subscription_count;
    size_t held_bytes;       /* by all clients that are not closing */
    struct turns asks, news; /* connections with lines to answer, and with events to send */
    uint64_t stop_until_ms;
    struct lanes lanes;
    unsigned renewals;         /* of subscriptions' filters, on the pool */
    struct trace_text scratch; /* one notification at a time */
    struct server_counters counters;
};

/* Prepares the handles on `loop`.  listen_fd stays the caller's.  group: see credentials_may_enter.  Returns 0, or a negative
 * errno: then the process should end. */
int server_init(struct server *server, uv_loop_t *loop, struct service *service, int listen_fd, gid_t group);

/* What to call when a signal asks to stop, before pending answers are sent. */
void server_set_on_stop(struct server *server, void (*on_stop)(void *arg), void *arg);

/* From any thread: there are new events. */
void server_wake(struct server *server);

/* Stops: accepts no connections and no requests, answers and sends what is under way for at most LIMIT_STOP_FLUSH_MS, then
 * closes all handles, so that uv_run returns.  A second call does not wait. */
void server_stop(struct server *server);

/* Frees memory, after uv_run has returned. */
void server_fini(struct server *server);

/* ---- for connection.c ------------------------------------------------------------------------------------------------------ */

/* Puts a connection's turn in one of the queues, unless it is there. */
void server_want_turn(struct server *server, struct turns *turns, struct turn *turn);
/* A connection is gone, and its descriptor with it. */
void server_connection_gone(struct server *server);

#endif
