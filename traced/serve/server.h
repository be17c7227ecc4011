/* SPDX-License-Identifier: MIT
 *
 * The server: the listening socket, its connections, and their turns.  All functions but server_wake belong to the loop's
 * thread.
 *
 * A connection with lines to answer waits in one queue, and one with output or events to send in another.  In each round, the
 * loop serves first the lines, then the others.  Each of the two gets a bounded amount of work (traced_limits.h), shared equally
 * among the connections; what one does not use, the others get.  Between two rounds the loop looks at its sockets, and only reads
 * from them.  So no client, no burst of events and no filter delays a request by more than a round, and a subscription whose
 * filter takes more than its share falls behind alone.
 *
 * The ingest may need the processor that subscriptions use.  So while a ring is filling up, they get a small share for each of
 * its passes, and the loop sleeps in between. */
#ifndef TRACED_SERVER_H
#define TRACED_SERVER_H

#include "clients.h"
#include "credentials.h"

/* Lines of the log that clients can cause. */
enum server_says { SERVER_SAYS_REFUSED, SERVER_SAYS_PAUSED, SERVER_SAYS_UNSERVED, SERVER_SAYS };

struct server {
    struct clients clients;
    uv_poll_t listener;
    uv_timer_t accept_pause, stop_limit;
    uv_async_t wake;
    uv_signal_t signals[3];
    int listen_fd;
    gid_t group; /* the group served besides this user and root; CREDENTIALS_NO_GROUP: none */
    bool accepting, accept_paused;
    struct {
        uint64_t until_ms; /* no further line until then */
        uint64_t unsaid;
    } said[SERVER_SAYS];
    void (*on_stop)(void *arg); /* stops the ingest; no event comes after it */
    void *on_stop_arg;
    uint64_t stop_until_ms;
};

/* Prepares the handles on `loop`.  listen_fd stays the caller's.  group: see credentials_may_enter.  Returns 0, or a negative
 * errno: then the process should end. */
int server_init(struct server *server, uv_loop_t *loop, struct service *service, int listen_fd, gid_t group);

/* Sets what to call when a stop signal comes, before pending answers are sent. */
void server_set_on_stop(struct server *server, void (*on_stop)(void *arg), void *arg);

/* From any thread: there are new events. */
void server_wake(struct server *server);

/* Stops: accepts no connections and no requests, finishes and sends pending answers for at most LIMIT_STOP_FLUSH_MS, then
 * closes all handles, so that uv_run returns.  A second call does not wait. */
void server_stop(struct server *server);

/* Frees memory, after uv_run has returned. */
void server_fini(struct server *server);

#endif
