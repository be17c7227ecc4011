/* SPDX-License-Identifier: MIT
 *
 * How long an event takes from the macro to a subscriber.
 *
 * A node emits 100,000 events a second, ten every 100 us, next to 100 silent nodes, and a thread of the same process
 * has subscribed to all of them.  The delay begins with the time that the event carries, and ends when recv() has returned
 * the end of its notification.  p50 and p99 are quantiles over the events of a second; each second is one repetition. */
#include "bench.h"
#include "client.h"
#include "node.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RATE 100000
#define PERIOD_NS 100000
#define SECONDS 10
#define SILENT_NODES 100

struct subscriber {
    struct client client;
    unsigned seconds;
    double *delays; /* ms; RATE for each second */
    struct bench_series p50, p99;
    uint64_t lost;
};

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Adds the delays of a notification's events, in ms; returns how many there are now. */
static unsigned add_delays(double *delays, unsigned count, unsigned wanted, const char *line, size_t bytes, uint64_t arrived_ns) {
    static const char begin[] = "{\"timestamp\":";
    const char *end = line + bytes;
    while (count < wanted && (line = memmem(line, (size_t)(end - line), begin, sizeof begin - 1)) != NULL) {
        char *rest;
        uint64_t unix_ns = 1000 * strtoull(line + sizeof begin - 1, &rest, 10);
        unix_ns += strtoull(rest + sizeof ",\"ns\":" - 1, &rest, 10);
        delays[count++] = ((double)arrived_ns - (double)unix_ns) / 1e6;
        line = rest;
    }
    return count;
}

/* Only stores the delays: any other work would delay the next. */
static void *subscribe(void *arg) {
    struct subscriber *subscriber = arg;
    unsigned count = 0, wanted = subscriber->seconds * RATE;

    bench_pin(1);
    while (count < wanted) {
        size_t bytes;
        const char *line = client_line(&subscriber->client, &bytes);
        count = add_delays(subscriber->delays, count, wanted, line, bytes, subscriber->client.arrived_unix_ns);
        subscriber->lost += client_line_last_number(line, bytes, "lost");
    }
    return NULL;
}

static void evaluate(struct subscriber *subscriber) {
    for (unsigned second = 1; second < subscriber->seconds; second++) { /* the first is a warm-up */
        double *delays = subscriber->delays + second * RATE;
        qsort(delays, RATE, sizeof *delays, compare_doubles);
        bench_series_add(&subscriber->p50, delays[RATE / 2]);
        bench_series_add(&subscriber->p99, delays[RATE - RATE / 100]);
    }
}

/* Measured once for both cases.  NULL: not measured. */
static const struct subscriber *measure(struct bench *bench, const char *name) {
    static struct subscriber subscriber;
    struct bench_pace pace = {.rate = RATE, .period_ns = PERIOD_NS};
    static struct bench_node silent[SILENT_NODES];
    struct bench_node node;
    struct daemon *daemon;
    pthread_t thread;
    size_t bytes;

    if (subscriber.p50.count > 0) return &subscriber;
    daemon = daemon_start();
    if (!daemon) {
        bench_skip(bench, name, "there is no traced in this build");
        return NULL;
    }
    bench_pin(1);
    for (unsigned i = 0; i < SILENT_NODES; i++) bench_node_open(&silent[i], daemon, TRACE_LANE_EVENTS_MINIMAL);
    bench_node_open(&node, daemon, TRACE_LANE_EVENTS_FULL);
    client_open(&subscriber.client, daemon);
    client_call(&subscriber.client, "subscribe", "{}", &bytes);
    subscriber.seconds = bench_repetitions(bench, SECONDS) + 1;
    subscriber.delays = calloc(subscriber.seconds * RATE, sizeof *subscriber.delays);
    if (!subscriber.delays) bench_die("out of memory");
    if (pthread_create(&thread, NULL, subscribe, &subscriber) != 0) bench_die("no thread");
    /* A little more than is waited for, so that the last notification is sent. */
    pace.end_ns = bench_now_ns() + UINT64_C(1000000000) * subscriber.seconds + UINT64_C(10000000);
    bench_node_emit_paced(&node, &pace);
    pthread_join(thread, NULL);
    evaluate(&subscriber);
    free(subscriber.delays);
    client_close(&subscriber.client);
    bench_node_close(&node);
    for (unsigned i = 0; i < SILENT_NODES; i++) bench_node_close(&silent[i]);
    daemon_stop(daemon);
    return &subscriber;
}

static void report(struct bench *bench, const char *name, bool p99) {
    const struct subscriber *subscriber = measure(bench, name);
    if (!subscriber) return;
    bench_report(bench, &(struct bench_result){.name = name,
                                               .unit = "ms",
                                               .values = p99 ? &subscriber->p99 : &subscriber->p50,
                                               .extras = {{"lost", (double)subscriber->lost}}});
}

static void run_p50(struct bench *bench) { report(bench, "p50", false); }
static void run_p99(struct bench *bench) { report(bench, "p99", true); }

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"p50", run_p50}, {"p99", run_p99}};
    return bench_main(argc, argv, "latency", cases, sizeof cases / sizeof cases[0]);
}
