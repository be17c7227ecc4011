/* SPDX-License-Identifier: MIT
 *
 * Does traced stay within the memory that it promised when it started (`limit`)?
 *
 * resident: its maximum while four nodes of 104 emitted six million events of 300,000 traces and 1,000 peers, through a
 * history of the usual size; 256 subscribers asked for 10,000 recent events and all that follow, and read nothing; with each
 * of 30 rounds four more clients asked for 10,000 events and read nothing; and one client asked for the largest possible
 * answers.  The rings, which it maps, are the nodes' memory and not counted.  `disconnected` counts clients that did not read
 * and made traced hold too much. */
#include "bench.h"
#include "client.h"
#include "node.h"

#define NODES 4
#define SILENT_NODES 100
#define SUBSCRIBERS 256
#define HOARDERS 4 /* more, each round */
#define ROUNDS 30
#define ROUND_EVENTS 50000

static void run_resident(struct bench *bench) {
    static struct bench_series series;
    static struct bench_node nodes[NODES];
    static struct bench_node silent[SILENT_NODES];
    static struct client subscribers[SUBSCRIBERS], hoarders[ROUNDS * HOARDERS], client;
    struct daemon *daemon = daemon_start_with(&(struct daemon_options){.unpinned = true});
    uint64_t most = 0, events = 0, disconnected;
    unsigned hoarding = 0;
    const char *line;
    size_t bytes;

    if (!daemon) {
        bench_skip(bench, "resident", "there is no traced in this build");
        return;
    }
    client_open(&client, daemon);
    for (unsigned i = 0; i < NODES; i++) bench_node_open(&nodes[i], daemon, TRACE_LANE_EVENTS_FULL);
    for (unsigned i = 0; i < SILENT_NODES; i++) bench_node_open(&silent[i], daemon, TRACE_LANE_EVENTS_MINIMAL);
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        client_open(&subscribers[i], daemon);
        client_call(&subscribers[i], "subscribe", "{\"recent\":10000}", &bytes);
    }
    for (unsigned round = 0; round < bench_repetitions(bench, ROUNDS); round++) {
        for (unsigned i = 0; i < HOARDERS && round > 0; i++, hoarding++) {
            client_open(&hoarders[hoarding], daemon);
            client_ask(&hoarders[hoarding], "query", "{\"limit\":10000}");
        }
        for (unsigned i = 0; i < NODES; i++) {
            uint64_t resident;
            bench_node_emit_all(&nodes[i], daemon, ROUND_EVENTS);
            events += ROUND_EVENTS;
            client_call(&client, "query", "{\"limit\":10000}", &bytes);
            client_call(&client, "traces", "{\"limit\":10000}", &bytes);
            resident = daemon_resident_bytes(daemon);
            if (resident > most) most = resident;
        }
    }
    line = client_call(&client, "stats", "{}", &bytes);
    disconnected = client_line_last_number(line, bytes, "held_bytes");
    bench_series_add(&series, (double)most / (1 << 20));
    bench_report(bench, &(struct bench_result){.name = "resident",
                                               .unit = "MiB",
                                               .values = &series,
                                               .extras = {{"limit", (double)daemon_promised_mib(daemon)},
                                                          {"events", (double)events},
                                                          {"disconnected", (double)disconnected}}});
    for (unsigned i = 0; i < SUBSCRIBERS; i++) client_close(&subscribers[i]);
    for (unsigned i = 0; i < hoarding; i++) client_close(&hoarders[i]);
    for (unsigned i = 0; i < NODES; i++) bench_node_close(&nodes[i]);
    for (unsigned i = 0; i < SILENT_NODES; i++) bench_node_close(&silent[i]);
    client_close(&client);
    daemon_stop(daemon);
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"resident", run_resident}};
    return bench_main(argc, argv, "memory", cases, sizeof cases / sizeof cases[0]);
}
