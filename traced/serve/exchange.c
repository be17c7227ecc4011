/* SPDX-License-Identifier: MIT
 *
 * See exchange.h. */
#include "exchange.h"
#include "connection.h"
#include "footprint.h"
#include "subscribe.h"

#include <errno.h>
#include <string.h>

/* How much an error may add to an answer that is as long as it may be. */
#define ERROR_ROOM (64U << 10)

static void step(struct exchange *exchange);

static void write_error(struct exchange *exchange, const json_t *id, struct trace_rpc_error *error) {
    exchange->connection->server->counters.errors++;
    trace_rpc_write_error(&exchange->out, id, error);
    trace_rpc_error_fini(error);
    *error = (struct trace_rpc_error){0};
}

static void begin_answer(struct exchange *exchange) {
    if (exchange->line.batch) trace_text_puts(&exchange->out, exchange->answered ? "," : "[");
}

/* The request under way is over: there is a result behind `before`, or an error in call.ask. */
static void end_call(struct exchange *exchange) {
    struct call *call = &exchange->call;
    struct trace_rpc_error *error = &call->ask.error;
    struct trace_text *out = &exchange->out;
    if (!error->code) trace_rpc_end(out);
    if (out->failed && !error->code) {
        exchange->connection->server->counters.limits.answer_bytes++;
        ask_fail_too_long(&call->ask);
    }
    if (exchange->request.notification) {
        if (error->code) exchange->connection->server->counters.errors++;
        trace_rpc_error_fini(error);
        out->bytes = exchange->before;
        out->failed = false;
    } else {
        if (error->code) {
            out->bytes = exchange->before;
            out->failed = false;
            out->bytes_max = LIMIT_ANSWER_BYTES + ERROR_ROOM + exchange->line.count * 1024;
            begin_answer(exchange);
            write_error(exchange, exchange->request.id, error);
            out->bytes_max = LIMIT_ANSWER_BYTES;
        }
        exchange->answered = true;
    }
    subscription_destroy(call->subscription);
    *call = (struct call){0};
    exchange->next++;
}

/* An answer may have holes when memory ran out on the way: it becomes an error. */
static void check_memory(struct exchange *exchange) {
    struct trace_rpc_error *error = &exchange->call.ask.error;
    if (!footprint_was_short()) return;
    exchange->short_of_memory = true;
    trace_rpc_error_fini(error);
    trace_rpc_fail(error, TRACE_RPC_LIMIT, NULL, "there is no memory for this answer now: ask for less, or later");
}

static void finish_call(struct exchange *exchange) {
    const struct method *own = exchange->own_method;
    if (!exchange->call.ask.error.code && own && own->finish) own->finish(&exchange->call);
    check_memory(exchange);
    exchange->connection->server->counters.limits.memory += exchange->short_of_memory;
    end_call(exchange);
}

static void work(uv_work_t *request) {
    struct exchange *exchange = request->data;
    store_enter_thread();
    if (exchange->own_method)
        exchange->own_method->work(&exchange->call);
    else
        exchange->ask_method->answer(&exchange->call.ask);
    check_memory(exchange);
}

/* ---- the pool ----------------------------------------------------------------------------------------------------------- */

static void after_work(uv_work_t *request, int status);

static bool to_pool(struct exchange *exchange) {
    struct server *server = exchange->connection->server;
    exchange->work.data = exchange;
    if (uv_queue_work(server->loop, &exchange->work, work, after_work)) return false;
    server->long_count += exchange->is_long;
    return true;
}

/* Requests that may take long have a narrow way of their own to the pool, and go in their order. */
static bool to_pool_or_queue(struct exchange *exchange) {
    struct server *server = exchange->connection->server;
    const struct ask_method *method = exchange->ask_method;
    exchange->is_long = method && method->is_long && method->is_long(&exchange->call.ask);
    if (!exchange->is_long || server->long_count < LIMIT_LONG_REQUESTS) return to_pool(exchange);
    exchange->waits = true;
    exchange->next_waiting = NULL;
    *server->long_last = exchange;
    server->long_last = &exchange->next_waiting;
    return true;
}

static void leave_queue(struct server *server, struct exchange *exchange) {
    struct exchange **at = &server->long_first;
    while (*at != exchange) at = &(*at)->next_waiting;
    *at = exchange->next_waiting;
    if (!*at) server->long_last = at;
    exchange->waits = false;
}

/* A long request has ended. */
static void next_of_queue(struct server *server) {
    struct exchange *exchange = server->long_first;
    server->long_count--;
    if (!exchange) return;
    leave_queue(server, exchange);
    if (to_pool(exchange)) return;
    exchange->working = false;
    connection_close(exchange->connection); /* libuv refuses no work */
}

void exchange_cancel(struct exchange *exchange) {
    if (!exchange->working) return;
    atomic_store(&exchange->abandoned, true);
    if (exchange->waits) {
        leave_queue(exchange->connection->server, exchange);
        exchange->working = false;
    } else {
        uv_cancel((uv_req_t *)&exchange->work); /* if it has not begun */
    }
}

