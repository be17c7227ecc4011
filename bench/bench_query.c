/* SPDX-License-Identifier: MIT
 *
 * How fast traced answers questions about a history of four million events.
 *
 * trace-20-idle: over the socket, one after the other on one connection, each for one of 200,000 traces, by its whole id.  A
 * trace has 20 events, with 1,000 others between one and the next.  The time is from before send() until after recv().
 *
 * trace-20-loaded: likewise, while a node emits 5 million events a second, for traces that it made within the last 100 ms to
 * 500 ms. The history is full: each new event evicts an old one. */
#include "bench.h"
#include "client.h"
#include "node.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define HISTORY "1GiB"
#define EVENTS 4000000U
#define QUERIES 1000
#define REPETITIONS 15
#define SECOND_NS UINT64_C(1000000000)

struct times {
    struct bench_series p50, p99;
};

/* The event whose trace is asked for next. */
static uint64_t choose_event(const struct bench_node *node, bool loaded, uint64_t number) {
    uint64_t emitted = atomic_load_explicit(&node->emitted, memory_order_relaxed); /* relaxed: about now */
    return loaded ? emitted - 500000 - number * 7919 % 2000000 : number * 7919 % EVENTS;
}

static void measure(struct bench *bench, const struct daemon *daemon, const struct bench_node *node, bool loaded,
                    struct times *times) {
    static struct bench_series one;
    struct client client;
    uint64_t number = 0;

    client_open(&client, daemon);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS) + 1; i++) {
        bench_series_init(&one);
        for (unsigned k = 0; k < QUERIES; k++, number++) {
            char params[BENCH_TRACE_PARAMS_BYTES];
            const char *line;
            uint64_t start_ns;
            size_t bytes;
            bench_node_trace_params(node, choose_event(node, loaded, number), params);
            start_ns = bench_now_ns();
            line = client_call(&client, "query", params, &bytes);
            bench_series_add(&one, (double)(bench_now_ns() - start_ns) / 1e3);
            if (client_line_events(line, bytes) != BENCH_TRACE_EVENTS) bench_die("not the whole trace: %.*s", (int)bytes, line);
        }
        if (i == 0) continue; /* a warm-up */
        bench_series_add(&times->p50, bench_series_quantile(&one, 0.5));
        bench_series_add(&times->p99, bench_series_quantile(&one, 0.99));
    }
    client_close(&client);
}

struct producer {
    struct bench_node *node;
    atomic_bool stop;
};

static void *produce(void *arg) {
    struct producer *producer = arg;
    bench_pin(1);
    while (!atomic_load(&producer->stop))
        bench_node_emit_paced(producer->node,
                              &(struct bench_pace){.rate = 5e6, .period_ns = 500000, .end_ns = bench_now_ns() + SECOND_NS / 10});
    return NULL;
}

static void run_trace(struct bench *bench, const char *name, bool loaded) {
    static struct times times;
    struct daemon *daemon = daemon_start_with(&(struct daemon_options){.history = HISTORY});
    struct bench_node node;
    struct producer producer = {.node = &node};
    struct daemon_node counted;
    pthread_t thread;

    if (!daemon) {
        bench_skip(bench, name, "there is no traced in this build");
        return;
    }
    bench_pin(1);
    bench_series_init(&times.p50);
    bench_series_init(&times.p99);
    bench_node_open(&node, daemon, TRACE_LANE_EVENTS_FULL * 4);
    bench_node_emit_all(&node, daemon, EVENTS);
    if (loaded && pthread_create(&thread, NULL, produce, &producer) != 0) bench_die("no thread");
    measure(bench, daemon, &node, loaded, &times);
    atomic_store(&producer.stop, true);
    if (loaded) pthread_join(thread, NULL);
    counted = daemon_wait_drained(daemon, &node.id);
    bench_node_close(&node);
    daemon_stop(daemon);
    bench_report(bench, &(struct bench_result){.name = name,
                                               .unit = "us",
                                               .values = &times.p50,
                                               .extras = {{"p99", bench_series_quantile(&times.p99, 0.5)},
                                                          {"emitted", (double)counted.emitted},
                                                          {"lost", (double)counted.lost}}});
}

static void run_idle(struct bench *bench) { run_trace(bench, "trace-20-idle", false); }
static void run_loaded(struct bench *bench) { run_trace(bench, "trace-20-loaded", true); }

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"trace-20-idle", run_idle}, {"trace-20-loaded", run_loaded}};
    return bench_main(argc, argv, "query", cases, sizeof cases / sizeof cases[0]);
}
