/* SPDX-License-Identifier: MIT
 *
 * See exchange.h. */
#include "exchange.h"
#include "connection.h"
#include "footprint.h"
#include "subscribe.h"

#include <errno.h>
#include <string.h>

/* What an error may still add when an answer has met its limit. */
#define ERROR_ROOM (64U << 10)

static void step(struct exchange *exchange);

static void write_error(struct exchange *exchange, const json_t *id, struct trace_rpc_error *error) {
    exchange->client->server->counters.errors++;
    trace_rpc_write_error(&exchange->out, id, error);
    trace_rpc_error_fini(error);
    *error = (struct trace_rpc_error){0};
}

static void begin_answer(struct exchange *exchange) {
    if (exchange->line.batch) trace_text_puts(&exchange->out, exchange->answered ? "," : "[");
}

/* The request under way is over, with an answer behind `before`, or with call.error. */
static void end_call(struct exchange *exchange) {
    struct call *call = &exchange->call;
    struct trace_text *out = &exchange->out;
    if (out->failed && !call->error.code) {
        exchange->client->server->counters.limits.answer_bytes++;
        trace_rpc_fail(&call->error, TRACE_RPC_LIMIT, json_pack("{sI}", "limit", (json_int_t)LIMIT_ANSWER_BYTES),
                       "the answer is longer than %u bytes", LIMIT_ANSWER_BYTES);
    }
    if (call->request.notification) {
        if (call->error.code) exchange->client->server->counters.errors++;
        trace_rpc_error_fini(&call->error);
        out->bytes = exchange->before;
        out->failed = false;
    } else {
        if (call->error.code) {
            out->bytes = exchange->before;
            out->failed = false;
            out->bytes_max = LIMIT_ANSWER_BYTES + ERROR_ROOM + exchange->line.count * 1024;
            begin_answer(exchange);
            write_error(exchange, call->request.id, &call->error);
            out->bytes_max = LIMIT_ANSWER_BYTES;
        }
        exchange->answered = true;
    }
    subscription_destroy(call->subscription);
    *call = (struct call){0};
    exchange->next++;
}

/* An answer that there was no memory for may have holes: it becomes an error. */
static void check_memory(struct call *call) {
    if (!footprint_was_short()) return;
    call->short_of_memory = true;
    trace_rpc_error_fini(&call->error);
    trace_rpc_fail(&call->error, TRACE_RPC_LIMIT, NULL, "there is no memory for this answer now: ask for less, or later");
}

static void finish_call(struct exchange *exchange) {
    if (!exchange->call.error.code && exchange->method->finish) exchange->method->finish(&exchange->call);
    check_memory(&exchange->call);
    exchange->client->server->counters.limits.memory += exchange->call.short_of_memory;
    end_call(exchange);
}

static void work(uv_work_t *request) {
    struct exchange *exchange = request->data;
    service_enter_thread();
    exchange->method->work(&exchange->call);
    check_memory(&exchange->call);
}

/* ---- the pool ----------------------------------------------------------------------------------------------------------- */

static void after_work(uv_work_t *request, int status);

static bool to_pool(struct exchange *exchange) {
    struct server *server = exchange->client->server;
    exchange->work.data = exchange;
    if (uv_queue_work(server->loop, &exchange->work, work, after_work)) return false;
    server->long_count += exchange->is_long;
    return true;
}

