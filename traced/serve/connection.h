/* SPDX-License-Identifier: MIT
 *
 * A connection: lines in, lines out, and its subscriptions.  Loop's thread only.
 *
 * Memory is bounded.  Input is at most one line.  Output stops growing at LIMIT_OUTPUT_BYTES plus one answer.  A notification is
 * written only when the client has read everything before it.  LIMIT_HELD_BYTES bounds what all connections hold together.  Above
 * it, the server closes the connection that has read nothing for the longest time, preferably one that holds more than
 * LIMIT_OUTPUT_BYTES.
 *
 * A connection is freed when its handle is closed and its exchange is not on the pool. */
#ifndef TRACED_CONNECTION_H
#define TRACED_CONNECTION_H

#include "credentials.h"
#include "exchange.h"
#include "traced_limits.h"

struct output; /* bytes not sent yet */

struct connection {
    uv_poll_t poll;
    struct clients *clients;
    struct connection *previous, *next; /* of all clients */
    struct turn asks, news;             /* for its lines, and for its output and subscriptions */
    int fd;
    bool is_guest; /* of another user (credentials.h) */
    int polled;    /* events asked for, -1: none yet */

    char *input; /* grows up to LIMIT_LINE_BYTES + 1 */
    size_t input_bytes, input_begin, input_end, input_scanned;
    bool skipping; /* until the end of an over-long line */
    bool ended;    /* the client will send no more */

    struct output *output, **output_last;
    size_t output_bytes;
    size_t held_bytes;    /* input and output; subscriptions.held_bytes comes on top */
    uint64_t progress_ms; /* when it last took an answer or sent a line */

    struct exchange exchange;
    bool closing, closed;

    struct subscriptions subscriptions;
};

/* Takes ownership of fd.  credentials: whose it is.  Returns 0 or a negative errno; then fd is closed. */
int connection_create(struct clients *clients, int fd, const struct credentials *credentials);

/* Begins to close it.  Further calls do nothing. */
void connection_close(struct connection *connection);

/* Its turn to have lines answered, for up to LIMIT_ANSWER_WORK.  Returns the work done. */
uint64_t connection_answer(struct connection *connection);

/* Its turn to send: first what is left of earlier lines, for up to LIMIT_ANSWER_WORK; then events, for which its subscriptions
 * share work_max equally.  Returns the work done. */
uint64_t connection_send(struct connection *connection, uint64_t work_max);

/* Puts it in the queue for that. */
void connection_want_news(struct connection *connection);

/* Should it be given notifications? */
static inline bool connection_takes_news(const struct connection *connection) {
    return !connection->closing && !connection->output_bytes;
}

/* No request runs and nothing is left to send: a server that stops need not wait for it. */
bool connection_is_idle(const struct connection *connection);

#endif
