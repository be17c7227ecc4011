/* SPDX-License-Identifier: MIT
 *
 * Does every event reach the history?  The value is the number of those that did not.
 *
 * 10M: one node, 10 million events a second for 60 seconds in steps of 10 us, into 32 MiB of ring, 26 ms worth.
 *
 * 2x2M: two nodes with rings of the usual 8 MiB, 2 million events a second each, in steps of 500 us; beside them a client that
 * follows all events, and one that asks for a trace 100 times a second.  The scheduler places them.  The events that the
 * follower misses are reported as follow_missed: neither it nor traced has to keep up with JSON of 4 million events a second,
 * and these are not losses of the history. */
#include "bench.h"
#include "client.h"
#include "node.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
#define RING_32_MIB_EVENTS ((32U << 20) / TRACE_EVENT_BYTES)

static uint64_t end_in(const struct bench *bench, unsigned seconds) {
    return bench_now_ns() + (bench_quick(bench) ? 2 : seconds) * SECOND_NS;
}

static void run_10m(struct bench *bench) {
    static struct bench_series lost;
    struct daemon *daemon = daemon_start();
    struct daemon_node counted;
    struct bench_node node;
    uint64_t start_ns;

    if (!daemon || !bench_pin(1)) {
        bench_skip(bench, "10M", !daemon ? "there is no traced in this build" : "one processor only");
        daemon_stop(daemon);
        return;
    }
    bench_node_open(&node, daemon, RING_32_MIB_EVENTS);
    start_ns = bench_now_ns();
    bench_node_emit_paced(&node, &(struct bench_pace){.rate = 10e6, .period_ns = 10000, .end_ns = end_in(bench, 60)});
    start_ns = bench_now_ns() - start_ns;
    counted = daemon_wait_drained(daemon, &node.id);
    bench_node_close(&node);
    daemon_stop(daemon);
    bench_series_add(&lost, (double)counted.lost);
    bench_report(bench, &(struct bench_result){.name = "10M",
                                               .unit = "events",
                                               .values = &lost,
                                               .extras = {{"emitted", (double)counted.emitted},
                                                          {"rate", (double)counted.emitted * 1e3 / (double)start_ns}},
                                               .note = "rate: M events/s"});
}

/* ---- two nodes, a follower, queries -------------------------------------------------------------------------------------- */

struct producer {
    pthread_t thread;
    struct bench_node node;
    struct bench_pace pace;
};

static void *produce(void *arg) {
    struct producer *producer = arg;
    bench_node_emit_paced(&producer->node, &producer->pace);
    return NULL;
}

struct follower {
    pthread_t thread;
    struct client client;
    uint64_t events, missed;
    _Atomic uint64_t until; /* events and missed together; not known before the producers have ended */
};

static void *follow(void *arg) {
    struct follower *follower = arg;
    while (follower->events + follower->missed < follower->until) {
        size_t bytes;
        const char *line = client_line(&follower->client, &bytes);
        follower->events += client_line_events(line, bytes);
        follower->missed += client_line_last_number(line, bytes, "lost");
    }
    return NULL;
}

/* Asks for one of the traces of about the last 100 ms, every 10 ms.  Returns how often, and how many were complete. */
static uint64_t ask_for_traces(const struct daemon *daemon, struct bench_node *node, uint64_t end_ns, uint64_t *ret_whole) {
    struct client client;
    uint64_t asked = 0;
    client_open(&client, daemon);
    for (uint64_t due_ns = bench_now_ns() + SECOND_NS / 4; due_ns < end_ns; due_ns += SECOND_NS / 100) {
        struct timespec due = {.tv_sec = (time_t)(due_ns / SECOND_NS), .tv_nsec = (long)(due_ns % SECOND_NS)};
        uint64_t emitted = atomic_load_explicit(&node->emitted, memory_order_relaxed); /* relaxed: about now */
        char params[BENCH_TRACE_PARAMS_BYTES];
        const char *line;
        size_t bytes;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) continue;
        bench_node_trace_params(node, emitted - 50000 - asked * 997 % 100000, params);
        client_ask(&client, "query", params);
        line = client_line(&client, &bytes);
        if (client_line_events(line, bytes) == BENCH_TRACE_EVENTS) (*ret_whole)++;
        asked++;
    }
    client_close(&client);
    return asked;
}

static void run_two(struct bench *bench) {
    static struct bench_series lost;
    static struct producer producers[2];
    struct daemon *daemon = daemon_start_with(&(struct daemon_options){.unpinned = true});
    static struct follower follower;
    uint64_t emitted = 0, all_lost = 0, indexed = 0, asked, whole = 0;
    size_t bytes;

    if (!daemon) {
        bench_skip(bench, "2x2M", "there is no traced in this build");
        return;
    }
    client_open(&follower.client, daemon);
    client_call(&follower.client, "subscribe", "{}", &bytes);
    for (unsigned i = 0; i < 2; i++) bench_node_open(&producers[i].node, daemon, TRACE_LANE_EVENTS_FULL);
    for (unsigned i = 0; i < 2; i++) {
        producers[i].pace = (struct bench_pace){.rate = 2e6, .period_ns = 500000, .end_ns = end_in(bench, 20)};
        if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]) != 0) bench_die("no thread");
    }
    follower.until = UINT64_MAX;
    if (pthread_create(&follower.thread, NULL, follow, &follower) != 0) bench_die("no thread");
    asked = ask_for_traces(daemon, &producers[0].node, producers[0].pace.end_ns, &whole);
    for (unsigned i = 0; i < 2; i++) {
        struct daemon_node counted;
        pthread_join(producers[i].thread, NULL);
        counted = daemon_wait_drained(daemon, &producers[i].node.id);
        emitted += counted.emitted;
        all_lost += counted.lost;
        indexed += counted.indexed;
    }
    follower.until = indexed;
    bench_node_emit(&producers[0].node, 1); /* the follower may have all, and wait */
    for (unsigned i = 0; i < 2; i++) bench_node_close(&producers[i].node);
    pthread_join(follower.thread, NULL);
    client_close(&follower.client);
    daemon_stop(daemon);
    bench_series_add(&lost, (double)all_lost);
    bench_report(bench, &(struct bench_result){.name = "2x2M",
                                               .unit = "events",
                                               .values = &lost,
                                               .extras = {{"emitted", (double)emitted},
                                                          {"queries", (double)asked},
                                                          {"whole", (double)whole},
                                                          {"follow_missed", (double)follower.missed}}});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"10M", run_10m}, {"2x2M", run_two}};
    return bench_main(argc, argv, "lossless", cases, sizeof cases / sizeof cases[0]);
}
