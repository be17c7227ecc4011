/* SPDX-License-Identifier: MIT
 *
 * Does traced stay within the memory that it promised when it started (`limit`)?
 *
 * resident: the most that it had while four nodes emitted six million events of 300,000 traces and 1,000 peers, through a history of the
 * usual size, 64 subscribers followed everything and read nothing, and one client asked for the greatest answers there are.  The
 * rings, which it maps, are the nodes' memory and not counted. */
#include "bench.h"
#include "client.h"
#include "node.h"

#define NODES 4
#define SUBSCRIBERS 64
#define ROUNDS 30
#define ROUND_EVENTS 50000

static void run_resident(struct bench *bench) {
    static struct bench_series series;
    static struct bench_node nodes[NODES];
    static struct client subscribers[SUBSCRIBERS], client;
    struct daemon *daemon = daemon_start_with(&(struct daemon_options){.unpinned = true});
    uint64_t most = 0, events = 0;
    size_t bytes;

    if (daemon == NULL) {
        bench_skip(bench, "resident", "there is no traced in this build");
        return;
    }
    client_open(&client, daemon);
    for (unsigned i = 0; i < NODES; i++) bench_node_open(&nodes[i], daemon, TRACE_LANE_EVENTS_FULL);
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        client_open(&subscribers[i], daemon);
        client_call(&subscribers[i], "subscribe", "{\"recent\":10000}", &bytes);
    }
    for (unsigned round = 0; round < bench_repetitions(bench, ROUNDS); round++) {
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
    bench_series_add(&series, (double)most / (1 << 20));
    bench_report(bench,
                 &(struct bench_result){.name = "resident",
                                        .unit = "MiB",
                                        .values = &series,
                                        .extras = {{"limit", (double)daemon_promised_mib(daemon)}, {"events", (double)events}}});
    for (unsigned i = 0; i < SUBSCRIBERS; i++) client_close(&subscribers[i]);
    for (unsigned i = 0; i < NODES; i++) bench_node_close(&nodes[i]);
    client_close(&client);
    daemon_stop(daemon);
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"resident", run_resident}};
    return bench_main(argc, argv, "memory", cases, sizeof cases / sizeof cases[0]);
}
