/* SPDX-License-Identifier: MIT
 *
 * How many events a second traced delivers to one subscriber.
 *
 * json: a subscriber asks for everything and does not read while a node emits half a million events, which all fit into the
 * history. Then it reads them and only counts them: this measures how traced reads the history and
 * writes JSON, and the socket, while the ingest is idle. */
#include "bench.h"
#include "client.h"
#include "node.h"

#define EVENTS (1U << 19)
#define REPETITIONS 9

struct received {
    uint64_t events, lost, bytes;
};

/* Reads until all have arrived or are reported as lost. */
static struct received receive(struct client *client, uint64_t events) {
    struct received received = {.events = 0};
    while (received.events + received.lost < events) {
        size_t bytes;
        const char *line = client_line(client, &bytes);
        received.events += client_line_events(line, bytes);
        received.lost += client_line_last_number(line, bytes, "lost");
        received.bytes += bytes + 1;
    }
    return received;
}

static void run_json(struct bench *bench) {
    static struct bench_series rates;
    struct daemon *daemon = daemon_start();
    struct bench_node node;
    struct client client;
    struct received all = {.events = 0};
    size_t bytes;

    if (!daemon) {
        bench_skip(bench, "json", "there is no traced in this build");
        return;
    }
    if (!bench_pin(1)) bench_skip(bench, "json", "one processor only: traced and its subscriber take turns on it");
    bench_node_open(&node, daemon, TRACE_LANE_EVENTS_FULL);
    client_open(&client, daemon);
    client_call(&client, "subscribe", "{}", &bytes);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS) + 1; i++) {
        struct received received;
        uint64_t start_ns;
        bench_node_emit_all(&node, daemon, EVENTS);
        start_ns = bench_now_ns();
        received = receive(&client, EVENTS);
        if (i == 0) continue; /* a warm-up */
        bench_series_add(&rates, (double)received.events * 1e3 / (double)(bench_now_ns() - start_ns));
        all.events += received.events;
        all.lost += received.lost;
        all.bytes += received.bytes;
    }
    client_close(&client);
    bench_node_close(&node);
    daemon_stop(daemon);
    bench_report(bench, &(struct bench_result){
                            .name = "json",
                            .unit = "M events/s",
                            .values = &rates,
                            .extras = {{"bytes_per_event", (double)all.bytes / (double)all.events}, {"lost", (double)all.lost}}});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"json", run_json}};
    return bench_main(argc, argv, "stream", cases, sizeof cases / sizeof cases[0]);
}
