/* SPDX-License-Identifier: MIT
 *
 * A program written for version 1.0.  It sees none of today's headers, calls every function of that version, and is linked to
 * today's library.  It prints what it got; traced shows what it emitted. */
#define V1(tag) tag
#include "structs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace_log;
struct trace_query;
enum trace_clock_source { CLOCK_TSC = 1, CLOCK_MONOTONIC_NS = 2 };
#include "functions.def"

static void need(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "client: %s\n", what);
    exit(1);
}

static struct trace_log *open_log(void) {
    struct trace_log_options options = {.node_name = "client of 1.0"};
    struct trace_node_id random = trace_node_id_random(), zero = {{0}};
    struct trace_log *log = NULL;
    options.node_id = trace_node_id_from("the key", 7);
    need(memcmp(&random, &zero, sizeof zero) != 0, "a random id");
    need(trace_shared_log_open(&log, &options, 31, 0) < 0 && !log, "options without an id are refused");
    need(trace_shared_log_open(&log, &options, sizeof options, 4096) == 0, "open");
    need(trace_log_name(log)[0] == '/', "the object's name");
    return log;
}

static void register_app(struct trace_log *log) {
    const struct trace_app_command_name commands[] = {{1, "STORE"}, {2, "GET"}};
    const struct trace_app_field fields[] = {{"size", 1, 0, 4, 0}};
    need(trace_shared_register_app(log, "DMAP", "DataMap", commands, 2, fields, 1) == 0, "register");
    need(trace_shared_register_app(log, "DMAP", "other", commands, 2, fields, 1) < 0, "another of that id");
    need(trace_shared_register_app(log, "MANY", "many", commands, 257, fields, 1) < 0, "too many commands");
}

/* The same trace and span, by bytes and by text. */
static struct trace_context travelled(struct trace_context context) {
    struct trace_context read, again;
    uint8_t wire[26];
    char text[56];
    trace_context_encode(wire, &context);
    need(trace_context_decode(&read, wire, 26) == 0 && trace_context_decode(&read, wire, 25) < 0, "decode");
    need(trace_context_to_traceparent(text, &read) == 0 && strlen(text) == 55, "to traceparent");
    need(trace_context_from_traceparent(&again, text, 55) == 0 && again.span_id == context.span_id, "from traceparent");
    return read;
}

#define EMIT(name, last, ...)                                                  \
    trace_emit_##name(log, &context, &peer, &(struct trace_##name)__VA_ARGS__, \
                      offsetof(struct trace_##name, last) + sizeof((struct trace_##name *)0)->last)
static void emit(struct trace_log *log, struct trace_context context) {
    struct trace_node_id peer = {{7}};
    struct trace_event event = {
        .timestamp = trace_shared_ticks(), .trace_id = context.trace_id, .kind = 9, .flags = 8, .peer_id = peer};
    struct trace_event other[2] = {event, event};

    EMIT(conn_init, by_remote, {.endpoint = {{127, 0, 0, 1}, 4433, 4, 0}, .by_remote = 2});
    EMIT(conn_established, rtt, {.rtt = 1001});
    EMIT(stream_opened, stream_id, {.stream_id = 1002});
    EMIT(stream_data, sent, {.stream_id = 1002, .offset = 1003, .length = 1004, .fin = 1, .sent = 0});
    EMIT(stream_closed, code, {.stream_id = 1002, .code = 1005});
    EMIT(packet_sent, space, {.packet_num = 1006, .size = 1007, .space = 2});
    EMIT(packet_received, space, {.packet_num = 1008, .size = 1009, .space = 1});
    EMIT(packet_lost, space, {.packet_num = 1010, .space = 0});
    EMIT(metrics, in_flight, {.rtt = 1011, .min_rtt = 1012, .cwnd = 1013, .in_flight = 1014});
    EMIT(app_start, cmd, {.span_id = context.span_id, .parent_id = 1, .app_id = "DMAP", .cmd = 2});
    EMIT(app_command, data, {.app_id = "DMAP", .cmd = 2, .data_bytes = 255, .data = {9}});
    EMIT(app_end, ok, {.span_id = context.span_id, .app_id = "DMAP", .cmd = 2, .ok = 5});
    EMIT(custom, data, {.category = 1015, .code = 1016, .data_bytes = 3, .data = "abc"});
    EMIT(conn_closed, reason, {.code = 1017, .by_remote = 1, .reason = "bye"});
    other[0].data[0] = 77;
    other[1].kind = 15; /* of traced alone */
    trace_shared_emit_events(log, other, 2);
}

static int count_line(void *arg, const char *line, size_t bytes) {
    need(bytes > 2 && line[0] == '{' && line[bytes - 1] == '\n', "a line of JSON");
    (*(int *)arg)++;
    return 0;
}

static int count_own(struct trace_log *log, const struct trace_context *context) {
    struct trace_query_filter filter = {.trace_id = &context->trace_id};
    struct trace_query *query = NULL;
    int count = 0;
    for (uint32_t mode = 0; mode < 2; mode++) {
        need(trace_shared_query_open(&query, log, mode) == 0, "query");
        need(trace_query_json(query, &filter, count_line, &count) == 0, "json");
        trace_query_close(query);
    }
    need(trace_shared_query_open(&query, log, 2) < 0, "no such mode");
    need(trace_query_dump(log, &context->trace_id, 1) == 0 && trace_query_dump_recent(log, 1) == 0, "dump");
    need(trace_query_dump_trace(log, "no digits") < 0, "digits");
    return count / 2;
}

int main(void) {
    struct trace_log *log = open_log();
    struct trace_context root = trace_context_new(1), context = trace_context_child(&root);
    uint64_t before = trace_shared_ticks();
    need(memcmp(&root.trace_id, &context.trace_id, sizeof root.trace_id) == 0 && root.span_id != context.span_id, "child");
    need(trace_shared_clock_source() == CLOCK_TSC || trace_shared_clock_source() == CLOCK_MONOTONIC_NS, "clock");
    need(trace_shared_ticks() >= before, "ticks");
    need(trace_shared_wants(log, 7) && !trace_shared_wants(NULL, 7), "wants");
    register_app(log);
    emit(log, travelled(context));
    emit(NULL, context);
    printf("%d\n", count_own(log, &context));
    trace_log_close(log);
    trace_log_close(NULL);
    return 0;
}
