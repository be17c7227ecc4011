/* SPDX-License-Identifier: MIT
 *
 * How long a short request takes while other clients ask for the worst that they may (docs/performance.md has the bound).
 *
 * The load: a node that emits 2 million events a second; 16 clients with 16 subscriptions each, whose filters are 250 globs
 * that never match; 8 clients that ask for `count`, `traces` and `query` with such a filter, one after the other, over a
 * history of four million events.  Meanwhile one client alternately asks for `hello` and for traces of 20 events by their
 * whole id.  The time is from before send() until after recv(); the value is the longest of 100, and `alone` the longest
 * without the load. */
#include "bench.h"
#include "client.h"
#include "node.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HISTORY "1GiB"
#define EVENTS 4000000U
#define FOLLOWERS 16
#define SUBSCRIPTIONS 16
#define ASKERS 8
#define GLOBS 250
#define REPETITIONS 5
#define ASKED 100

struct times {
    struct bench_series median, greatest;
};

static void send_line(const struct client *client, const char *method, const char *before, const char *after) {
    static __thread char line[8192];
    size_t at = (size_t)snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"filter\":\"%s",
                                 method, before);
    for (unsigned i = 0; i < GLOBS; i++)
        at += (size_t)snprintf(line + at, sizeof line - at, "%strace~*0%u*z", i ? " or " : "", i % 10);
    at += (size_t)snprintf(line + at, sizeof line - at, "%s\"}}\n", after);
    for (size_t sent = 0; sent < at;) {
        ssize_t count = send(client->fd, line + sent, at - sent, MSG_NOSIGNAL);
        if (count < 0) bench_die("%s could not be sent", method);
        sent += (size_t)count;
    }
}

static void follow(struct client *client, const struct daemon *daemon) {
    client_open(client, daemon);
    for (unsigned i = 0; i < SUBSCRIPTIONS; i++) {
        size_t bytes;
        const char *line;
        send_line(client, "subscribe", "", "");
        do line = client_line(client, &bytes);
        while (!memmem(line, bytes, "\"id\":1", 6));
        if (!memmem(line, bytes, "\"result\":", 9)) bench_die("subscribe: %.*s", (int)bytes, line);
    }
}

/* Nobody waits for the answers. */
static void ask_for_long(struct client *client, const struct daemon *daemon) {
    client_open(client, daemon);
    for (unsigned i = 0; i < 8; i++) {
        send_line(client, "count", "", "");
        send_line(client, "traces", "any (", ")");
        send_line(client, "query", "", "");
    }
}

static void measure(const struct bench_node *node, struct client *client, struct times *hello, struct times *trace) {
    static struct bench_series one[2];
    static uint64_t number;

    bench_series_init(&one[0]);
    bench_series_init(&one[1]);
    for (unsigned i = 0; i < 2 * ASKED; i++) {
        char params[BENCH_TRACE_PARAMS_BYTES] = "{}";
        uint64_t emitted = atomic_load_explicit(&node->emitted, memory_order_relaxed); /* relaxed: about now */
        uint64_t start_ns;
        size_t bytes;
        if (i % 2) bench_node_trace_params(node, emitted - 500000 - number++ * 7919 % 200000, params);
        start_ns = bench_now_ns();
        (void)client_call(client, i % 2 ? "query" : "hello", params, &bytes);
        bench_series_add(&one[i % 2], (double)(bench_now_ns() - start_ns) / 1e6);
    }
    bench_series_add(&hello->median, bench_series_quantile(&one[0], 0.5));
    bench_series_add(&hello->greatest, bench_series_quantile(&one[0], 1));
    bench_series_add(&trace->median, bench_series_quantile(&one[1], 0.5));
    bench_series_add(&trace->greatest, bench_series_quantile(&one[1], 1));
}

struct producer {
    struct bench_node *node;
    atomic_bool stop;
};

static void *produce(void *arg) {
    struct producer *producer = arg;
    while (!atomic_load(&producer->stop))
        bench_node_emit_paced(producer->node,
                              &(struct bench_pace){.rate = 2e6, .period_ns = 500000, .end_ns = bench_now_ns() + 100000000});
    return NULL;
}

static void report(struct bench *bench, const char *name, const struct times *beside, const struct times *alone,
                   const struct daemon_node *counted) {
    bench_report(bench, &(struct bench_result){.name = name,
                                               .unit = "ms",
                                               .values = &beside->greatest,
                                               .extras = {{"median", bench_series_quantile(&beside->median, 0.5)},
                                                          {"worst", bench_series_quantile(&beside->greatest, 1)},
                                                          {"alone", bench_series_quantile(&alone->greatest, 0.5)},
                                                          {"lost", (double)counted->lost}}});
}

static void run(struct bench *bench) {
    static struct times alone[2], beside[2];
    static struct client followers[FOLLOWERS], askers[ASKERS];
    struct daemon *daemon = daemon_start_with(&(struct daemon_options){.history = HISTORY, .unpinned = true});
    struct bench_node node;
    struct producer producer = {.node = &node};
    struct daemon_node counted;
    struct client client;
    pthread_t thread;

    if (!daemon) {
        bench_skip(bench, "hello", "there is no traced in this build");
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        bench_series_init(&alone[i].median);
        bench_series_init(&alone[i].greatest);
        bench_series_init(&beside[i].median);
        bench_series_init(&beside[i].greatest);
    }
    bench_node_open(&node, daemon, TRACE_LANE_EVENTS_FULL * 4);
    bench_node_emit_all(&node, daemon, EVENTS);
    if (pthread_create(&thread, NULL, produce, &producer) != 0) bench_die("no thread");
    client_open(&client, daemon);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) measure(&node, &client, &alone[0], &alone[1]);
    for (unsigned i = 0; i < FOLLOWERS; i++) follow(&followers[i], daemon);
    for (unsigned i = 0; i < ASKERS; i++) ask_for_long(&askers[i], daemon);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) measure(&node, &client, &beside[0], &beside[1]);
    atomic_store(&producer.stop, true);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < FOLLOWERS; i++) client_close(&followers[i]);
    for (unsigned i = 0; i < ASKERS; i++) client_close(&askers[i]);
    client_close(&client);
    counted = daemon_wait_drained(daemon, &node.id);
    bench_node_close(&node);
    daemon_stop(daemon);
    report(bench, "hello", &beside[0], &alone[0], &counted);
    report(bench, "trace-20", &beside[1], &alone[1], &counted);
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"hello", run}};
    return bench_main(argc, argv, "bound", cases, sizeof cases / sizeof cases[0]);
}
