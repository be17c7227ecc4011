/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: lines of JSON-RPC (proto/rpc.h), and the methods that answer them (store/ask.h).
 *
 * The input is a line, read as a request by the server's half and as a reply by the client's.  A small store answers each of its
 * requests, as in traced.  An answer is JSON, and an error has a code, a message, and no result. */
#include "fuzz.h"
#include "small_store.h"

#include <proto/rpc.h>
#include <store/ask.h>

static void check_json(const struct trace_text *text) {
    json_t *value;
    REQUIRE(!text->failed);
    value = json_loadb(text->data, text->bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    REQUIRE(value != NULL);
    json_decref(value);
}

static void check_error(const json_t *id, struct trace_rpc_error *error) {
    struct trace_text text = {0};
    struct trace_rpc_reply reply;
    struct trace_rpc_error unused = {0};
    REQUIRE(error->code != 0 && error->message[0]);
    trace_rpc_write_error(&text, id, error);
    check_json(&text);
    REQUIRE(trace_rpc_reply_parse(&reply, text.data, text.bytes, &unused) == 0);
    REQUIRE(reply.kind == TRACE_RPC_REPLY_ERROR && reply.code == error->code && !strcmp(reply.message, error->message));
    trace_rpc_reply_fini(&reply);
    trace_rpc_error_fini(error);
    trace_text_fini(&text);
}

static struct store *store;

static void close_store(void) { store_destroy(store); }

static void answer(const struct trace_rpc_request *request) {
    struct trace_text text = {0};
    struct trace_rpc_error error = {0};
    if (!store) {
        store = small_store_create();
        atexit(close_store);
    }
    if (store_ask(store, request->method, request->params, &text, &error)) {
        REQUIRE(text.bytes == 0);
        check_error(request->id, &error);
    } else {
        REQUIRE(error.code == 0);
        check_json(&text);
    }
    trace_text_fini(&text);
}

static void read_requests(const char *text, size_t bytes) {
    struct trace_rpc_line line;
    struct trace_rpc_error error = {0};
    if (trace_rpc_line_parse(&line, text, bytes, &error)) {
        check_error(NULL, &error);
        return;
    }
    REQUIRE(line.count >= 1 && line.count <= TRACE_RPC_BATCH_MAX);
    for (size_t i = 0; i < line.count; i++) {
        struct trace_rpc_request request;
        if (trace_rpc_request_get(&line, i, &request, &error))
            check_error(request.id, &error);
        else
            answer(&request);
    }
    trace_rpc_line_fini(&line);
}

static void read_reply(const char *text, size_t bytes) {
    struct trace_rpc_reply reply;
    struct trace_rpc_error error = {0};
    if (trace_rpc_reply_parse(&reply, text, bytes, &error)) {
        REQUIRE(error.message[0]);
        trace_rpc_error_fini(&error);
        return;
    }
    REQUIRE(reply.kind != TRACE_RPC_REPLY_NOTIFICATION || reply.method);
    REQUIRE(reply.kind != TRACE_RPC_REPLY_ERROR || reply.message);
    trace_rpc_reply_fini(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes > TRACE_RPC_LINE_BYTES_MAX) return 0;
    read_requests((const char *)data, bytes);
    read_reply((const char *)data, bytes);
    return 0;
}