/* Those that may take long have their own, narrow way to the pool: in their order. */
static bool to_pool_or_queue(struct exchange *exchange) {
    struct server *server = exchange->client->server;
    exchange->is_long = exchange->method->is_long && exchange->method->is_long(&exchange->call);
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

/* One that took long has ended. */
static void next_of_queue(struct server *server) {
    struct exchange *exchange = server->long_first;
    server->long_count--;
    if (!exchange) return;
    leave_queue(server, exchange);
    if (to_pool(exchange)) return;
    exchange->working = false;
    client_close(exchange->client); /* libuv refuses no work */
}

void exchange_cancel(struct exchange *exchange) {
    if (!exchange->working) return;
    atomic_store(&exchange->abandoned, true);
    if (exchange->waits) {
        leave_queue(exchange->client->server, exchange);
        exchange->working = false;
    } else {
        uv_cancel((uv_req_t *)&exchange->work); /* if it has not begun */
    }
}

static void after_work(uv_work_t *request, int status) {
    struct exchange *exchange = request->data;
    struct client *client = exchange->client;
    exchange->working = false;
    if (exchange->is_long) next_of_queue(client->server);
    if (client->closing || status) {
        exchange_drop(exchange);
    } else {
        finish_call(exchange);
        step(exchange);
    }
    if (!exchange->working) client_exchange_done(client); /* may free the client */
}

/* Begins the next request.  Returns true when it is on the pool. */
static bool begin_call(struct exchange *exchange) {
    struct client *client = exchange->client;
    struct call *call = &exchange->call;
    *call = (struct call){.service = client->server->service,
                          .client = client,
                          .out = &exchange->out,
                          .abandoned = &exchange->abandoned,
                          .subscription_next = client->subscription_last + 1};
    exchange->before = exchange->out.bytes;
    client->server->counters.requests++;
    if (trace_rpc_request_get(&exchange->line, exchange->next, &call->request, &call->error)) {
        end_call(exchange);
        return false;
    }
    exchange->method = methods_find(call->request.method);
    if (!exchange->method) {
        trace_rpc_fail(&call->error, TRACE_RPC_METHOD_NOT_FOUND, json_pack("{so}", "methods", methods_names()),
                       "there is no method \"%.80s\"", call->request.method);
        end_call(exchange);
        return false;
    }
    begin_answer(exchange);
    if (exchange->method->small && exchange->method->small(call) != -EAGAIN) {
        finish_call(exchange);
        return false;
    }
    if (!exchange->method->work) {
        finish_call(exchange);
        return false;
    }
    exchange->working = to_pool_or_queue(exchange);
    if (exchange->working) return true;
    trace_rpc_fail(&call->error, TRACE_RPC_INTERNAL, NULL, "no worker could be had");
    end_call(exchange);
    return false;
}

/* Every subscription whose answer is now on its way may talk. */
static void announce(struct client *client) {
    for (struct subscription *s = client->subscriptions; s; s = s->next) s->announced = true;
    if (client->subscriptions) server_want_turn(client->server, client);
}

static void step(struct exchange *exchange) {
    while (exchange->next < exchange->line.count)
        if (begin_call(exchange)) return;
    struct client *client = exchange->client;
    if (exchange->answered) {
        if (exchange->line.batch) trace_text_puts(&exchange->out, "]");
        trace_text_puts(&exchange->out, "\n");
        if (exchange->out.failed)
            client_close(client); /* out of memory even for an error */
        else
            client_send_text(client, &exchange->out);
    }
    exchange_drop(exchange);
    announce(client);
}

void exchange_begin(struct exchange *exchange, struct client *client, const char *line, size_t bytes) {
    struct trace_rpc_error error = {0};
    *exchange = (struct exchange){.client = client, .out.bytes_max = LIMIT_ANSWER_BYTES};
    if (trace_rpc_line_parse(&exchange->line, line, bytes, &error)) {
        client->server->counters.requests++;
        exchange->line = (struct trace_rpc_line){0};
        write_error(exchange, NULL, &error);
        exchange->answered = true;
    }
    step(exchange);
}

void exchange_refuse_line(struct client *client) {
    struct trace_rpc_error error = {0};
    struct exchange *exchange = &client->exchange;
    *exchange = (struct exchange){.client = client, .out.bytes_max = LIMIT_ANSWER_BYTES};
    client->server->counters.requests++;
    client->server->counters.limits.line_bytes++;
    trace_rpc_fail(&error, TRACE_RPC_INVALID_REQUEST, json_pack("{si}", "limit", LIMIT_LINE_BYTES), "a line has at most %d bytes",
                   LIMIT_LINE_BYTES);
    write_error(exchange, NULL, &error);
    exchange->answered = true;
    step(exchange);
}

void exchange_drop(struct exchange *exchange) {
    subscription_destroy(exchange->call.subscription);
    trace_rpc_error_fini(&exchange->call.error);
    exchange->call = (struct call){0};
    trace_rpc_line_fini(&exchange->line);
    exchange->line = (struct trace_rpc_line){0};
    trace_text_fini(&exchange->out);
    exchange->next = 0;
    exchange->answered = false;
}
