/* SPDX-License-Identifier: MIT
 *
 * One line from a client and its answer: a request, or a batch of requests that are carried out one after another.
 *
 * A connection has one exchange at a time; further lines wait in its input.  This keeps answers in order, gives a client at
 * most one thread of the pool, and makes a client that asks too fast wait, without an error. */
#ifndef TRACED_EXCHANGE_H
#define TRACED_EXCHANGE_H

#include "lanes.h"
#include "methods.h"

struct exchange {
    struct job job; /* the request under way, while it is on the pool */
    struct connection *connection;
    struct trace_rpc_line line;
    size_t next;            /* the request under way */
    bool answered;          /* `out` has an answer */
    bool busy;              /* the line is not answered yet */
    bool working;           /* `call` is on the pool, or waits for it: only the pool thread touches it and `out` */
    bool too_long;          /* it took more than a short request may, and must begin anew as a long one */
    _Atomic bool abandoned; /* nobody wants the answer any more */
    size_t before, result;  /* where the answer under way begins in `out`, and its result */
    struct trace_text out;
    struct trace_rpc_request request;
    const struct method *own_method;     /* of traced; or else */
    const struct ask_method *ask_method; /* of the store */
    struct call call;
    bool short_of_memory; /* memory ran out while the answer was made */
};

/* Answers one line, now or, when `exchange->busy` afterwards, later: connection_exchange_done is called once it is off the pool,
 * and exchange_go_on must be.  Returns what it took of the loop's thread, in units of struct history_work. */
uint64_t exchange_begin(struct exchange *exchange, struct connection *connection, const char *line, size_t bytes);

/* Goes on with a line that is `busy` and not `working`. */
uint64_t exchange_go_on(struct exchange *exchange);

/* Answers a line that is too long. */
void exchange_refuse_line(struct connection *connection);

/* The connection is closed: a request that has not begun does not begin, and a long one ends soon.  The exchange may still be
 * `working`. */
void exchange_cancel(struct exchange *exchange);

/* Drops an exchange that is not on the pool. */
void exchange_drop(struct exchange *exchange);

#endif
