/* SPDX-License-Identifier: MIT
 *
 * One line from a client and its answer: a request, or a batch of requests that are carried out one after another.
 *
 * A connection has one exchange at a time; further lines wait in its input.  This keeps answers in order, gives a client at
 * most one thread of the pool, and makes a client that asks too fast wait, without an error.
 *
 * The connection calls exchange_begin, and exchange_go_on as long as the exchange is `busy` and not `working`.  Once it is not
 * `busy`, the connection sends `out` if there is an answer, and calls exchange_drop. */
#ifndef TRACED_EXCHANGE_H
#define TRACED_EXCHANGE_H

#include "methods.h"

struct exchange {
    struct job job; /* the request under way, while it is on the pool */
    /* The connection sets these once. */
    struct clients *clients;
    struct subscriptions *subscriptions;
    int64_t client;                                 /* who asks (credentials_client) */
    void (*on_off_pool)(struct exchange *exchange); /* it is no longer `working` */

    struct trace_rpc_line line;
    size_t next;            /* the request under way */
    bool answered;          /* `out` has an answer: when it is not `busy`, a whole line */
    bool busy;              /* the line is not answered yet */
    bool working;           /* `call` is on the pool, or waits for it: only the pool thread touches it and `out` */
    bool too_long;          /* it took more than a short request may, and must begin again as a long one */
    bool failed;            /* the pool did not run it: there will be no answer */
    _Atomic bool abandoned; /* the connection is closed */
    size_t before, result;  /* where the answer under way begins in `out`, and its result */
    struct trace_text out;
    struct trace_rpc_request request;
    const struct method *own_method;     /* of traced; or else */
    const struct ask_method *ask_method; /* of the store */
    struct call call;
    bool short_of_memory; /* memory ran out while the answer was made */
};

/* Begins to answer a line.  Returns the work that it took on the loop's thread, in units of struct history_work. */
uint64_t exchange_begin(struct exchange *exchange, const char *line, size_t bytes);

/* Goes on with a line that is `busy` and not `working`.  Returns as exchange_begin does. */
uint64_t exchange_go_on(struct exchange *exchange);

/* Answers a line that is too long.  Returns as exchange_begin does. */
uint64_t exchange_refuse_line(struct exchange *exchange);

/* The connection is closed: a request that has not begun does not begin, and a long one ends soon.  The exchange may still be
 * `working`; then on_off_pool is called later. */
void exchange_cancel(struct exchange *exchange);

/* Frees the line and its answer.  Not while it is `working`. */
void exchange_drop(struct exchange *exchange);

#endif
