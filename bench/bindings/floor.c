/* SPDX-License-Identifier: MIT
 *
 * For bench_bindings.py: floor COUNT.  Emits with the macros or, with -DSHARED, with the functions of the shared library. */
#define TRACE_FULL
#ifdef SHARED
#include <p2ptrace/shared.h>
#else
#include <p2ptrace/trace.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void emit(struct trace_log *log, const struct trace_context *context, const struct trace_node_id *peer, uint64_t count) {
#ifndef SHARED
    for (uint64_t i = 0; i < count; i++) TRACE_PACKET_SENT(log, context, peer, i, 1200, TRACE_SPACE_1RTT);
#else
    for (uint64_t i = 0; i < count; i++) {
        struct trace_packet_sent packet = {.packet_num = i, .size = 1200, .space = TRACE_SPACE_1RTT};
        trace_emit_packet_sent(log, context, peer, &packet, TRACE_DATA_BYTES(packet_sent));
    }
#endif
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    struct trace_log_options options = {.node_id = trace_node_id_random(), .node_name = "floor"};
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    struct trace_node_id peer = trace_node_id_random();
    struct trace_log *log = NULL;
    double start;
#ifndef SHARED
    if (trace_log_open(&log, &options) != 0) return 1;
#else
    if (trace_shared_log_open(&log, &options, sizeof options, 0) != 0) return 1;
#endif
    emit(log, &context, &peer, 65536);
    start = now_ns();
    emit(log, &context, &peer, count);
    printf("%.3f\n", (now_ns() - start) / (double)count);
    trace_log_close(log);
    return 0;
}
