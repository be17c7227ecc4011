/* SPDX-License-Identifier: MIT
 *
 * See exchange.h. */
#include "exchange.h"
#include "footprint.h"
#include "traced_limits.h"

#include <errno.h>
#include <string.h>

/* How much an error may add to an answer of maximum length. */
#define ERROR_ROOM (64U << 10)

static void write_error(struct exchange *exchange, const json_t *id, struct trace_rpc_error *error) {
    exchange->clients->counters.errors++;
    trace_rpc_write_error(&exchange->out, id, error);
    trace_rpc_error_fini(error);
    *error = (struct trace_rpc_error){0};
}

static void begin_answer(struct exchange *exchange) {
    if (exchange->line.batch) trace_text_puts(&exchange->out, exchange->answered ? "," : "[");
}

/* The request under way is over: there is a result after `before`, or an error in call.ask. */
static void end_call(struct exchange *exchange) {
    struct call *call = &exchange->call;
    struct trace_rpc_error *error = &call->ask.error;
    struct trace_text *out = &exchange->out;
    if (!error->code) trace_rpc_end(out);
    if (out->failed && !error->code) {
        exchange->clients->counters.limits.answer_bytes++;
        ask_fail_too_long(&call->ask);
    }
    if (exchange->request.notification) {
        if (error->code) exchange->clients->counters.errors++;
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
    json_decref(call->history);
    *call = (struct call){0};
    exchange->next++;
}

/* An answer may have holes if memory ran out on the way, so it becomes an error. */
static void check_memory(struct exchange *exchange) {
    struct trace_rpc_error *error = &exchange->call.ask.error;
    if (!footprint_was_short()) return;
    exchange->short_of_memory = true;
    trace_rpc_error_fini(error);
    trace_rpc_fail(error, TRACE_RPC_LIMIT, NULL, "there is no memory for this answer now: request less, or retry later");
}

static void finish_call(struct exchange *exchange) {
    const struct method *own = exchange->own_method;
    if (!exchange->call.ask.error.code && own && own->finish) own->finish(&exchange->call);
    check_memory(exchange);
    exchange->clients->counters.limits.memory += exchange->short_of_memory;
    end_call(exchange);
}

/* ---- the pool ----------------------------------------------------------------------------------------------------------- */

static void give_way(void *arg) { lanes_pause(arg); }

static void work(struct job *job) {
    struct exchange *exchange = (struct exchange *)job;
    store_enter_thread();
    int error =
        exchange->own_method ? exchange->own_method->work(&exchange->call) : ask_run(exchange->ask_method, &exchange->call.ask);
    exchange->too_long = error == -E2BIG && !exchange->call.ask.error.code;
    if (!exchange->too_long) check_memory(exchange);
}

static void off_pool(struct job *job, bool ran);

static bool is_long(const struct exchange *exchange) {
    const struct method *own = exchange->own_method;
    const struct ask_method *asked = exchange->ask_method;
    return own ? own->is_long && own->is_long(&exchange->call) : asked->is_long && asked->is_long(&exchange->call.ask);
}

/* A request that turns out not to be short comes back and is handled as a long one. */
static bool to_pool(struct exchange *exchange, bool long_way) {
    struct history_work *taken = &exchange->call.ask.work;
    exchange->job = (struct job){.work = work, .done = off_pool, .client = exchange->client, .is_long = long_way};
    *taken = (struct history_work){.max = long_way ? 0 : STORE_SHORT_WORK,
                                   .abandoned = &exchange->abandoned,
                                   .pause = long_way ? give_way : NULL,
                                   .pause_arg = &exchange->job};
    exchange->too_long = false;
    exchange->working = true;
    if (lanes_submit(&exchange->clients->lanes, &exchange->job)) exchange->working = false;
    return exchange->working;
}

static void begin_again(struct exchange *exchange) {
    exchange->out.bytes = exchange->result;
    exchange->out.failed = false;
    subscription_destroy(exchange->call.subscription);
    exchange->call.subscription = NULL;
    if (to_pool(exchange, true)) return;
    trace_rpc_fail(&exchange->call.ask.error, TRACE_RPC_INTERNAL, NULL, "cannot start a worker");
    end_call(exchange);
}

static void off_pool(struct job *job, bool ran) {
    struct exchange *exchange = (struct exchange *)job;
    exchange->working = false;
    if (!ran)
        exchange->failed = true;
    else if (exchange->abandoned)
        ; /* exchange_drop frees everything */
    else if (exchange->too_long) {
        begin_again(exchange);
    } else {
        finish_call(exchange);
    }
    if (!exchange->working) exchange->on_off_pool(exchange); /* may free it */
}

void exchange_cancel(struct exchange *exchange) {
    if (!exchange->working) return;
    atomic_store(&exchange->abandoned, true);
    lanes_cancel(&exchange->job);
}

/* ---- requests ------------------------------------------------------------------------------------------------------------ */

/* Determines the method.  Returns 0, or negative with the error. */
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
    return ask_run_small(method, &exchange->call.ask) != -EAGAIN;
}

