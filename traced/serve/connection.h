/* SPDX-License-Identifier: MIT
 *
 * A connection: lines in, lines out, and its subscriptions.  Loop's thread only.
 *
 * Memory is bounded: input is one line long at most, output stops growing at LIMIT_OUTPUT_BYTES and one answer, and a notification is
 * only made when everything before it was taken.  What all clients hold together is bounded by LIMIT_HELD_BYTES: above it, of those
 * that hold more than LIMIT_OUTPUT_BYTES (else of all) the one that has taken nothing for the longest time is closed.  A client is freed when its handle is closed and no exchange of it is on the
 * pool. */
#ifndef TRACED_CONNECTION_H
#define TRACED_CONNECTION_H

#include "exchange.h"
#include "limits.h"
#include "server.h"

struct output; /* bytes that the socket did not take yet */

struct connection {
    uv_poll_t poll;
    struct server *server;
    struct connection *previous, *next; /* of all clients */
    struct connection *turn_next;
    bool has_turn; /* it stands in the queue */
    int fd;
    int polled; /* events asked for, -1: none yet */

    char *input; /* grows up to LIMIT_LINE_BYTES + 1 */
    size_t input_bytes, input_begin, input_end, input_scanned;
    bool skipping; /* until the end of an over-long line */
    bool ended;    /* the client will send no more */

    struct output *output, **output_last;
    size_t output_bytes;
    size_t held_bytes;    /* input, output, and what its subscriptions hold */
    uint64_t progress_ms; /* when it last took or sent something whole */

    struct exchange exchange;
    bool closing, closed;

    struct subscription *subscriptions; /* in the order in which they take turns */
    unsigned subscription_count;
    int64_t subscription_last; /* the newest number */
};

/* Takes fd over.  Returns 0 or a negative errno; then fd is closed. */
int connection_create(struct server *server, int fd);

/* Begins to close; may be called again. */
void connection_close(struct connection *connection);

/* Does a bounded piece of what there is to do; *budget: events that may still be looked at in this round. */
void connection_turn(struct connection *connection, uint32_t *budget);

/* Sends, or keeps what the socket does not take.  The first copies what it keeps, the second takes the text's memory. */
void connection_send(struct connection *connection, const char *bytes, size_t count);
void connection_send_text(struct connection *connection, struct trace_text *text);

/* What it holds grows by that much, or shrinks. */
void connection_hold(struct connection *connection, ptrdiff_t bytes);

/* Should it be given notifications? */
static inline bool connection_takes_news(const struct connection *connection) {
    return !connection->closing && !connection->output_bytes;
}

/* Should its next request be answered? */
static inline bool connection_takes_more(const struct connection *connection) {
    return !connection->closing && connection->output_bytes < LIMIT_OUTPUT_BYTES;
}

/* Nothing under way and nothing left to send: a stopping server need not wait for it. */
bool connection_is_idle(const struct connection *connection);

/* From exchange.c: the exchange that was on the pool is over. */
void connection_exchange_done(struct connection *connection);

#endif
