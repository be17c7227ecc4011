/* SPDX-License-Identifier: MIT
 *
 * The benchmark's node: see node.h. */
#include "node.h"

#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define PEERS 1000
#define SLEEP_NS_MIN 50000 /* a shorter sleep is mostly overhead of the timer and the scheduler */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t value) {
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static struct trace_node_id peers[PEERS];

void bench_node_open(struct bench_node *node, struct daemon *daemon, uint32_t lane_events) {
    struct trace_log_options options = {.node_name = "bench", .control = TRACE_CONTROL_ALL};
    struct trace_context random = trace_context_new(0);
    int result;

    for (uint64_t i = 0; i < sizeof peers / 8; i++) {
        uint64_t word = mix(i);
        memcpy((char *)peers + 8 * i, &word, 8);
    }
    atomic_init(&node->emitted, 0);
    memset(&node->id, 0xbe, sizeof node->id);
    memcpy(&node->id, &random.trace_id, sizeof random.trace_id);
    options.node_id = node->id;
    result = trace__log_open(&node->log, &options, lane_events);
    if (result != 0) bench_die("a log could not be opened: %s", strerror(-result));
    daemon_attach(daemon, trace_log_name(node->log), &node->id);
}

void bench_node_close(struct bench_node *node) { trace_log_close(node->log); }

static struct trace_id trace_of(const struct bench_node *node, uint64_t event) {
    const uint64_t generation = BENCH_TRACE_EVENTS * BENCH_TRACES_AT_ONCE;
    uint64_t words[2] = {mix(event / generation * BENCH_TRACES_AT_ONCE + event % BENCH_TRACES_AT_ONCE), 0};
    struct trace_id id;
    memcpy(&words[1], &node->id, sizeof words[1]);
    memcpy(&id, words, sizeof id);
    return id;
}

void bench_node_trace_params(const struct bench_node *node, uint64_t event, char ret_params[BENCH_TRACE_PARAMS_BYTES]) {
    struct trace_id id = trace_of(node, event);
    char *at = ret_params + sprintf(ret_params, "{\"trace_id\":\"");
    for (size_t i = 0; i < sizeof id.bytes; i++) at += sprintf(at, "%02x", id.bytes[i]);
    strcpy(at, "\"}");
}

static void emit_one(struct bench_node *node) {
    uint64_t number = atomic_load_explicit(&node->emitted, memory_order_relaxed), random = mix(number); /* relaxed: ours */
    struct trace_context context = {.trace_id = trace_of(node, number), .flags = TRACE_FLAG_SAMPLED};
    const struct trace_node_id *peer = &peers[(random >> 8) % PEERS];
    switch (random % 16) {
    case 0: TRACE_STREAM_DATA(node->log, &context, peer, random >> 52, number, 1000, 0, 1); break;
    case 1: TRACE_METRICS(node->log, &context, peer, random >> 44, 1000, 12000, 2400); break;
    case 2: TRACE_PACKET_LOST(node->log, &context, peer, number, TRACE_SPACE_1RTT); break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: TRACE_PACKET_RECEIVED(node->log, &context, peer, number, 1200, TRACE_SPACE_1RTT); break;
    default: TRACE_PACKET_SENT(node->log, &context, peer, number, 1200, TRACE_SPACE_1RTT); break;
    }
    atomic_store_explicit(&node->emitted, number + 1, memory_order_relaxed); /* relaxed: roughly the current state */
}

void bench_node_emit(struct bench_node *node, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) emit_one(node);
}

static void wait_until(uint64_t due_ns, bool sleeps) {
    struct timespec time = {.tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000)};
    if (sleeps)
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
    while (bench_now_ns() < due_ns) continue;
}

void bench_node_emit_paced(struct bench_node *node, const struct bench_pace *pace) {
    uint64_t start_ns = bench_now_ns(), done = 0;
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* the default, 50 us, is as long as a short period */
    for (uint64_t due_ns = start_ns; due_ns < pace->end_ns; due_ns += pace->period_ns) {
        uint64_t wanted = (uint64_t)(pace->rate * 1e-9 * (double)(due_ns + pace->period_ns - start_ns));
        wait_until(due_ns, pace->period_ns >= SLEEP_NS_MIN);
        bench_node_emit(node, wanted - done);
        done = wanted;
    }
}

void bench_node_emit_all(struct bench_node *node, struct daemon *daemon, uint64_t count) {
    while (count > 0) {
        uint64_t piece = count < TRACE_LANE_EVENTS_FULL / 2 ? count : TRACE_LANE_EVENTS_FULL / 2;
        bench_node_emit(node, piece);
        (void)daemon_wait_drained(daemon, &node->id);
        count -= piece;
    }
}