/* Begins the next request.  Returns true when it is on the pool. */
static bool begin_call(struct exchange *exchange) {
    struct service *service = exchange->clients->service;
    exchange->call = (struct call){.ask = {.store = &service->store, .out = &exchange->out},
                                   .service = service,
                                   .clients = exchange->clients,
                                   .subscriptions = exchange->subscriptions};
    exchange->before = exchange->out.bytes;
    exchange->short_of_memory = false;
    exchange->clients->counters.requests++;
    if (read_request(exchange)) {
        end_call(exchange);
        return false;
    }
    begin_answer(exchange);
    trace_rpc_begin_result(&exchange->out, exchange->request.id);
    exchange->result = exchange->out.bytes;
    if (is_for_loop(exchange)) {
        finish_call(exchange);
        return false;
    }
    if (to_pool(exchange, is_long(exchange))) return true;
    trace_rpc_fail(&exchange->call.ask.error, TRACE_RPC_INTERNAL, NULL, "cannot start a worker");
    end_call(exchange);
    return false;
}

static void end_line(struct exchange *exchange) {
    exchange->busy = false;
    if (!exchange->answered) return;
    if (exchange->line.batch) trace_text_puts(&exchange->out, "]");
    trace_text_puts(&exchange->out, "\n");
}

uint64_t exchange_go_on(struct exchange *exchange) {
    uint64_t taken = 0;
    size_t written = exchange->out.bytes;
    while (exchange->next < exchange->line.count && taken < LIMIT_ANSWER_WORK) {
        bool away = begin_call(exchange);
        taken += LIMIT_LINE_WORK;
        if (away) return taken;
    }
    taken += (exchange->out.bytes - written) * LIMIT_BYTE_WORK;
    if (exchange->next == exchange->line.count) end_line(exchange);
    return taken;
}

uint64_t exchange_begin(struct exchange *exchange, const char *line, size_t bytes) {
    struct trace_rpc_error error = {0};
    exchange->busy = true;
    exchange->out.bytes_max = LIMIT_ANSWER_BYTES;
    if (trace_rpc_line_parse(&exchange->line, line, bytes, &error)) {
        exchange->clients->counters.requests++;
        exchange->line = (struct trace_rpc_line){0};
        write_error(exchange, NULL, &error);
        exchange->answered = true;
    }
    return LIMIT_LINE_WORK + bytes * LIMIT_BYTE_WORK + exchange_go_on(exchange);
}

uint64_t exchange_refuse_line(struct exchange *exchange) {
    struct trace_rpc_error error = {0};
    exchange->out.bytes_max = LIMIT_ANSWER_BYTES;
    exchange->clients->counters.requests++;
    exchange->clients->counters.limits.line_bytes++;
    trace_rpc_fail(&error, TRACE_RPC_INVALID_REQUEST, json_pack("{si}", "limit", LIMIT_LINE_BYTES), "a line has at most %d bytes",
                   LIMIT_LINE_BYTES);
    write_error(exchange, NULL, &error);
    exchange->answered = true;
    end_line(exchange);
    return LIMIT_LINE_WORK;
}

void exchange_drop(struct exchange *exchange) {
    subscription_destroy(exchange->call.subscription);
    json_decref(exchange->call.history);
    trace_rpc_error_fini(&exchange->call.ask.error);
    trace_rpc_line_fini(&exchange->line);
    trace_text_fini(&exchange->out);
    *exchange = (struct exchange){.clients = exchange->clients,
                                  .subscriptions = exchange->subscriptions,
                                  .client = exchange->client,
                                  .on_off_pool = exchange->on_off_pool};
}