static void after_work(uv_work_t *request, int status) {
    struct exchange *exchange = request->data;
    struct connection *connection = exchange->connection;
    exchange->working = false;
    if (exchange->is_long) next_of_queue(connection->server);
    if (connection->closing || status) {
        exchange_drop(exchange);
    } else {
        finish_call(exchange);
        step(exchange);
    }
    if (!exchange->working) connection_exchange_done(connection); /* may free the client */
}

/* Finds out what is asked for.  Returns 0, or negative with the error. */
static int read_request(struct exchange *exchange) {
    struct trace_rpc_error *error = &exchange->call.ask.error;
    struct trace_rpc_request *request = &exchange->request;
    exchange->own_method = NULL;
    exchange->ask_method = NULL;
    if (trace_rpc_request_get(&exchange->line, exchange->next, request, error)) return -1;
    exchange->call.ask.params = request->params;
    exchange->own_method = methods_find(request->method);
    if (!exchange->own_method) exchange->ask_method = ask_find_method(request->method);
    if (exchange->own_method || exchange->ask_method) return 0;
    return trace_rpc_fail(error, TRACE_RPC_METHOD_NOT_FOUND, json_pack("{so}", "methods", methods_names()),
                          "there is no method \"%.80s\"", request->method);
}

/* Is the rest of the request for the loop's thread? */
static bool is_for_loop(struct exchange *exchange) {
    const struct ask_method *method = exchange->ask_method;
    if (!method) return !exchange->own_method->work;
    return method->answer_small && method->answer_small(&exchange->call.ask) != -EAGAIN;
}

/* Begins the next request.  Returns true when it is on the pool. */
static bool begin_call(struct exchange *exchange) {
    struct connection *connection = exchange->connection;
    struct service *service = connection->server->service;
    exchange->call = (struct call){.ask = {.store = &service->store, .out = &exchange->out, .abandoned = &exchange->abandoned},
                                   .service = service,
                                   .connection = connection,
                                   .subscription_next = connection->subscription_last + 1};
    exchange->before = exchange->out.bytes;
    exchange->short_of_memory = false;
    connection->server->counters.requests++;
    if (read_request(exchange)) {
        end_call(exchange);
        return false;
    }
    begin_answer(exchange);
    trace_rpc_begin_result(&exchange->out, exchange->request.id);
    if (is_for_loop(exchange)) {
        finish_call(exchange);
        return false;
    }
    exchange->working = to_pool_or_queue(exchange);
    if (exchange->working) return true;
    trace_rpc_fail(&exchange->call.ask.error, TRACE_RPC_INTERNAL, NULL, "no worker could be had");
    end_call(exchange);
    return false;
}

/* The answers are on their way: their subscriptions may send notifications from now on. */
static void announce(struct connection *connection) {
    for (struct subscription *s = connection->subscriptions; s; s = s->next) s->announced = true;
    if (connection->subscriptions) server_want_turn(connection->server, connection);
}

static void step(struct exchange *exchange) {
    while (exchange->next < exchange->line.count)
        if (begin_call(exchange)) return;
    struct connection *connection = exchange->connection;
    if (exchange->answered) {
        if (exchange->line.batch) trace_text_puts(&exchange->out, "]");
        trace_text_puts(&exchange->out, "\n");
        if (exchange->out.failed)
            connection_close(connection); /* out of memory even for an error */
        else
            connection_send_text(connection, &exchange->out);
    }
    exchange_drop(exchange);
    announce(connection);
}

void exchange_begin(struct exchange *exchange, struct connection *connection, const char *line, size_t bytes) {
    struct trace_rpc_error error = {0};
    *exchange = (struct exchange){.connection = connection, .out.bytes_max = LIMIT_ANSWER_BYTES};
    if (trace_rpc_line_parse(&exchange->line, line, bytes, &error)) {
        connection->server->counters.requests++;
        exchange->line = (struct trace_rpc_line){0};
        write_error(exchange, NULL, &error);
        exchange->answered = true;
    }
    step(exchange);
}

void exchange_refuse_line(struct connection *connection) {
    struct trace_rpc_error error = {0};
    struct exchange *exchange = &connection->exchange;
    *exchange = (struct exchange){.connection = connection, .out.bytes_max = LIMIT_ANSWER_BYTES};
    connection->server->counters.requests++;
    connection->server->counters.limits.line_bytes++;
    trace_rpc_fail(&error, TRACE_RPC_INVALID_REQUEST, json_pack("{si}", "limit", LIMIT_LINE_BYTES), "a line has at most %d bytes",
                   LIMIT_LINE_BYTES);
    write_error(exchange, NULL, &error);
    exchange->answered = true;
    step(exchange);
}

void exchange_drop(struct exchange *exchange) {
    subscription_destroy(exchange->call.subscription);
    trace_rpc_error_fini(&exchange->call.ask.error);
    exchange->call = (struct call){0};
    trace_rpc_line_fini(&exchange->line);
    exchange->line = (struct trace_rpc_line){0};
    trace_text_fini(&exchange->out);
    exchange->next = 0;
    exchange->answered = false;
}
