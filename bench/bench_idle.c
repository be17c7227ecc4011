/* SPDX-License-Identifier: MIT
 *
 * What traced costs while nothing happens.
 *
 * nodes-100: processor time of all its threads, as a share of one processor, while it is attached to 100 nodes that are alive
 * and emit nothing.  They have been silent for some seconds when the measurement begins.  The price of that saving is paid by
 * the first event after such a silence: first_ms is the longest time that one took from the macro to a subscriber. */
#include "bench.h"
#include "client.h"
#include "node.h"

#include <time.h>

#define NODES 100
#define SETTLE_S 3
#define SECONDS 5
#define REPETITIONS 4

static void pause_s(time_t seconds) {
    struct timespec time = {.tv_sec = seconds};
    nanosleep(&time, NULL);
}

/* Emits one event, and waits for it.  Returns how long it took, in ms. */
static double first_event_ms(struct bench_node *node, struct client *subscriber) {
    uint64_t start_ns = bench_now_ns();
    size_t bytes;
    bench_node_emit(node, 1);
    (void)client_line(subscriber, &bytes);
    return (double)(bench_now_ns() - start_ns) / 1e6;
}

static void run_nodes(struct bench *bench) {
    static struct bench_series shares, first;
    static struct bench_node nodes[NODES];
    struct daemon *daemon = daemon_start();
    struct client subscriber;
    size_t bytes;

    if (!daemon) {
        bench_skip(bench, "nodes-100", "there is no traced in this build");
        return;
    }
    for (unsigned i = 0; i < NODES; i++) bench_node_open(&nodes[i], daemon, TRACE_LANE_EVENTS_MINIMAL);
    client_open(&subscriber, daemon);
    client_call(&subscriber, "subscribe", "{}", &bytes);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        pause_s(SETTLE_S);
        uint64_t start_ns = bench_now_ns(), start_cpu_ns = daemon_cpu_ns(daemon);
        pause_s(bench_quick(bench) ? 1 : SECONDS);
        bench_series_add(&shares, 100.0 * (double)(daemon_cpu_ns(daemon) - start_cpu_ns) / (double)(bench_now_ns() - start_ns));
        bench_series_add(&first, first_event_ms(&nodes[i], &subscriber));
    }
    client_close(&subscriber);
    for (unsigned i = 0; i < NODES; i++) bench_node_close(&nodes[i]);
    daemon_stop(daemon);
    bench_report(bench, &(struct bench_result){.name = "nodes-100",
                                               .unit = "% of a core",
                                               .values = &shares,
                                               .extras = {{"first_ms", bench_series_quantile(&first, 1)}}});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"nodes-100", run_nodes}};
    return bench_main(argc, argv, "idle", cases, sizeof cases / sizeof cases[0]);
}
